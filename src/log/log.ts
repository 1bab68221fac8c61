import type { Clock, Timer } from '../env/clock.ts'
import type { CompressionCodecs } from '../env/codecs.ts'
import type { Logger } from '../env/logger.ts'
import { VarveError } from '../errors.ts'
import type { LogSettings } from '../settings/log-settings.ts'
import { Segment } from '../storage/segment.ts'
import { segmentFileName } from '../storage/segment-names.ts'
import type { AppendOrigin } from './append-plan.ts'
import type { Appendable } from './batch-input.ts'
import { BatchRun } from './batch-run.ts'
import { EndWaiters, type WaitOptions } from './end-waiters.ts'
import { type FollowOptions, follow } from './follow.ts'
import { type AppenderParts, type AppendResult, LogAppender } from './log-appender.ts'
import type { RecoveredLog } from './recovery.ts'
import { SegmentRemoval } from './removal.ts'
import { planRetention, type RetentionSegment } from './retention.ts'
import { RetentionClock } from './retention-clock.ts'
import { SegmentList } from './segment-list.ts'
import type { ReadBounds } from './slab.ts'
import { SlabReader, slabBytes } from './slab-reader.ts'
import { lookUpTimestamp, type TimestampedOffset } from './timestamp-lookup.ts'
import { truncateFiles, truncationPoint } from './truncation.ts'
import { ViewReader } from './view-reader.ts'

/** How often retention looks, as Kafka's `log.retention.check.interval.ms`. */
const retentionCheckMs = 5 * 60 * 1000

/** From the weakest to the strongest. */
const durabilities = ['buffered', 'interval', 'synced'] as const
export type Durability = (typeof durabilities)[number]

/** An append that was acknowledged, with the durability that it has reached. */
export interface AppendAck extends AppendResult {
  readonly durability: Durability
}

export interface LogParts extends AppenderParts {
  readonly codecs: CompressionCodecs
  /** What somebody set for this log, which no append goes below; 'buffered' when nobody did. */
  readonly minDurability: Durability
  /** Brings the folder to a state that can be served; run at the start and after its files were exchanged. */
  readonly recover: (settings: LogSettings) => RecoveredLog
  /** Called once when the log is closed; `clean`: it was flushed, and its checkpoint written. */
  readonly onClosed: (clean: boolean) => void
}

export interface ReadRequest {
  /** Most bytes to answer, though never less than one whole batch. Default 64 KiB. */
  readonly maxBytes?: number
  /** 'read_committed' stops at the last stable offset and leaves out aborted transactions. Default 'read_uncommitted'. */
  readonly isolation?: 'read_uncommitted' | 'read_committed'
  /**
   * Views of sealed segments instead of copies: they stay valid as long as they are referenced. Data of the active
   * segment is always copied, and so is everything where the platform refuses external buffers. Default false.
   */
  readonly views?: boolean
  /**
   * Memory to read into, used again for read after read: saves the page faults of fresh memory, which cost more than the
   * copy. The batches, keys and values of a read then change with the next one that uses the same memory.
   */
  readonly into?: Uint8Array
  /** Also answer transaction markers, which are no data of anybody's. Default false. */
  readonly control?: boolean
}

export interface LogStats {
  readonly logStartOffset: number
  readonly logEndOffset: number
  /** First offset not known to be on disk. */
  readonly recoveryPoint: number
  readonly segmentCount: number
  /** Bytes of batches in all segments. */
  readonly sizeBytes: number
  /** Appends that found no page ready and had to wait for one. */
  readonly stalls: number
  /** Bytes mapped into memory by the active segment. */
  readonly mappedBytes: number
}

/**
 * One partition log in one folder, open for writing: batches go in at the end, and are read back from any offset.
 *
 * Appending and reading are synchronous (page cache); flushing happens on helper threads and is awaited with
 * `appendDurable` or `flush`. A Log belongs to the thread that opened it. After a failed flush it is offline: every call
 * that writes rejects with VARVE_FAILED, because what reached the disk is unknown until it is opened anew.
 *
 * This is the face. The writing end is `log-appender.ts`; what retention deletes is decided in `retention.ts`; what
 * truncation does to files stands in `truncation.ts`.
 */
export class Log {
  readonly folder: string
  readonly #parts: LogParts
  #settings: LogSettings
  #minDurability: Durability
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #list: SegmentList
  readonly #appender: LogAppender
  readonly #slabs: SlabReader
  /** Made when somebody first waits, or something is first deleted: an idle log costs little memory. */
  #waiters: EndWaiters | null = null
  #removal: SegmentRemoval | null = null
  readonly #retentionClock: RetentionClock
  /** Made when somebody first asks for views. */
  #views: ViewReader | null = null
  #retentionTimer: Timer | null = null
  /** Deleted segments whose files wait for a helper that is sealing them, or an older one. */
  #removing: Promise<void> | null = null
  /** A truncation under way. */
  #exchanging: Promise<void> | null = null
  #closing: Promise<void> | null = null

  constructor(parts: LogParts) {
    const { settings, clock, location, root, logger, segmentOptions } = parts
    const { folder } = location
    this.#parts = parts
    this.#clock = clock
    this.#logger = logger
    this.folder = folder
    this.#settings = settings
    this.#minDurability = parts.minDurability
    this.#list = new SegmentList((baseOffset) =>
      Segment.open(root.disk, { ...segmentOptions, folder, baseOffset, mode: 'read', tail: null }),
    )
    this.#slabs = new SlabReader(this.#list, !settings.cleanupPolicy.includes('compact'))
    this.#retentionClock = new RetentionClock(clock.wallMs(), clock.monotonicMs())
    this.#appender = new LogAppender(parts, this.#list, () => {
      if (this.#waiters !== null && this.#waiters.count > 0) this.#waiters.moved(() => this.logEndOffset)
      if (this.#settings.durability === 'interval') this.#appender.flushSoon()
    })
    this.#appender.adopt(parts.recover(this.#settings))
    this.#armRetention()
  }

  // ---- where the log stands

  /** Lowest offset that may be read. */
  get logStartOffset(): number {
    return this.#appender.logStartOffset
  }

  /** Offset that the next record will get. */
  get logEndOffset(): number {
    return this.#appender.logEndOffset
  }

  /** First offset not known to be on disk. */
  get recoveryPoint(): number {
    return this.#appender.commits.flushedOffset
  }

  /** All lower offsets belong to no transaction, or to a decided one. */
  get lastStableOffset(): number {
    return this.#appender.lastStableOffset
  }

  get leaderEpoch(): number {
    return this.#appender.leaderEpoch
  }

  /** Time that the last append gave its records (`message.timestamp.type` LogAppendTime), -1 when it left them theirs. */
  get lastAppendTimestamp(): number {
    return this.#appender.lastAppendTimestamp
  }

  get closed(): boolean {
    return this.#closing !== null
  }

  get settings(): LogSettings {
    return this.#settings
  }

  /**
   * Gives the log other settings. They hold from the next append, roll and retention on; the size of the segment that is
   * being written, and of its indexes, stays.
   */
  reconfigure(parts: Pick<LogParts, 'settings' | 'segmentOptions' | 'minDurability'>): void {
    const { settings, segmentOptions, minDurability } = parts
    this.#settings = settings
    this.#minDurability = minDurability
    this.#slabs.contiguous = !settings.cleanupPolicy.includes('compact')
    this.#appender.reconfigure(settings, segmentOptions)
  }

  stats(): LogStats {
    this.#checkOpen()
    const active = this.#appender.active.stats()
    let sizeBytes = active.endPosition
    for (const segment of this.#sealedSegments()) sizeBytes += segment.sizeBytes
    return {
      logStartOffset: this.logStartOffset,
      logEndOffset: this.logEndOffset,
      recoveryPoint: this.recoveryPoint,
      segmentCount: this.#list.length,
      sizeBytes,
      stalls: active.stalls,
      mappedBytes: active.mappedBytes,
    }
  }

  // ---- appending

  /**
   * Appends batches at the log end: all of them, in order, or none.
   *
   * @param batch A builder with records, the bytes of whole batches, or a list. Base offset and leader epoch are
   * stamped in the log; the bytes passed in are not changed, but for a builder's own.
   * @param origin Who appends; see `AppendOrigin`.
   * @returns The offsets; for a producer's retry those that it got the first time.
   * On return the records are in the page cache and visible to every reader: they survive the end of this process, not
   * a power cut. `appendDurable` waits for the disk.
   * @throws VARVE_INVALID_RECORD, VARVE_RECORD_TOO_LARGE, VARVE_INVALID_TIMESTAMP, VARVE_OUT_OF_ORDER_SEQUENCE,
   * VARVE_INVALID_PRODUCER_EPOCH, VARVE_INVALID_TRANSACTION_STATE: nothing was appended. VARVE_NO_SPACE (retriable):
   * nothing was appended, a later append succeeds once there is space. VARVE_FAILED, VARVE_CLOSED.
   * Cost: one crossing, one copy, one checksum; no system call.
   */
  append(batch: Appendable, origin: AppendOrigin = 'client'): AppendResult {
    this.#checkWritable()
    return this.#appender.append(batch, origin)
  }

  /**
   * Appends like `append`, and resolves when the asked durability is reached.
   *
   * `buffered`: in the page cache; survives the end of the process. `interval`: the same, and flushed within
   * `flush.ms`. `synced` (the default, unless the log was opened with another one): on disk; many waiting appends share
   * one flush. The acknowledgement says what was reached. A log that was opened with a durability gives at least that.
   * @throws As `append`; VARVE_FAILED when the flush fails: whether the records are on disk is then unknown.
   */
  async appendDurable(batch: Appendable, durability: Durability = this.settings.durability): Promise<AppendAck> {
    const wanted = this.#stronger(durability)
    const { baseOffset, lastOffset } = this.append(batch)
    return { baseOffset, lastOffset, durability: await this.reach(lastOffset + 1, wanted) }
  }

  /**
   * Brings what was appended below `endOffset` to a durability, as `appendDurable` does, and answers the one reached:
   * at once where nothing has to be waited for.
   * @throws VARVE_FAILED when the flush fails.
   */
  reach(endOffset: number, durability: Durability = this.settings.durability): Durability | Promise<Durability> {
    const wanted = this.#stronger(durability)
    if (wanted === 'synced') return this.#appender.commits.wait(endOffset).then(() => wanted)
    if (wanted === 'interval') this.#appender.flushSoon()
    return wanted
  }

  /** Resolves when everything appended so far is on disk. */
  async flush(): Promise<void> {
    this.#checkWritable()
    await this.#appender.commits.wait(this.logEndOffset)
  }

  /** Seals the active segment and begins a new one at the log end. Does nothing while the active one is empty. */
  roll(): void {
    this.#checkWritable()
    this.#appender.roll()
  }

  // ---- reading

  /**
   * Reads whole batches from the one that holds `offset` on; it may begin below `offset`.
   *
   * @returns Batches in memory that belongs to the caller, every checksum verified; none when `offset` is the log end
   * (or, for committed records, the last stable offset).
   * @throws VARVE_OFFSET_OUT_OF_RANGE; VARVE_CORRUPT with `details { path, position, offset, nextGoodOffset }`: reading
   * at `nextGoodOffset` goes on behind the damage.
   * Cost: one crossing, one copy from the page cache.
   */
  read(offset: number, request: ReadRequest = {}): BatchRun {
    this.#checkOpen()
    const { isolation = 'read_uncommitted', control = false, views = false, into = null } = request
    const { maxBytes = into?.byteLength ?? slabBytes } = request
    const committed = isolation === 'read_committed'
    const { codecs } = this.#parts
    const bounds = this.#bounds(committed ? Math.max(offset, this.lastStableOffset) : this.logEndOffset)
    const slab = this.#slabs.read(offset, { maxBytes, into, views: views ? this.#viewReader() : null }, bounds)
    if (!committed) return new BatchRun(slab, { codecs, control, aborted: null })
    const bases = this.#list.baseOffsets().slice(Math.max(0, this.#list.indexFor(offset)))
    const aborted = this.#appender.derived.abortedBetween(bases, offset, slab.nextOffset)
    return new BatchRun(slab, { codecs, control, aborted })
  }

  /**
   * The first record, in offset order, whose timestamp is at or above `timestamp` (ms); null when there is none.
   * @throws VARVE_CORRUPT.
   */
  offsetForTimestamp(timestamp: number): TimestampedOffset | null {
    this.#checkOpen()
    return lookUpTimestamp(this.#list, timestamp, this.#bounds(this.logEndOffset), this.#parts.codecs)
  }

  /**
   * Resolves true once there is something to read at `offset`, or the log was cut below where it ends now (a read says
   * so then); false after the timeout or when the log is closed.
   */
  async waitFor(offset: number, options: WaitOptions = {}): Promise<boolean> {
    this.#checkOpen()
    if (offset < this.logEndOffset) return true
    this.#waiters ??= new EndWaiters(this.#clock)
    return this.#waiters.wait(offset, this.logEndOffset, options)
  }

  /** Yields what is there from an offset on, then what comes: see `FollowOptions`. */
  follow(options: FollowOptions = {}): AsyncGenerator<BatchRun, void> {
    this.#checkOpen()
    return follow(this, options)
  }

  // ---- what makes the log shorter

  /**
   * Moves the log start to `offset`: lower offsets can no longer be read, and segments that hold only such are deleted.
   * @param offset From the log start (then nothing happens) to the log end.
   * Files of a segment that was rolled just now go as soon as it is sealed.
   * @returns The log start. Durable with the next checkpoint; readers see it at once.
   * @throws VARVE_OFFSET_OUT_OF_RANGE.
   */
  deleteBefore(offset: number): number {
    this.#checkWritable()
    if (!Number.isSafeInteger(offset) || offset > this.logEndOffset) {
      throw new VarveError(
        'VARVE_OFFSET_OUT_OF_RANGE',
        `Records before offset ${offset} cannot be deleted: the log ends at ${this.logEndOffset}.`,
        { details: { offset, logStartOffset: this.logStartOffset, logEndOffset: this.logEndOffset } },
      )
    }
    if (offset > this.logStartOffset) {
      this.#moveLogStart(offset)
      this.applyRetention()
    }
    return this.logStartOffset
  }

  /**
   * Deletes what the settings no longer keep (by age, by size, below the log start); runs by itself every five minutes.
   * @returns How many segments went.
   */
  applyRetention(): number {
    this.#checkWritable()
    const { clock } = this.#parts
    const settings = this.#settings
    const { active: activeSegment, activeFacts, derived } = this.#appender
    const active = { ...activeFacts, maxTimestamp: activeSegment.stats().maxTimestamp, modifiedMs: clock.wallMs() }
    const plan = planRetention(
      [...this.#sealedSegments(), active],
      { logStartOffset: this.logStartOffset, logEndOffset: this.logEndOffset, highWatermark: this.logEndOffset },
      {
        retentionMs: settings.retentionMs,
        retentionBytes: settings.retentionBytes,
        deleteOld: settings.cleanupPolicy.includes('delete'),
      },
      this.#retentionClock.now(clock.wallMs(), clock.monotonicMs()),
    )
    const count = plan.reasons.length
    if (count === 0) return 0
    if (plan.rollFirst) this.#appender.roll()
    // Live readers learn the new start before the files go, so that none looks for one that the bounds still promise.
    this.#moveLogStart(plan.logStartOffset)
    for (const base of this.#list.remove(0, count)) {
      this.#removeOnceSealed(base)
      derived.forgetAborted(base)
    }
    this.#forgetPlaces()
    derived.removeSnapshots((at) => at < this.#list.firstBaseOffset)
    this.#appender.filesChanged()
    return count
  }

  /**
   * Takes away a segment's files; only once its helper is done, where one is still sealing it and would make them anew,
   * and only after all older ones. Invariant: the files that are left at any moment have no hole, for what a killed
   * process leaves is cut at the first one.
   */
  #removeOnceSealed(baseOffset: number): void {
    const sealing = this.#appender.sealingOf(baseOffset)
    if (sealing === null && this.#removing === null) {
      this.#remove(baseOffset)
      return
    }
    const removing = Promise.all([this.#removing, sealing])
      .then(() => this.#remove(baseOffset))
      .catch((failure: unknown) => {
        // The log start lies behind it, so the next retention after an open takes it away.
        this.#parts.logger.warn('a segment could not be removed', { folder: this.folder, baseOffset, failure })
      })
      .then(() => {
        if (this.#removing === removing) this.#removing = null
      })
    this.#removing = removing
  }

  /**
   * Cuts the log so that it ends at `offset`, or at the start of the batch that straddles it.
   * @returns The new log end. Durable on return.
   * @throws VARVE_OFFSET_OUT_OF_RANGE below the log start (`truncateFully` then); VARVE_BUSY while another one runs.
   * Appends meanwhile get VARVE_BUSY. Readers keep what they hold, and find the new end with their next read.
   */
  async truncateTo(offset: number): Promise<number> {
    this.#checkWritable()
    if (offset >= this.logEndOffset) return this.logEndOffset
    if (!Number.isSafeInteger(offset) || offset < this.logStartOffset) {
      throw new VarveError(
        'VARVE_OFFSET_OUT_OF_RANGE',
        `The log cannot be cut to offset ${offset}: it starts at ${this.logStartOffset}. Use truncateFully() to start anew elsewhere.`,
        { details: { offset, logStartOffset: this.logStartOffset, logEndOffset: this.logEndOffset } },
      )
    }
    const point = truncationPoint(this.#list, offset)
    if (point.endOffset < this.logStartOffset) {
      // The cut falls into the batch in which the log starts: nothing stays, and deleted offsets are not given out again.
      await this.truncateFully(this.logStartOffset)
      return this.logEndOffset
    }
    await this.#exchangeFiles(async () => {
      this.#appender.announce(point, this.logStartOffset)
      await this.#appender.rewind(point.baseOffset, this.logStartOffset)
      const remove = (base: number): void => this.#remove(base)
      await truncateFiles(this.#parts.root.disk, this.folder, this.#list, point, remove)
      this.#appender.derived.removeSnapshots((at) => at > point.endOffset)
    })
    return this.logEndOffset
  }

  /** Deletes everything and starts anew, empty, at `offset`. Durable on return. Errors as for `truncateTo`. */
  async truncateFully(offset: number): Promise<void> {
    this.#checkWritable()
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new VarveError('VARVE_INVALID_ARGUMENT', `A log cannot start at offset ${offset}.`, { details: { offset } })
    }
    await this.#exchangeFiles(async () => {
      this.#appender.announce({ baseOffset: offset, position: 0, endOffset: offset }, offset)
      for (const base of [...this.#list.baseOffsets()].reverse()) this.#remove(base)
      const { derived } = this.#appender
      derived.removeSnapshots(() => true)
      derived.epochs.clear()
      derived.saveEpochs()
      this.#parts.root.disk.syncFolder(this.folder)
      await this.#appender.rewind(offset, offset)
    })
  }

  /** Runs an exchange of files with nothing else under way, and opens what it left. */
  async #exchangeFiles(exchange: () => Promise<void>): Promise<void> {
    const run = async (): Promise<void> => {
      try {
        await this.#appender.settle()
        await exchange()
        this.#appender.adopt(this.#parts.recover(this.#settings))
        this.#forgetPlaces()
        this.#waiters?.moved(() => this.logEndOffset)
      } catch (cause) {
        this.#appender.failStop('The truncation', cause)
        throw cause
      } finally {
        this.#exchanging = null
      }
    }
    this.#exchanging = run()
    await this.#exchanging
  }

  /** Deletes the files of a segment, now by name, later in fact. */
  #remove(baseOffset: number): void {
    const { root } = this.#parts
    const { fileDeleteDelayMs } = this.#settings
    this.#removal ??= new SegmentRemoval(root.disk, this.#clock, this.#logger, fileDeleteDelayMs)
    this.#removal.remove(this.folder, baseOffset)
  }

  #moveLogStart(offset: number): void {
    const { derived } = this.#appender
    this.#appender.logStartOffset = Math.max(this.logStartOffset, offset)
    derived.removeSnapshots((at) => at < this.#list.firstBaseOffset)
    this.#appender.publish()
    this.#appender.checkpoint()
  }

  /** The segments before the active one, as retention looks at them; what costs a look at the disk is got when asked. */
  #sealedSegments(): RetentionSegment[] {
    const list = this.#list
    const { folder } = this
    return list
      .baseOffsets()
      .slice(0, -1)
      .map((baseOffset, index) => {
        const facts = this.#parts.root.disk.stat(`${folder}/${segmentFileName(baseOffset, 'log')}`)
        return {
          baseOffset,
          sizeBytes: facts?.size ?? 0,
          modifiedMs: facts?.modifiedMs ?? 0,
          get maxTimestamp() {
            return list.at(index).stats().maxTimestamp
          },
        }
      })
  }

  #armRetention(): void {
    this.#retentionTimer = this.#clock.after(retentionCheckMs, () => {
      if (this.#closing !== null || this.#appender.commits.failure !== null) return
      try {
        if (this.#exchanging === null) this.applyRetention()
      } catch (failure) {
        this.#logger.warn('retention could not run; it is tried again', { folder: this.folder, failure })
      }
      const nowMs = this.#retentionClock.now(this.#clock.wallMs(), this.#clock.monotonicMs())
      this.#appender.derived.producers.expire(nowMs, this.settings.producerIdExpirationMs)
      this.#armRetention()
    })
  }

  // ---- closing

  /**
   * Flushes everything, trims the files, and gives the folder back. Idempotent. What follows finds nothing to recover.
   * @throws VARVE_FAILED when the last flush fails; the folder is given back all the same.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#retentionTimer?.cancel()
    this.#waiters?.close()
    let clean = false
    try {
      await this.#exchanging?.catch(() => {})
      const { failure } = this.#appender.commits
      if (failure !== null) throw failure
      clean = await this.#appender.finish()
    } catch (cause) {
      this.#appender.failStop('The last flush', cause)
      throw this.#appender.commits.failure
    } finally {
      this.#removal?.close()
      this.#list.close()
      this.#parts.onClosed(clean)
    }
  }

  // ---- the rest

  /** What an append gets that asks for `durability`: never less than what was set for this log. */
  #stronger(durability: Durability): Durability {
    const asked = durabilities.indexOf(durability)
    if (asked < 0) {
      throw new VarveError(
        'VARVE_INVALID_ARGUMENT',
        `The durability must be "buffered", "interval" or "synced", not ${JSON.stringify(durability) ?? String(durability)}.`,
        { details: { argument: 'durability' } },
      )
    }
    return durabilities[Math.max(asked, durabilities.indexOf(this.#minDurability))]!
  }

  /** The set of files changed. */
  #forgetPlaces(): void {
    this.#slabs.forget()
    this.#views?.forget()
  }

  #bounds(endOffset: number): ReadBounds {
    const { baseOffset, sizeBytes } = this.#appender.activeFacts
    return {
      logStartOffset: this.logStartOffset,
      endOffset,
      activeBaseOffset: baseOffset,
      activeEndPosition: sizeBytes,
    }
  }

  #viewReader(): ViewReader | null {
    if (!this.#parts.root.disk.addon.features.externalBuffers) return null
    this.#views ??= new ViewReader()
    return this.#views
  }

  #checkOpen(): void {
    if (this.#closing !== null) {
      throw new VarveError('VARVE_CLOSED', `The log in ${this.folder} is closed. Open it again with openLog().`)
    }
  }

  #checkWritable(): void {
    if (this.#closing !== null) this.#checkOpen()
    const { failure } = this.#appender.commits
    if (failure !== null) throw failure
    if (this.#exchanging !== null) {
      throw new VarveError('VARVE_BUSY', `The log in ${this.folder} is being truncated. Wait for that, then try again.`)
    }
  }
}
