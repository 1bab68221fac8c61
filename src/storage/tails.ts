import type { Disk } from './disk.ts'
import { type Addon, TailCell } from './native/addon.ts'
import { failureOf } from './native/failure.ts'

/** A tail that says nothing yet, to be filled by `TailTable.read`. */
export function emptyTail(): Tail {
  return {
    version: -1,
    epoch: -1,
    generation: -1,
    segmentBaseOffset: -1,
    endPosition: -1,
    logStartOffset: -1,
    logEndOffset: -1,
    highWatermark: -1,
    lastStableOffset: -1,
    flushedOffset: -1,
    leaderEpoch: -1,
  }
}

/** Where one log's tail stands in the shared table. */
export interface TailSlot {
  /** Native handle of the table. */
  readonly table: number
  readonly slot: number
}

/** What a writer tells its readers; `segmentBaseOffset` and `endPosition` of the active segment are kept by each append. */
export interface Tail {
  /** Rises with every change. */
  version: number
  /** Rises with every new writer of the folder. */
  epoch: number
  /** Rises with every change of the set of files: roll, retention, truncation. */
  generation: number
  segmentBaseOffset: number
  /** Bytes of the active segment that may be read, exclusive. */
  endPosition: number
  logStartOffset: number
  logEndOffset: number
  highWatermark: number
  lastStableOffset: number
  /** First offset not known to be on disk. */
  flushedOffset: number
  leaderEpoch: number
}

/**
 * The table of tails: one small shared mapping for a whole store, through which readers in other threads and processes
 * follow the logs with no server between (native/tail/tail_table.h has the layout and its rules). Nothing is ever
 * recovered from it.
 */
export class TailTable {
  readonly #disk: Disk
  readonly #addon: Addon
  readonly #table: number
  #closed = false

  private constructor(disk: Disk, table: number) {
    this.#disk = disk
    this.#addon = disk.addon
    this.#table = table
  }

  /** Opens the table. A writer makes it if missing and starts a new epoch; for a reader, null when there is none. */
  static open(disk: Disk, path: string, mode: 'write' | 'read'): TailTable | null {
    const table = disk.addon.tailsOpen(disk.kernel, path, mode === 'write')
    if (table !== 0) return new TailTable(disk, table)
    const failure = failureOf(disk.addon, `open the table of tails ${path}`)
    if (mode === 'read' && failure.code === 'VARVE_NOT_FOUND') return null
    throw failure
  }

  /** The slot of a log, claimed for it by a writer; null for a reader when the log has none. */
  slot(logName: string): TailSlot | null {
    const slot = this.#addon.tailsSlot(this.#table, logName)
    return slot < 0 ? null : { table: this.#table, slot }
  }

  publish(slot: TailSlot, tail: Readonly<Omit<Tail, 'version' | 'epoch'>>): void {
    const { cells } = this.#addon
    cells[TailCell.generation] = tail.generation
    cells[TailCell.segmentBaseOffset] = tail.segmentBaseOffset
    cells[TailCell.endPosition] = tail.endPosition
    cells[TailCell.logStartOffset] = tail.logStartOffset
    cells[TailCell.logEndOffset] = tail.logEndOffset
    cells[TailCell.highWatermark] = tail.highWatermark
    cells[TailCell.lastStableOffset] = tail.lastStableOffset
    cells[TailCell.flushedOffset] = tail.flushedOffset
    cells[TailCell.leaderEpoch] = tail.leaderEpoch
    if (this.#addon.tailPublish(this.#table, slot.slot) !== 0) throw failureOf(this.#addon, 'publish the tail')
  }

  /**
   * Fills `tail` with a consistent copy. False when there is none, because the writer stopped (or was stopped) in the
   * middle of writing it: only `version` is then filled in, to be watched.
   */
  read(slot: TailSlot, tail: Tail): boolean {
    const addon = this.#addon
    const { cells } = addon
    const status = addon.tailRead(this.#table, slot.slot)
    if (status !== 0) {
      const failure = failureOf(addon, 'read the tail')
      if (failure.code !== 'VARVE_FAILED') throw failure
      tail.version = cells[TailCell.version]!
      return false
    }
    tail.version = cells[TailCell.version]!
    tail.epoch = cells[TailCell.epoch]!
    tail.generation = cells[TailCell.generation]!
    tail.segmentBaseOffset = cells[TailCell.segmentBaseOffset]!
    tail.endPosition = cells[TailCell.endPosition]!
    tail.logStartOffset = cells[TailCell.logStartOffset]!
    tail.logEndOffset = cells[TailCell.logEndOffset]!
    tail.highWatermark = cells[TailCell.highWatermark]!
    tail.lastStableOffset = cells[TailCell.lastStableOffset]!
    tail.flushedOffset = cells[TailCell.flushedOffset]!
    tail.leaderEpoch = cells[TailCell.leaderEpoch]!
    return true
  }

  /** Wakes the watchers of a slot. */
  wake(slot: TailSlot): void {
    this.#addon.tailWake(this.#table, slot.slot)
  }

  /**
   * Waits until the slot's version is no longer `version`, at most `timeoutMs`. Does not keep the process alive.
   * @param done Called once, by the event loop: whether it changed, or the time is over. Never after `cancel`.
   */
  watch(slot: TailSlot, version: number, timeoutMs: number, done: (changed: boolean) => void): { cancel(): void } {
    const { tickets } = this.#disk
    const ticket = tickets.issue((status) => done(status === 0))
    if (this.#addon.tailWatch(this.#table, slot.slot, version, timeoutMs, ticket) !== 0) {
      tickets.discard(ticket)
      throw failureOf(this.#addon, 'watch the tail')
    }
    return {
      cancel: () => {
        tickets.discard(ticket)
        this.#addon.tailUnwatch(ticket)
      },
    }
  }

  /** True while a live process holds the writer's lock of this store. */
  get writerAlive(): boolean {
    return this.#addon.tailWriterAlive(this.#table)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#addon.tailsClose(this.#table)
  }
}
