/**
 * Which producer snapshots of a folder to keep and which to load, from their names alone. Pure.
 */

export interface SnapshotFolder {
  /** Offsets that name the snapshot files, rising. */
  snapshotOffsets: readonly number[]
  /** Base offsets of the segments, rising; at least one. */
  segmentBaseOffsets: readonly number[]
  logStartOffset: number
  /** Exclusive; once recovery has found it. */
  logEndOffset: number
}

/**
 * Snapshots that nobody needs any more: past the log end, at or below the log start, or of no segment. The newest that
 * lies behind the last segment's base stays: a clean close has made it.
 */
export function straySnapshots({
  snapshotOffsets,
  segmentBaseOffsets,
  logStartOffset,
  logEndOffset,
}: SnapshotFolder): number[] {
  const bases = new Set(segmentBaseOffsets)
  const lastBase = segmentBaseOffsets[segmentBaseOffsets.length - 1]!
  const inRange = snapshotOffsets.filter((offset) => offset > logStartOffset && offset <= logEndOffset)
  const newest = inRange[inRange.length - 1]
  const kept = new Set(inRange.filter((offset) => bases.has(offset) || (offset === newest && offset > lastBase)))
  return snapshotOffsets.filter((offset) => !kept.has(offset))
}

/**
 * Snapshots to try, the best first: the newest at or below `offset` needs the least to be applied on top of it. If none
 * can be read, the log is applied from its start.
 */
export function snapshotsToTry(snapshotOffsets: readonly number[], offset: number): number[] {
  return snapshotOffsets.filter((candidate) => candidate <= offset).sort((a, b) => b - a)
}
