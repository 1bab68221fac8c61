/**
 * Work on segments that runs on helper threads. While it runs the process stays alive. On a simulated disk a flush
 * happens at once, on this thread, so that a run can be repeated exactly.
 */
import type { Disk } from './disk.ts'
import { failureOf } from './native/failure.ts'
import type { Segment } from './segment.ts'

/**
 * Flushes segments; resolves when all of them are on disk.
 * @param flags `FlushFlag`s.
 */
export function flushSegments(disk: Disk, segments: readonly Segment[], flags: number): Promise<void> {
  const { addon } = disk
  const handles = Uint32Array.from(segments, (segment) => segment.handle)
  const what = `flush ${segments.length === 1 ? segments[0]!.path : `${segments.length} segments`}`
  if (disk.simulated) {
    return addon.flushNow(handles, flags) === 0 ? Promise.resolve() : Promise.reject(failureOf(addon, what))
  }
  return disk.runJob(what, (ticket) => addon.flush(handles, flags, ticket))
}

/**
 * Copies a segment up to `position`, which is the end of a batch, with the index entries that belong to it, into new
 * files `<stem>.log`, `.index` and `.timeindex`; resolves when they are on disk.
 */
export async function copyPrefix(disk: Disk, segment: Segment, position: number, stem: string): Promise<void> {
  if (disk.simulated) {
    copyPrefixNow(disk, segment, position, stem)
    return
  }
  const what = `copy the first ${position} bytes of ${segment.path}`
  await disk.runJob(what, (ticket) => disk.addon.segmentCopyPrefix(segment.handle, position, stem, ticket))
}

/** The same on this thread: a recovery is one synchronous piece, which nothing else runs in between of. */
export function copyPrefixNow(disk: Disk, segment: Segment, position: number, stem: string): void {
  if (disk.addon.segmentCopyPrefixNow(segment.handle, position, stem) === 0) return
  throw failureOf(disk.addon, `copy the first ${position} bytes of ${segment.path}`)
}
