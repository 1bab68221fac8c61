import type { CompressionCodecs } from '../env/codecs.ts'
import { RecordBatch } from '../record/record-batch.ts'
import { readFirstBatch, type StoredBatch } from './first-batch.ts'
import type { SegmentList } from './segment-list.ts'
import type { ReadBounds } from './slab.ts'

/** The record that a lookup by time has found. */
export interface TimestampedOffset {
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
}

/**
 * The first record, in offset order, whose timestamp is at or above `timestamp`; null when there is none. Timestamps
 * need not rise: producers set them. Costs a lookup in the time index of each segment that reaches the time, and the
 * decoding of one batch.
 */
export function lookUpTimestamp(
  list: SegmentList,
  timestamp: number,
  bounds: ReadBounds,
  codecs: CompressionCodecs,
): TimestampedOffset | null {
  const first = Math.max(0, list.indexFor(bounds.logStartOffset))
  for (let index = first; index < list.length; index++) {
    const segment = list.at(index)
    const endPosition = segment.baseOffset === bounds.activeBaseOffset ? bounds.activeEndPosition : -1
    const located = segment.locateTimestamp(timestamp, endPosition)
    // The batch that reaches it may do so with records below the log start only: then a later one counts.
    let next = located?.baseOffset ?? bounds.endOffset
    while (next < bounds.endOffset) {
      const stored = readFirstBatch(segment, next, endPosition)
      if (stored === null) break
      const found = recordReaching(stored, timestamp, bounds, codecs)
      if (found !== null) return found
      next = stored.nextOffset
    }
  }
  return null
}

function recordReaching(
  { bytes }: StoredBatch,
  timestamp: number,
  bounds: ReadBounds,
  codecs: CompressionCodecs,
): TimestampedOffset | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const batch = new RecordBatch(bytes, view, 0, bytes.length, { codecs })
  if (batch.maxTimestamp < timestamp || batch.isControl) return null
  for (const record of batch) {
    if (record.timestamp >= timestamp && record.offset >= bounds.logStartOffset && record.offset < bounds.endOffset) {
      return { offset: record.offset, timestamp: record.timestamp, leaderEpoch: batch.leaderEpoch }
    }
  }
  return null
}
