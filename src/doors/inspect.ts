/**
 * For the command line: looking at the files of a log without opening it. Not among the package's exports, since its
 * reports follow the checks and may change with them.
 *
 * Works without an addon, so that a folder can be looked at where none is built; with one checksums are faster.
 */
import { crc32c as plainCrc32c } from '../base/crc32c.ts'
import { compressionCodecs } from '../env/node/codecs/index.ts'
import { type Crc32c, type ScanEvent, scanBatches } from '../log/inspect/batch-scan.ts'
import { type FolderReport, inspectFolder as inspect } from '../log/inspect/inspect-folder.ts'
import type { InspectedFile, InspectedFolder } from '../log/inspect/inspected-folder.ts'
import { addon } from '../storage/native/loader.ts'

export type { ScanEvent } from '../log/inspect/batch-scan.ts'
export type { Finding } from '../log/inspect/findings.ts'
export { type FolderReport, type InspectedLog, partitionsIn } from '../log/inspect/inspect-folder.ts'
export { type LogReport, type LostRange, readEpochs, segmentBases } from '../log/inspect/inspect-log.ts'
export type { InspectedFile, InspectedFolder } from '../log/inspect/inspected-folder.ts'
export { encodePlaceholderBatch, placeholderOffsetsMax } from '../log/inspect/placeholder-batch.ts'
export { decodeProducerSnapshot } from '../log/producer-snapshot.ts'
export type { ProducerEntry } from '../log/producer-states.ts'
export { decodeTransactionIndex } from '../log/transaction-index.ts'
export {
  decodeInternalRecord,
  type InternalRecord,
  type InternalTopic,
  internalTopicOf,
} from '../protocol/internal-record.ts'
export { decodeOffsetIndex, decodeTimeIndex } from '../storage/index-entries.ts'
export { decodeLeaderEpochs, decodeOffsetCheckpoint, leaderEpochCheckpointName } from '../storage/kafka-checkpoint.ts'
export { decodeMetaProperties, metaPropertiesName } from '../storage/meta-properties.ts'
export { decodePartitionMetadata, partitionMetadataName } from '../storage/partition-metadata.ts'
export { parseSegmentFileName, segmentFileName } from '../storage/segment-names.ts'
export { readCheckpoint, varveCheckpointName } from '../storage/varve-checkpoint.ts'

export interface InspectOptions {
  /** The log is compacted, also where no checkpoint of Kafka's says so. */
  readonly compacted?: boolean
  /** Told the bytes of log that were looked at since the last call. */
  readonly onProgress?: (bytes: number) => void
}

/** See `inspectFolder` in `src/log/inspect/inspect-folder.ts`. */
export function inspectFolder(folder: InspectedFolder, options: InspectOptions = {}): FolderReport {
  return inspect(folder, { crc32c: checksum(), codecs: compressionCodecs, ...options })
}

export interface ScanOptions {
  readonly baseOffset: number
  /** Exclusive: base offset of the next segment. Default: there is none. */
  readonly endOffset?: number
  /** The log is compacted. */
  readonly allowGaps?: boolean
}

/** Walks one `.log` file, going on behind damage; see `ScanEvent`. A batch's memory is valid until the next step. */
export function scanSegment(file: InspectedFile, options: ScanOptions): Generator<ScanEvent, void, undefined> {
  const { baseOffset, endOffset = Number.POSITIVE_INFINITY, allowGaps = false } = options
  return scanBatches(file, { crc32c: checksum(), codecs: compressionCodecs, baseOffset, endOffset, allowGaps })
}

function checksum(): Crc32c {
  try {
    const native = addon()
    return (bytes, seed) => native.crc32c(bytes, seed)
  } catch {
    return plainCrc32c
  }
}
