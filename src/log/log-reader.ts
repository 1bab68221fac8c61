import type { Clock } from '../env/clock.ts'
import type { CompressionCodecs } from '../env/codecs.ts'
import { VarveError } from '../errors.ts'
import type { Disk } from '../storage/disk.ts'
import { type LogLocation, tailsName } from '../storage/log-location.ts'
import { Segment, type SegmentOptions } from '../storage/segment.ts'
import { parseSegmentFileName } from '../storage/segment-names.ts'
import { type Tail, type TailSlot, TailTable } from '../storage/tails.ts'
import type { LogCheckpoint } from '../storage/varve-checkpoint.ts'
import { BatchRun } from './batch-run.ts'
import { EndWaiters, type WaitOptions } from './end-waiters.ts'
import { type FollowOptions, follow } from './follow.ts'
import type { ReadRequest } from './log.ts'
import { SegmentList } from './segment-list.ts'
import type { ReadBounds, Slab } from './slab.ts'
import { SlabReader, type SlabRequest, slabBytes } from './slab-reader.ts'
import { lookUpTimestamp, type TimestampedOffset } from './timestamp-lookup.ts'
import { ViewReader } from './view-reader.ts'

/** How often a reader looks again when nobody can wake it: there is no table of tails, or its writer is gone. */
const pollMs = 100
/** A watch ends after this long to look whether the writer still lives. */
const watchMs = 1000

/** What a reader goes by of a checkpoint. */
export type ReaderCheckpoint = Pick<LogCheckpoint, 'logStartOffset' | 'recoveryPoint'>

export interface LogReaderParts {
  readonly disk: Disk
  readonly clock: Clock
  readonly location: LogLocation
  readonly segmentOptions: Omit<SegmentOptions, 'baseOffset' | 'mode' | 'tail' | 'folder'>
  readonly codecs: CompressionCodecs
  /** The log is not compacted: missing offsets are damage. */
  readonly contiguous: boolean
  /** The last checkpoint, null for none: asked while no writer tells something newer. */
  readonly checkpoint: () => ReaderCheckpoint | null
}

/**
 * Reads a log that another thread or process may be writing, with no server between: what may be read stands in the
 * shared table of tails; the bytes come from the files. It never writes, so any number of them may exist.
 *
 * While the writer lives the published end is the bound. When it is gone (closed, killed, or it never was one of ours)
 * nothing is believed but the files: every whole batch that passes its checks, up to the first that does not.
 */
export class LogReader {
  readonly folder: string
  readonly #parts: LogReaderParts
  readonly #list: SegmentList
  readonly #slabs: SlabReader
  readonly #views = new ViewReader()
  readonly #waiters: EndWaiters
  readonly #tails: TailTable | null
  #slot: TailSlot | null = null
  /** Generation and epoch that the list of segments was read at. */
  #seenEpoch = -1
  #seenGeneration = -1
  #logStartOffset = 0
  #logEndOffset = 0
  /** The segment that `#activeEndPosition` bounds; later ones lie past `#logEndOffset` anyway. */
  #activeBaseOffset = -1
  #activeEndPosition = -1
  /** Where the scan for the end of an ownerless log stopped, so that polling costs what is new. */
  #scannedOffset = -1
  #watching: { cancel: () => void } | null = null
  #closed = false

  constructor(parts: LogReaderParts) {
    this.#parts = parts
    this.folder = parts.location.folder
    const { disk, segmentOptions } = parts
    this.#list = new SegmentList((baseOffset) =>
      Segment.open(disk, { ...segmentOptions, folder: this.folder, baseOffset, mode: 'read', tail: null }),
    )
    this.#slabs = new SlabReader(this.#list, parts.contiguous)
    this.#waiters = new EndWaiters(parts.clock)
    this.#tails = TailTable.open(disk, `${parts.location.root}/${tailsName}`, 'read')
    this.refresh()
    if (this.#list.length === 0) {
      this.close()
      throw new VarveError(
        'VARVE_NOT_FOUND',
        `There is no log in ${this.folder}: it has no segment file. A reader makes nothing; open it for writing first, or check the path.`,
        { details: { path: this.folder } },
      )
    }
  }

  /** Lowest offset that may be read, as of the last `refresh`. */
  get logStartOffset(): number {
    return this.#logStartOffset
  }

  /** Offset that the next record will get, as of the last `refresh`. */
  get logEndOffset(): number {
    return this.#logEndOffset
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Looks where the log stands now; `read` does it by itself when it is asked for more than it knows of. */
  refresh(): void {
    this.#checkOpen()
    const tail = this.#liveTail()
    if (tail === null) {
      this.#refreshFromFiles()
      return
    }
    if (tail.epoch !== this.#seenEpoch || tail.generation !== this.#seenGeneration) {
      this.#refreshList()
      this.#seenEpoch = tail.epoch
      this.#seenGeneration = tail.generation
    }
    this.#scannedOffset = -1
    this.#logStartOffset = tail.logStartOffset
    this.#logEndOffset = tail.logEndOffset
    this.#activeBaseOffset = tail.segmentBaseOffset
    this.#activeEndPosition = tail.endPosition
  }

  /**
   * Reads whole batches from the one that holds `offset` on.
   * @returns Batches in memory that belongs to the caller; none when `offset` is the log end.
   * @throws VARVE_OFFSET_OUT_OF_RANGE (the log start may have moved past it), VARVE_CORRUPT, VARVE_CLOSED.
   */
  read(offset: number, request: Omit<ReadRequest, 'isolation'> = {}): BatchRun {
    const { into = null, control = false } = request
    const { maxBytes = into?.byteLength ?? slabBytes } = request
    const views = request.views && this.#parts.disk.addon.features.externalBuffers ? this.#views : null
    return new BatchRun(this.#readSlab(offset, { maxBytes, into, views }), {
      codecs: this.#parts.codecs,
      control,
      aborted: null,
    })
  }

  /** The first record, in offset order, whose timestamp is at or above `timestamp` (ms); null when there is none. */
  offsetForTimestamp(timestamp: number): TimestampedOffset | null {
    this.refresh()
    return lookUpTimestamp(this.#list, timestamp, this.#bounds(), this.#parts.codecs)
  }

  #readSlab(offset: number, request: SlabRequest): Slab {
    if (offset >= this.#logEndOffset || this.#closed) this.refresh()
    try {
      return this.#slabs.read(offset, request, this.#bounds())
    } catch (failure) {
      // A segment that retention or truncation has taken away since the list was read.
      if (!(failure instanceof VarveError) || failure.code !== 'VARVE_NOT_FOUND') throw failure
      this.#seenGeneration = -1
      this.refresh()
      return this.#slabs.read(offset, request, this.#bounds())
    }
  }

  /**
   * Resolves true as soon as there is something to read at `offset`, false after the timeout or when this reader is
   * closed. Waiting readers are woken by the writer where the system can (futex), else they look every 100 ms. A wait
   * keeps the process alive.
   */
  async waitFor(offset: number, options: WaitOptions = {}): Promise<boolean> {
    this.refresh()
    if (offset < this.#logEndOffset) return true
    const wait = this.#waiters.wait(offset, options)
    this.#watch()
    return wait
  }

  /** Yields what is there from an offset on, then what comes: see `FollowOptions`. */
  follow(options: FollowOptions = {}): AsyncGenerator<BatchRun, void> {
    this.#checkOpen()
    return follow(this, options)
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return Promise.resolve()
  }

  /** Idempotent. Pending waits answer false. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#watching?.cancel()
    this.#waiters.close()
    this.#list.close()
    this.#tails?.close()
  }

  /** One watch serves all waiters of this reader. */
  #watch(): void {
    if (this.#watching !== null) return
    const tail = this.#liveTail()
    if (tail === null || this.#slot === null || this.#tails === null) {
      const timer = this.#parts.clock.after(pollMs, () => this.#watched())
      this.#watching = timer
      return
    }
    if (tail.logEndOffset > this.#logEndOffset) {
      this.#parts.clock.soon(() => this.#watched())
      this.#watching = { cancel() {} }
      return
    }
    const watch = this.#tails.watch(this.#slot, tail.version, watchMs)
    this.#watching = watch
    watch.changed.then(
      () => this.#watched(),
      () => this.#watched(),
    )
  }

  #watched(): void {
    this.#watching = null
    if (this.#closed) return
    this.refresh()
    this.#waiters.moved(() => this.#logEndOffset)
    this.#parts.clock.soon(() => {
      if (!this.#closed && this.#waiters.count > 0) this.#watch()
    })
  }

  #liveTail(): Tail | null {
    if (this.#tails === null || !this.#tails.writerAlive) return null
    this.#slot ??= this.#tails.slot(this.#parts.location.logName)
    return this.#slot === null ? null : this.#tails.read(this.#slot)
  }

  /** Opens anew what is no longer the same file; keeps what is. */
  #refreshList(): void {
    const bases = this.#baseOffsetsOnDisk()
    this.#list.remove(0, this.#list.length)
    for (const base of bases) this.#list.push(base, null)
    this.#slabs.forget()
    this.#views.forget()
  }

  #refreshFromFiles(): void {
    const bases = this.#baseOffsetsOnDisk()
    const known = this.#list.baseOffsets()
    const same = this.#seenEpoch === -1 && bases.length === known.length && bases.every((base, i) => base === known[i])
    if (!same) {
      this.#refreshList()
      this.#scannedOffset = -1
    }
    this.#seenEpoch = -1
    this.#seenGeneration = -1
    this.#activeBaseOffset = -1
    if (this.#list.length === 0) return
    const checkpoint = this.#parts.checkpoint()
    this.#logStartOffset = Math.max(this.#list.firstBaseOffset, checkpoint?.logStartOffset ?? 0)
    const active = this.#list.baseOffsetAt(this.#list.length - 1)
    // What was flushed below the recovery point is not looked at here: damage there is no end, and reading it says so.
    this.#logEndOffset = this.#scanEnd(Math.max(active, this.#scannedOffset, checkpoint?.recoveryPoint ?? 0))
    this.#scannedOffset = this.#logEndOffset
  }

  /** Offset after the last whole batch of the last segment, looked for from `offset` on. */
  #scanEnd(offset: number): number {
    const segment = this.#list.at(this.#list.length - 1)
    let slab = Buffer.allocUnsafeSlow(1024 * 1024)
    let end = offset
    for (;;) {
      const bound = { endPosition: -1, endOffset: -1 }
      try {
        const fill = segment.read(end, slab, slab.length, bound)
        if (fill === null) {
          slab = Buffer.allocUnsafeSlow(segment.neededBytes)
          continue
        }
        if (fill.batchCount === 0) return end
        end = fill.nextOffset
      } catch (failure) {
        // The torn tail that a killed writer leaves is an end, not damage: its next open will cut it.
        if (failure instanceof VarveError && failure.code === 'VARVE_CORRUPT') return end
        throw failure
      }
    }
  }

  #baseOffsetsOnDisk(): number[] {
    const bases: number[] = []
    for (const { name } of this.#parts.disk.list(this.folder) ?? []) {
      const file = parseSegmentFileName(name)
      if (file?.kind === 'log' && file.state === undefined) bases.push(file.baseOffset)
    }
    return bases
  }

  #bounds(): ReadBounds {
    return {
      logStartOffset: this.#logStartOffset,
      endOffset: this.#logEndOffset,
      activeBaseOffset: this.#activeBaseOffset,
      activeEndPosition: this.#activeEndPosition,
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new VarveError('VARVE_CLOSED', `The reader of ${this.folder} is closed. Open a new one.`)
  }
}
