import type { Disk } from './disk.ts'
import { failureOf } from './native/failure.ts'
import type { Segment } from './segment.ts'

/**
 * Flushes segments on helper threads; resolves when all of them are on disk. While it runs the process stays alive.
 * On a simulated disk it happens at once, on this thread, so that a run can be repeated exactly.
 * @param flags `FlushFlag`s.
 */
export function flushSegments(disk: Disk, segments: readonly Segment[], flags: number): Promise<void> {
  const { addon, tickets } = disk
  const handles = Uint32Array.from(segments, (segment) => segment.handle)
  const what = `flush ${segments.length === 1 ? segments[0]!.path : `${segments.length} segments`}`
  if (disk.simulated) {
    return addon.flushNow(handles, flags) === 0 ? Promise.resolve() : Promise.reject(failureOf(addon, what))
  }
  return new Promise((resolve, reject) => {
    const ticket = tickets.issue((status) => {
      if (status === 0) resolve()
      else reject(failureOf(addon, what))
    })
    if (addon.flush(handles, flags, ticket) !== 0) {
      tickets.discard(ticket)
      reject(failureOf(addon, what))
    }
  })
}
