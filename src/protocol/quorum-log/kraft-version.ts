import { int16 } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** Level of the quorum's own protocol; 1 has voters that can change (KIP-853). */
export const kraftVersion = message('KRaftVersionRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    version: int16(),
    kRaftVersion: int16(),
  },
})
