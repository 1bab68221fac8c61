import type { Clock } from '../env/clock.ts'
import type { Logger } from '../env/logger.ts'
import type { Disk } from '../storage/disk.ts'
import { type SegmentFileKind, segmentFileKinds, segmentFileName } from '../storage/segment-names.ts'

/**
 * Takes segments away as Kafka does: all their files are renamed to `.deleted` at once, and unlinked after a delay, so
 * that a reader which is about to open one still finds what it looked up, and an operator can undo a mistake. Files
 * that are open or mapped stay readable until the last reader lets go. If the log closes first the files stay, and the
 * next opening removes them.
 */
export class SegmentRemoval {
  readonly #disk: Disk
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #delayMs: number
  readonly #timers = new Set<{ cancel(): void }>()

  constructor(disk: Disk, clock: Clock, logger: Logger, delayMs: number) {
    this.#disk = disk
    this.#clock = clock
    this.#logger = logger
    this.#delayMs = delayMs
  }

  /** Removes the files of a segment; those of `kinds` only, if given. */
  remove(folder: string, baseOffset: number, kinds: readonly SegmentFileKind[] = segmentFileKinds): void {
    const paths = markDeleted(this.#disk, folder, baseOffset, kinds)
    if (paths.length === 0) return
    const timer = this.#clock.after(this.#delayMs, () => {
      this.#timers.delete(timer)
      this.#disk.removeLater(paths).catch((failure: unknown) => {
        this.#logger.warn('deleted files could not be removed; the next opening tries again', { paths, failure })
      })
    })
    this.#timers.add(timer)
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }
}

/** Renames files of a segment to `.deleted`; those that are not there are no error. @returns the new paths. */
export function markDeleted(
  disk: Disk,
  folder: string,
  baseOffset: number,
  kinds: readonly SegmentFileKind[] = segmentFileKinds,
): string[] {
  const renamed: string[] = []
  for (const kind of kinds) {
    const from = `${folder}/${segmentFileName(baseOffset, kind)}`
    if (disk.stat(from) === null) continue
    const to = `${folder}/${segmentFileName(baseOffset, kind, 'deleted')}`
    disk.rename(from, to)
    renamed.push(to)
  }
  return renamed
}
