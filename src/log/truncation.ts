import type { Disk } from '../storage/disk.ts'
import type { Segment } from '../storage/segment.ts'
import { copyPrefix, copyPrefixNow } from '../storage/segment-jobs.ts'
import { segmentFileName, segmentStem } from '../storage/segment-names.ts'
import { readFirstBatch } from './first-batch.ts'
import { markDeleted } from './removal.ts'
import type { SegmentList } from './segment-list.ts'

/** Files of a truncation under way begin so; an opening after a crash removes them. */
export const truncatingPrefix = 'varve.truncating.'

/** Where a truncation cuts: the start of a batch. */
export interface TruncationPoint {
  readonly index: number
  readonly baseOffset: number
  readonly position: number
  /** The log ends here afterwards. At or below the offset asked for: a batch that straddles it goes whole. */
  readonly endOffset: number
}

export function truncationPoint(list: SegmentList, offset: number): TruncationPoint {
  const index = Math.max(0, list.indexFor(offset))
  const segment = list.at(index)
  const stored = readFirstBatch(segment, offset)
  const { baseOffset } = segment
  if (stored === null) return { index, baseOffset, position: segment.stats().endPosition, endOffset: offset }
  return { index, baseOffset, position: stored.position, endOffset: Math.min(offset, stored.baseOffset) }
}

/**
 * Cuts the log's files at a point, so that opening them anew finds a log that ends there.
 *
 * No file is ever cut in place: a reader elsewhere may have it mapped, and a byte past the end of a file is a bus error
 * that nobody can catch. The part that stays is copied into new files, which are flushed and then renamed over the old
 * ones. Later segments go first, the newest first, so that a crash at any moment leaves a prefix of the log.
 */
export async function truncateFiles(
  disk: Disk,
  folder: string,
  list: SegmentList,
  point: TruncationPoint,
  remove: (baseOffset: number) => void,
): Promise<void> {
  for (const base of [...list.baseOffsets()].slice(point.index + 1).reverse()) remove(base)
  if (point.position === 0) remove(point.baseOffset)
  else await exchangeForPrefix(disk, folder, list.at(point.index), point.position)
  disk.syncFolder(folder)
}

async function exchangeForPrefix(disk: Disk, folder: string, segment: Segment, position: number): Promise<void> {
  await copyPrefix(disk, segment, position, copyStem(folder, segment.baseOffset))
  adoptCopy(disk, folder, segment.baseOffset)
  markDeleted(disk, folder, segment.baseOffset, ['txnindex'])
}

/** The same on this thread, for a recovery that cuts a segment which readers may have mapped. Durable on return. */
export function exchangeForPrefixNow(disk: Disk, folder: string, segment: Segment, position: number): void {
  copyPrefixNow(disk, segment, position, copyStem(folder, segment.baseOffset))
  adoptCopy(disk, folder, segment.baseOffset)
  disk.syncFolder(folder)
}

const copyStem = (folder: string, baseOffset: number): string =>
  `${folder}/${truncatingPrefix}${segmentStem(baseOffset)}`

/** Puts the copies in the place of the originals. What those' indexes say of the part that stays the copies say too, so any order will do. */
function adoptCopy(disk: Disk, folder: string, baseOffset: number): void {
  for (const kind of ['index', 'timeindex', 'log'] as const) {
    const from = `${copyStem(folder, baseOffset)}.${kind}`
    if (disk.stat(from) !== null) disk.rename(from, `${folder}/${segmentFileName(baseOffset, kind)}`)
  }
}
