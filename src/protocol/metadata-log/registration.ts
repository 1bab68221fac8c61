/** What brokers and controllers tell about themselves in the same shape. */
import { int16, string, struct, uint16 } from '../schema/field.ts'

export const endPoint = struct({
  /** Of the listener. */
  name: string(),
  host: string(),
  port: uint16(),
  /** 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL. */
  securityProtocol: int16(),
})

/** Levels of a feature that it can work with. */
export const featureRange = struct({ name: string(), minSupportedVersion: int16(), maxSupportedVersion: int16() })
