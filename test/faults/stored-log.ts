import { readInt64 } from '../../src/base/int64.ts'
import type { Log } from '../../src/log/log.ts'
import { Attribute, HeaderField, lengthOverhead } from '../../src/record/batch-header.ts'

/** A batch as a log holds it: the checksum stands for all bytes that it covers, the rest is here. */
export interface StoredBatch {
  readonly baseOffset: number
  /** Exclusive. */
  readonly nextOffset: number
  readonly sizeBytes: number
  readonly leaderEpoch: number
  readonly crc: number
  readonly maxTimestamp: number
  /** Transaction markers: no data of anybody's. */
  readonly control: boolean
}

/** What a reader sees of a log. */
export interface StoredLog {
  readonly logStartOffset: number
  readonly logEndOffset: number
  /** From the one that holds the log start on. */
  readonly batches: readonly StoredBatch[]
}

/** The batches that stand back to back in some bytes. */
export function storedBatches(bytes: Uint8Array): StoredBatch[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const batches: StoredBatch[] = []
  for (let at = 0; at < bytes.byteLength; ) {
    const baseOffset = readInt64(view, at + HeaderField.baseOffset)
    const sizeBytes = lengthOverhead + view.getInt32(at + HeaderField.length)
    batches.push({
      baseOffset,
      nextOffset: baseOffset + view.getInt32(at + HeaderField.lastOffsetDelta) + 1,
      sizeBytes,
      leaderEpoch: view.getInt32(at + HeaderField.leaderEpoch),
      crc: view.getUint32(at + HeaderField.crc),
      maxTimestamp: readInt64(view, at + HeaderField.maxTimestamp),
      control: (view.getInt16(at + HeaderField.attributes) & Attribute.control) !== 0,
    })
    at += sizeBytes
  }
  return batches
}

/** Reads a log from its start to its end; each checksum is verified on the way. */
export function readStoredLog(log: Pick<Log, 'read' | 'logStartOffset' | 'logEndOffset'>): StoredLog {
  const { logStartOffset, logEndOffset } = log
  const batches: StoredBatch[] = []
  for (let offset = logStartOffset; offset < logEndOffset; ) {
    const run = log.read(offset)
    if (run.nextOffset <= offset)
      throw new Error(`nothing can be read at ${offset}, and the log ends at ${logEndOffset}`)
    batches.push(...storedBatches(run.bytes))
    offset = run.nextOffset
  }
  return { logStartOffset, logEndOffset, batches }
}
