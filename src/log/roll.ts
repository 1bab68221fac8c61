/**
 * When the active segment must be sealed before an append: Kafka's rule, from numbers alone.
 */
export type RollReason = 'size' | 'time' | 'index' | 'offsets'

export interface RollLimits {
  /** `segment.bytes` */
  segmentBytes: number
  /** `segment.ms` */
  segmentMs: number
  /** `segment.index.bytes` */
  segmentIndexBytes: number
}

/** What is known of the active segment. */
export interface RollSegment {
  /** Names the segment's files. */
  baseOffset: number
  /** Bytes of batches in the `.log`. */
  sizeBytes: number
  /** Max timestamp of its *first batch*; -1 when that has none or there is no batch. */
  firstMaxTimestamp: number
  /** Wall time at which the segment was made; counts only when its first batch has no timestamp. */
  createdMs: number
  indexEntries: number
  timeIndexEntries: number
}

/** What is about to be appended. */
export interface RollAppend {
  sizeBytes: number
  /** Largest timestamp of the batches; -1 for none. */
  maxTimestamp: number
  /** Inclusive. */
  lastOffset: number
}

/** Index entries hold offsets relative to the segment's base as a signed 32-bit number. */
export const relativeOffsetMax = 0x7fff_ffff
export const indexEntryBytes = 8
export const timeIndexEntryBytes = 12

/**
 * Why the active segment must be sealed before this append; undefined to append to it.
 *
 * - `size`: the segment would grow past `segment.bytes`.
 * - `time`: this append's largest timestamp is more than `segment.ms` after the first batch's. Record time, not wall
 *   time, so that replaying a log rolls where the original did; wall time only for a segment without timestamps.
 * - `index`: an index has no room. The last slot of the time index is kept for the entry that sealing writes.
 * - `offsets`: the last offset is too far from the segment's base for an index entry.
 *
 * An empty segment is never rolled for size or time: a batch larger than `segment.bytes` gets a segment of its own.
 */
export function rollReason(
  limits: RollLimits,
  segment: RollSegment,
  append: RollAppend,
  nowMs: number,
): RollReason | undefined {
  if (append.lastOffset - segment.baseOffset > relativeOffsetMax) return 'offsets'
  if (segment.sizeBytes === 0) return undefined
  if (segment.sizeBytes > limits.segmentBytes - append.sizeBytes) return 'size'
  const waitedMs =
    segment.firstMaxTimestamp >= 0 ? append.maxTimestamp - segment.firstMaxTimestamp : nowMs - segment.createdMs
  if (waitedMs > limits.segmentMs) return 'time'
  // One more entry, or two more, must fit: multiplied out, since divisions would be a tenth of an append.
  if ((segment.indexEntries + 1) * indexEntryBytes > limits.segmentIndexBytes) return 'index'
  if ((segment.timeIndexEntries + 2) * timeIndexEntryBytes > limits.segmentIndexBytes) return 'index'
  return undefined
}
