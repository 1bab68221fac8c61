import type { Clock } from '../env/clock.ts'
import type { CompressionCodecs } from '../env/codecs.ts'
import { VarveError } from '../errors.ts'
import { headerBytes } from '../record/batch-header.ts'
import type { Disk } from '../storage/disk.ts'
import { type LogLocation, tailsName } from '../storage/log-location.ts'
import { ScanFlag, ScanStop, Segment, type SegmentOptions } from '../storage/segment.ts'
import { parseSegmentFileName, segmentFileName } from '../storage/segment-names.ts'
import { emptyTail, type TailSlot, TailTable } from '../storage/tails.ts'
import type { LogCheckpoint } from '../storage/varve-checkpoint.ts'
import { BatchRun } from './batch-run.ts'
import { EndWaiters, type WaitOptions } from './end-waiters.ts'
import { readFirstBatch } from './first-batch.ts'
import { type FollowOptions, follow } from './follow.ts'
import type { ReadRequest } from './log.ts'
import { SegmentList } from './segment-list.ts'
import type { ReadBounds } from './slab.ts'
import { SlabReader, slabBytes } from './slab-reader.ts'
import { lookUpTimestamp, type TimestampedOffset } from './timestamp-lookup.ts'
import { ViewReader } from './view-reader.ts'

/** How often a reader looks again while nobody can wake it: no writer lives, or there is no table of tails. */
const pollMs = 100
/** A watch ends after this long to look whether the writer still lives. */
const watchMs = 1000
/** How often the list of files is read again because the writer changed it meanwhile, before the last one is taken. */
const listTriesMax = 8

/** What a reader goes by of a checkpoint; one of Kafka's does not tell where in the file the recovery point is. */
export type ReaderCheckpoint = Pick<LogCheckpoint, 'logStartOffset' | 'recoveryPoint'> &
  Partial<Pick<LogCheckpoint, 'segmentBaseOffset' | 'segmentPosition'>>

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
 * Two states. *Attached*: a writer lives, and its published end is the bound; a look at it costs one crossing and no
 * system call. *Alone*: no writer lives (it closed, was killed, or is none of ours). Then the table is not looked at,
 * for it may be older than a power cut; the files are: every batch that recovery would keep, up to where it would cut.
 * A reader that waits finds a writer's death within `watchMs`, and a new one within `pollMs`, or at once when it is
 * woken by it.
 *
 * Changes of files (roll, retention, truncation, another writer) show as a new generation or epoch: then the folder is
 * listed again, and handles whose file is no longer the one of that name are closed. Writers announce an earlier end, or
 * a later start, before they touch the files, so that bounds that were read before a look at the files never promise
 * what is gone.
 */
export class LogReader {
  readonly folder: string
  readonly #parts: LogReaderParts
  readonly #list: SegmentList
  readonly #inodes = new WeakMap<Segment, number>()
  readonly #slabs: SlabReader
  readonly #views = new ViewReader()
  readonly #waiters: EndWaiters
  /** Open while attached. */
  #table: TailTable | null = null
  #slot: TailSlot | null = null
  readonly #tail = emptyTail()
  /** Of the tail, as far as it was taken into account; what a watch waits to see changed. */
  #version = -1
  /** Epoch and generation that the list of segments was read at; -1: it has to be read again. */
  #epoch = -1
  #generation = -1
  #logStartOffset = 0
  #logEndOffset = 0
  /** The segment that holds the log end. */
  #activeBaseOffset = -1
  /** Exclusive; bytes of that segment that may be read. */
  #activeEndPosition = -1
  /** A watch, or the timer of the next look. One serves all waiters of this reader. */
  #watching: { cancel(): void } | null = null
  #closed = false

  constructor(parts: LogReaderParts) {
    this.#parts = parts
    this.folder = parts.location.folder
    this.#list = new SegmentList((baseOffset) => this.#openSegment(baseOffset))
    this.#slabs = new SlabReader(this.#list, parts.contiguous)
    this.#waiters = new EndWaiters(parts.clock)
    try {
      this.refresh()
      if (this.#list.length === 0 && this.#table === null) throw noLog(this.folder)
    } catch (failure) {
      this.close()
      throw failure
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

  /** Looks where the log stands now; `read`, `waitFor` and `follow` do it by themselves. */
  refresh(): void {
    this.#checkOpen()
    if (!this.#attach() || !this.#readTail()) this.#readFiles()
  }

  /**
   * Reads whole batches from the one that holds `offset` on.
   * @returns Batches in memory that belongs to the caller; none when `offset` is the log end.
   * @throws VARVE_OFFSET_OUT_OF_RANGE with `details { offset, logStartOffset, logEndOffset }`: retention has moved the
   * log start past it, or a truncation the log end below it; VARVE_CORRUPT, VARVE_CLOSED.
   */
  read(offset: number, request: Omit<ReadRequest, 'isolation'> = {}): BatchRun {
    const { into = null, control = false } = request
    const { maxBytes = into?.byteLength ?? slabBytes } = request
    const views = request.views && this.#parts.disk.addon.features.externalBuffers ? this.#views : null
    // While attached it costs a crossing, and what was deleted is not read any more; alone it costs a look at the folder.
    if (this.#table !== null || this.#closed || offset >= this.#logEndOffset) this.refresh()
    const slab = this.#onFiles(
      () => this.#slabs.read(offset, { maxBytes, into, views }, this.#bounds()),
      (found) => found.batchCount > 0 || offset >= this.#logEndOffset,
    )
    if (slab === null) throw this.#missing(offset)
    return new BatchRun(slab, { codecs: this.#parts.codecs, control, aborted: null })
  }

  /** The first record, in offset order, whose timestamp is at or above `timestamp` (ms); null when there is none. */
  offsetForTimestamp(timestamp: number): TimestampedOffset | null {
    this.refresh()
    return this.#onFiles(
      () => lookUpTimestamp(this.#list, timestamp, this.#bounds(), this.#parts.codecs),
      () => true,
    )
  }

  /**
   * Resolves true as soon as there is something to read at `offset`, or the log was cut below where it ends now (a read
   * says so then); false after the timeout or when this reader is closed. Waiting readers are woken by the writer where the system can (futex), else they look every few ms; while no
   * writer lives they look every 100 ms. A wait keeps the process alive.
   */
  waitFor(offset: number, options: WaitOptions = {}): Promise<boolean> {
    try {
      this.refresh()
    } catch (failure) {
      return Promise.reject(failure)
    }
    if (offset < this.#logEndOffset) return Promise.resolve(true)
    const wait = this.#waiters.wait(offset, this.#logEndOffset, options)
    if (this.#waiters.count > 0) this.#watch()
    return wait
  }

  /** Yields what is there from an offset on, then what comes: see `FollowOptions`. */
  follow(options: FollowOptions = {}): AsyncGenerator<BatchRun, void> {
    this.refresh()
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
    this.#watching = null
    this.#waiters.close()
    this.#list.close()
    this.#views.forget()
    this.#detach()
  }

  // ---- waiting

  #watch(): void {
    if (this.#watching !== null) return
    if (this.#table !== null && this.#slot !== null) {
      try {
        this.#watching = this.#table.watch(this.#slot, this.#version, watchMs, (changed) => this.#woken(changed))
        return
      } catch {
        // More watches than there may be: then by the clock.
      }
    }
    this.#watching = this.#parts.clock.after(pollMs, () => this.#woken(false))
  }

  /** Between the writer's wake-up and the waiter's answer lies no turn of the event loop. */
  #woken(changed: boolean): void {
    this.#watching = null
    if (this.#closed) return
    try {
      if (!changed && this.#table?.writerAlive === false) this.#detach()
      this.refresh()
    } catch (failure) {
      this.#waiters.fail(failure)
      return
    }
    this.#waiters.settle(this.#logEndOffset)
    if (this.#waiters.count > 0) this.#watch()
  }

  // ---- what a living writer tells

  /** False when no writer of this log lives. */
  #attach(): boolean {
    if (this.#table !== null) return true
    const { disk, location } = this.#parts
    const table = openTable(disk, `${location.root}/${tailsName}`)
    if (table === null) return false
    // Asked first: what stands in the slots is believed only if it was written by who lives.
    const slot = table.writerAlive ? table.slot(location.logName) : null
    if (slot === null) {
      table.close()
      return false
    }
    this.#table = table
    this.#slot = slot
    this.#version = -1
    this.#epoch = -1
    return true
  }

  #detach(): void {
    this.#table?.close()
    this.#table = null
    this.#slot = null
    this.#epoch = -1
  }

  /**
   * Takes over the writer's tail. False when it tells nothing: it was stopped while it wrote, or is about to recover the
   * log, or its table is gone. What an earlier tail told stays good then: recovery keeps all that was ever published.
   */
  #readTail(): boolean {
    const tail = this.#tail
    const wasTold = this.#version >= 0
    for (let tries = 0; tries < listTriesMax; tries++) {
      const known = tail.logEndOffset
      let whole: boolean
      try {
        whole = this.#table!.read(this.#slot!, tail)
      } catch {
        this.#detach()
        return false
      }
      if (tail.version === this.#version) return true
      if (!whole || tail.logEndOffset < 0) {
        this.#version = tail.version
        tail.logEndOffset = known
        return wasTold
      }
      if (tail.epoch === this.#epoch && tail.generation === this.#generation) break
      // Listed, then looked again whether that list belongs to this tail.
      this.#epoch = tail.epoch
      this.#generation = tail.generation
      this.#relist()
    }
    this.#version = tail.version
    this.#logStartOffset = Math.max(tail.logStartOffset, this.#list.firstBaseOffset)
    this.#logEndOffset = tail.logEndOffset
    this.#activeBaseOffset = tail.segmentBaseOffset
    this.#activeEndPosition = tail.endPosition
    return true
  }

  // ---- what the files tell

  #readFiles(): void {
    this.#relist()
    const { length } = this.#list
    if (length === 0) return
    const checkpoint = this.#parts.checkpoint()
    this.#logStartOffset = Math.max(this.#list.firstBaseOffset, checkpoint?.logStartOffset ?? 0)
    this.#findEnd(this.#knownEnd() ?? this.#recoveryPoint(checkpoint))
    this.#logStartOffset = Math.min(this.#logStartOffset, this.#logEndOffset)
  }

  /** Where the log ended at the last look, if that file is still the same: what lay below was whole. */
  #knownEnd(): ScanPlace | null {
    const index = this.#list.indexFor(this.#activeBaseOffset)
    const segment = index < 0 ? null : this.#list.openedAt(index)
    if (segment === null || segment.baseOffset !== this.#activeBaseOffset) return null
    return this.#placeIn(index, this.#activeEndPosition, this.#logEndOffset)
  }

  /** What was flushed below is not looked at here: damage there is no end, and reading it says so. */
  #recoveryPoint(checkpoint: ReaderCheckpoint | null): ScanPlace {
    const recoveryPoint = checkpoint?.recoveryPoint ?? 0
    const index = this.#list.indexFor(recoveryPoint)
    if (checkpoint === null || index < 0) return { index: 0, position: 0, offset: this.#list.firstBaseOffset }
    const base = this.#list.baseOffsetAt(index)
    const { segmentBaseOffset, segmentPosition } = checkpoint
    const noted =
      segmentBaseOffset === base && segmentPosition !== undefined
        ? this.#placeIn(index, segmentPosition, recoveryPoint)
        : null
    return noted ?? this.#placeOf(index, recoveryPoint) ?? { index, position: 0, offset: base }
  }

  /** The start of the batch that holds `offset`, or the end of the segment if that is at or below it; null when damage lies before. */
  #placeOf(index: number, offset: number): ScanPlace | null {
    const segment = this.#list.at(index)
    try {
      const batch = readFirstBatch(segment, offset)
      if (batch !== null) return { index, position: batch.position, offset: batch.baseOffset }
      const end = segment.read(offset, Buffer.alloc(headerBytes), 1, { endPosition: -1, endOffset: -1 })
      return end === null ? null : { index, position: end.position, offset: end.nextOffset }
    } catch (failure) {
      if (failure instanceof VarveError && failure.code === 'VARVE_CORRUPT') return null
      throw failure
    }
  }

  /** Null when the file is shorter than that. */
  #placeIn(index: number, position: number, offset: number): ScanPlace | null {
    const size = this.#parts.disk.stat(this.#list.at(index).path)?.size ?? 0
    return position <= size ? { index, position, offset } : null
  }

  /** Walks as recovery does, and ends where it would cut: at the first batch that fails or does not follow. */
  #findEnd(place: ScanPlace): void {
    const allowGaps = !this.#parts.contiguous
    const flags = allowGaps ? ScanFlag.allowGaps : 0
    let { index, position, offset } = place
    for (;;) {
      const segment = this.#list.at(index)
      let page = segment.scan(position, offset, flags)
      for (;;) {
        position = page.position
        if (page.rowCount > 0) offset = page.nextOffset
        if (page.stop !== ScanStop.rowsFull) break
        page = segment.scan(position, offset, flags)
      }
      this.#activeBaseOffset = segment.baseOffset
      this.#activeEndPosition = position
      this.#logEndOffset = offset
      if (page.stop === ScanStop.damage || ++index === this.#list.length) return
      const next = this.#list.baseOffsetAt(index)
      if (next !== offset && !(allowGaps && next > offset)) return
      position = 0
      offset = next
    }
  }

  // ---- the list of files

  #openSegment(baseOffset: number): Segment {
    const { disk, segmentOptions } = this.#parts
    // Before it is opened: were the file exchanged in between, the next look would find another inode, and open it again.
    const inode = disk.stat(this.#pathOf(baseOffset))?.inode ?? -1
    const segment = Segment.open(disk, { ...segmentOptions, folder: this.folder, baseOffset, mode: 'read', tail: null })
    this.#inodes.set(segment, inode)
    return segment
  }

  #relist(): void {
    const { disk } = this.#parts
    const bases: number[] = []
    for (const { name } of disk.list(this.folder) ?? []) {
      const file = parseSegmentFileName(name)
      if (file?.kind === 'log' && file.state === undefined) bases.push(file.baseOffset)
    }
    const closed = this.#list.relist(
      bases,
      (segment) => disk.stat(this.#pathOf(segment.baseOffset))?.inode === this.#inodes.get(segment),
    )
    if (closed) {
      this.#slabs.forget()
      this.#views.forget()
    }
  }

  #pathOf(baseOffset: number): string {
    return `${this.folder}/${segmentFileName(baseOffset, 'log')}`
  }

  /**
   * Runs a look into the files; once more, with a fresh list, when a file that was listed is gone (retention or a
   * truncation took it) or when `isGood` says that the answer does not fit the bounds. Null when it does not even then.
   */
  #onFiles<T>(look: () => T, isGood: (answer: T) => boolean): T | null {
    for (let again = false; ; again = true) {
      try {
        const answer = look()
        if (isGood(answer)) return answer
        if (again) return null
      } catch (failure) {
        if (again || !(failure instanceof VarveError) || failure.code !== 'VARVE_NOT_FOUND') throw failure
      }
      this.#version = -1
      this.#epoch = -1
      this.#activeBaseOffset = -1
      this.refresh()
    }
  }

  #bounds(): ReadBounds {
    return {
      logStartOffset: this.#logStartOffset,
      endOffset: this.#logEndOffset,
      activeBaseOffset: this.#activeBaseOffset,
      activeEndPosition: this.#activeEndPosition,
    }
  }

  /** Offsets that must be there are not: somebody has cut or removed a file. */
  #missing(offset: number): VarveError {
    const { folder } = this
    return new VarveError(
      'VARVE_CORRUPT',
      `Offset ${offset} is missing in ${folder}, whose log ends at ${this.#logEndOffset}: a file was cut or removed by somebody else. Run \`npx varve verify\` on the folder to see the extent of the damage.`,
      { details: { path: folder, offset } },
    )
  }

  #checkOpen(): void {
    if (this.#closed) throw new VarveError('VARVE_CLOSED', `The reader of ${this.folder} is closed. Open a new one.`)
  }
}

/** Where a scan starts: the start of a batch in the segment at `index` of the list, or its end. */
interface ScanPlace {
  readonly index: number
  readonly position: number
  readonly offset: number
}

/** Null when there is none that could be believed. */
function openTable(disk: Disk, path: string): TailTable | null {
  try {
    return TailTable.open(disk, path, 'read')
  } catch (failure) {
    // Damaged, or not for us to read: then the files tell.
    if (failure instanceof VarveError && (failure.code === 'VARVE_CORRUPT' || failure.code === 'VARVE_PERMISSION')) {
      return null
    }
    throw failure
  }
}

function noLog(folder: string): VarveError {
  return new VarveError(
    'VARVE_NOT_FOUND',
    `There is no log in ${folder}: it has no segment file. A reader makes nothing; open it for writing first, or check the path.`,
    { details: { path: folder } },
  )
}
