/**
 * Seeking by time over a list of segments. Within a segment the time index does it.
 */

/** What is known of a segment's times: its largest record timestamp, -1 for none. */
export interface TimedSegment {
  maxTimestamp: number
}

/**
 * Index of the first segment at or after `from` that holds a record with a timestamp at or above `timestamp`; -1 for
 * none. Largest timestamps need not rise from segment to segment (producers set them), so this looks at each in turn.
 */
export function firstSegmentReaching(segments: readonly TimedSegment[], timestamp: number, from = 0): number {
  for (let i = from; i < segments.length; i += 1) if (segments[i]!.maxTimestamp >= timestamp) return i
  return -1
}

/** Index of the first segment that holds the largest timestamp of all; -1 when no record has one. */
export function segmentOfMaxTimestamp(segments: readonly TimedSegment[]): number {
  let found = -1
  let largest = -1
  for (let i = 0; i < segments.length; i += 1) {
    const { maxTimestamp } = segments[i]!
    if (maxTimestamp > largest) {
      largest = maxTimestamp
      found = i
    }
  }
  return found
}
