/**
 * Where an open would begin to check a log, and what it would cut. The same rules as `recovery.ts`, on what an
 * inspection has seen; a test holds both against each other.
 */
import { crc32c } from '../../base/crc32c.ts'
import { segmentFileName } from '../../storage/segment-names.ts'
import type { LogCheckpoint } from '../../storage/varve-checkpoint.ts'
import { indexEntryBytes, timeIndexEntryBytes } from '../roll.ts'
import type { DamagedRange } from './batch-scan.ts'
import { type InspectedFolder, readSmallFile } from './inspected-folder.ts'

export interface OpenStart {
  /** Base offset of the first segment that is checked. */
  readonly baseOffset: number
  readonly position: number
}

/** What an open for writing would take away. */
export interface OpenCut {
  readonly file: string
  readonly position: number
  /** The log would end here. */
  readonly offset: number
  /** Bytes of that file from `position` on, and of the segments behind it. */
  readonly bytes: number
  readonly removedSegments: readonly number[]
  /** Records that pass their checks and would be cut away too, because they lie behind the damage. */
  readonly goodRecordsLost: number
}

export interface SegmentSize {
  readonly baseOffset: number
  readonly bytes: number
}

export function openStart(
  folder: InspectedFolder,
  segments: readonly SegmentSize[],
  checkpoint: LogCheckpoint | null,
  closedByKafka: boolean,
): OpenStart {
  const recoveryPoint = checkpoint?.recoveryPoint ?? -1
  const index = segments.findLastIndex(({ baseOffset }) => baseOffset <= recoveryPoint)
  if (index < 0 || checkpoint === null) return { baseOffset: segments[0]?.baseOffset ?? 0, position: 0 }
  const { baseOffset, bytes } = segments[index]!
  const wholeSegment = { baseOffset, position: 0 }
  if (closedByKafka && index === segments.length - 1) return { baseOffset, position: bytes }
  if (checkpoint.segmentBaseOffset !== baseOffset || bytes < checkpoint.segmentPosition) return wholeSegment
  if (!indexesAreAsFlushed(folder, checkpoint)) return wholeSegment
  if (bytes === checkpoint.segmentPosition && index === segments.length - 1) {
    return { baseOffset, position: checkpoint.segmentPosition }
  }
  if (checkpoint.indexEntries === 0) return wholeSegment
  const content = readSmallFile(folder, segmentFileName(baseOffset, 'index'))
  if (!content || content.length < checkpoint.indexEntries * indexEntryBytes) return wholeSegment
  const position = content.readInt32BE((checkpoint.indexEntries - 1) * indexEntryBytes + 4)
  return position < checkpoint.segmentPosition ? { baseOffset, position } : wholeSegment
}

/** Both indexes of the recovery point's segment begin with exactly what was flushed. */
export function indexesAreAsFlushed(folder: InspectedFolder, checkpoint: LogCheckpoint): boolean {
  const { segmentBaseOffset, indexEntries, indexCrc, timeIndexEntries, timeIndexCrc } = checkpoint
  const holds = (kind: 'index' | 'timeindex', bytes: number, crc: number): boolean => {
    if (bytes === 0) return true
    const content = readSmallFile(folder, segmentFileName(segmentBaseOffset, kind))
    return !!content && content.length >= bytes && crc32c(content.subarray(0, bytes)) === crc
  }
  return (
    holds('index', indexEntries * indexEntryBytes, indexCrc) &&
    holds('timeindex', timeIndexEntries * timeIndexEntryBytes, timeIndexCrc)
  )
}

/** Where a scan that begins at `start` would stop for good, if this damage lies in its way; else null. */
export function cutPosition(start: OpenStart, segmentBaseOffset: number, damage: DamagedRange): number | null {
  if (!damage.stopsOpen || segmentBaseOffset < start.baseOffset) return null
  if (segmentBaseOffset > start.baseOffset) return damage.position
  return damage.endPosition > start.position ? Math.max(damage.position, start.position) : null
}
