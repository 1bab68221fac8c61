/**
 * In which version a record is written: what the finalized level of `metadata.version` allows, so that every member of
 * the cluster can read it. Pure.
 */

/** `metadata.version` of Kafka 4.3, which a new store gets. */
export const latestMetadataVersion = 30

/** The lowest level that a Kafka 4.x works with (3.3): with less, no KRaft node starts. */
export const leastMetadataVersion = 7

/** Levels at which the records that we write changed. */
const withControlledShutdown = 7
const withMigration = 8
const withDirectories = 17
const withEligibleReplicas = 23
const withCordonedDirectories = 30

export interface RecordVersions {
  readonly partition: 0 | 1 | 2
  readonly registerBroker: 0 | 1 | 2 | 3 | 4
  readonly registrationChange: 0 | 1 | 2 | 3
}

/** @param metadataVersion The finalized level. */
export function recordVersionsAt(metadataVersion: number): RecordVersions {
  const at = (level: number): boolean => metadataVersion >= level
  return {
    partition: at(withEligibleReplicas) ? 2 : at(withDirectories) ? 1 : 0,
    registerBroker: at(withCordonedDirectories)
      ? 4
      : at(withDirectories)
        ? 3
        : at(withMigration)
          ? 2
          : at(withControlledShutdown)
            ? 1
            : 0,
    registrationChange: at(withCordonedDirectories) ? 3 : at(withDirectories) ? 2 : at(withControlledShutdown) ? 1 : 0,
  }
}
