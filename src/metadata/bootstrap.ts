/** What a metadata log begins with: the feature levels of a new store, and what a broker tells of itself. Pure. */
import { VarveError } from '../errors.ts'
import type { MetadataRecordInput } from '../protocol/metadata-log/metadata-records.ts'
import { latestMetadataVersion, leastMetadataVersion } from './record-versions.ts'

export interface RegisteredEndPoint {
  readonly name: string
  readonly host: string
  readonly port: number
  /** 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL. */
  readonly securityProtocol: number
}

export interface RegisteredFeature {
  readonly name: string
  readonly minSupportedVersion: number
  readonly maxSupportedVersion: number
}

/** Kafka makes it from a file of this name in the data folder, if formatting left one. */
export const bootstrapCheckpointName = 'bootstrap.checkpoint'

/** What Kafka 4.3 finalizes when it formats a folder, so that it finds what it would have made itself. */
const newStoreFeatures: readonly (readonly [name: string, level: number])[] = [
  ['metadata.version', latestMetadataVersion],
  ['eligible.leader.replicas.version', 1],
  ['group.version', 1],
  ['share.version', 1],
  ['streams.version', 1],
  ['transaction.version', 2],
]

/** The first records of a log that nobody began. */
export function bootstrapRecords(): MetadataRecordInput[] {
  return newStoreFeatures.map(([name, featureLevel]) => ({
    type: 'FeatureLevelRecord',
    version: 0,
    value: { name, featureLevel },
  }))
}

/** What a broker of ours registers that it can work with: a level outside of it would be refused when it is opened. */
export function supportedFeatures(): RegisteredFeature[] {
  return newStoreFeatures.map(([name, maxSupportedVersion]) => ({
    name,
    minSupportedVersion: name === 'metadata.version' ? leastMetadataVersion : 0,
    maxSupportedVersion,
  }))
}

/** @throws VARVE_FORMAT_TOO_NEW for a level that later records may follow which are not known here. */
export function checkMetadataVersion(level: number | undefined): void {
  if (level === undefined || level <= latestMetadataVersion) return
  throw new VarveError(
    'VARVE_FORMAT_TOO_NEW',
    `The store has metadata.version ${level}; up to ${latestMetadataVersion} (Kafka 4.3) is known here. Use a newer varve.`,
    { details: { metadataVersion: level, latestMetadataVersion } },
  )
}
