import type { Clock, Timer } from '../env/clock.ts'
import type { CompressionCodecs } from '../env/codecs.ts'
import type { Logger } from '../env/logger.ts'
import { VarveError } from '../errors.ts'
import type { LogSettings } from '../settings/log-settings.ts'
import type { LogLocation } from '../storage/log-location.ts'
import type { LogRoot } from '../storage/log-root.ts'
import { FlushFlag, Segment, type SegmentOptions } from '../storage/segment.ts'
import { flushSegments } from '../storage/segment-jobs.ts'
import { segmentFileName } from '../storage/segment-names.ts'
import type { TailSlot } from '../storage/tails.ts'
import { type AppendLimits, type AppendOrigin, type AppendState, makeAppendPlan, planAppend } from './append-plan.ts'
import { noProducerId } from './batch-fields.ts'
import { type Appendable, BatchInput } from './batch-input.ts'
import { BatchRun } from './batch-run.ts'
import type { DerivedState } from './derived-state.ts'
import { EndWaiters, type WaitOptions } from './end-waiters.ts'
import { type FollowOptions, follow } from './follow.ts'
import { GroupCommit } from './group-commit.ts'
import { type CheckpointMark, LogCheckpoints } from './log-checkpoints.ts'
import type { RecoveredLog } from './recovery.ts'
import { SegmentRemoval } from './removal.ts'
import { planRetention, type RetentionSegment } from './retention.ts'
import { RetentionClock } from './retention-clock.ts'
import { type RollLimits, type RollSegment, rollReason } from './roll.ts'
import { SegmentList } from './segment-list.ts'
import type { ReadBounds } from './slab.ts'
import { SlabReader, slabBytes } from './slab-reader.ts'
import { lookUpTimestamp, type TimestampedOffset } from './timestamp-lookup.ts'
import { truncateFiles, truncationPoint } from './truncation.ts'
import { ViewReader } from './view-reader.ts'

/** How full the active segment is when the next one is prepared: early enough at any speed, and seldom in vain. */
const prepareNextAtShare = 0.9

/** How often retention looks, as Kafka's `log.retention.check.interval.ms`. */
const retentionCheckMs = 5 * 60 * 1000

export type Durability = 'buffered' | 'interval' | 'synced'

/** Where an append went. */
export interface AppendResult {
  /** Offset of the first record. */
  readonly baseOffset: number
  /** Offset of the last record, inclusive. */
  readonly lastOffset: number
}

/** An append that was acknowledged, with the durability that it has reached. */
export interface AppendAck extends AppendResult {
  readonly durability: Durability
}

export interface LogParts {
  readonly root: LogRoot
  readonly clock: Clock
  readonly logger: Logger
  readonly location: LogLocation
  readonly settings: LogSettings
  readonly segmentOptions: Omit<SegmentOptions, 'baseOffset' | 'mode' | 'tail' | 'folder'>
  readonly codecs: CompressionCodecs
  readonly tail: TailSlot | null
  /** Brings the folder to a state that can be served; run at the start and after its files were exchanged. */
  readonly recover: () => RecoveredLog
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
 * but `close` rejects with VARVE_FAILED, because what reached the disk is unknown until it is opened anew.
 *
 * It decides nothing itself: what may be appended is `append-plan.ts`, when to roll `roll.ts`; recovery points and
 * producer snapshots are `log-checkpoints.ts`, waiting for flushes `group-commit.ts`.
 */
export class Log {
  readonly folder: string
  readonly settings: LogSettings
  readonly #parts: LogParts
  readonly #list: SegmentList
  readonly #slabs: SlabReader
  readonly #waiters: EndWaiters
  readonly #commits: GroupCommit
  readonly #checkpoints: LogCheckpoints
  readonly #removal: SegmentRemoval
  readonly #retentionClock: RetentionClock
  readonly #input = new BatchInput()
  readonly #plan = makeAppendPlan()
  readonly #limits: AppendLimits
  readonly #rollLimits: RollLimits
  readonly #request = { baseOffset: 0, leaderEpoch: 0, flags: 0, appendTimestamp: -1, maxBatchBytes: 0 }
  #state!: DerivedState
  #active!: Segment
  #appendState!: AppendState
  /** What the roll decision needs of the active segment, kept up to date by every append. */
  #rollSegment!: RollSegment
  #logStartOffset = 0
  /** Sealed, but not handed to a helper yet. */
  #sealing: Segment[] = []
  /** Resolves when every segment that was handed to a helper for sealing is on disk. */
  #sealed: Promise<void> = Promise.resolve()
  #generation = 0
  /** Counts truncations: a checkpoint that was begun before one must not be written after it. */
  #truncations = 0
  #truncating = false
  /** Wall time as of the last look; appends whose records are not ahead of it need not look again. */
  #nowMs: number
  /** Size of the active segment at which the next one is prepared. */
  #prepareAtBytes = 0
  #wakeScheduled = false
  #bytesSinceCheckpoint = 0
  #intervalFlush: Timer | null = null
  #retentionTimer: Timer | null = null
  /** Made when somebody first asks for views. */
  #views: ViewReader | null = null
  #closing: Promise<void> | null = null

  constructor(parts: LogParts) {
    const { settings, clock, location, root, logger } = parts
    this.#parts = parts
    this.folder = location.folder
    this.settings = settings
    this.#list = new SegmentList((baseOffset) => this.#openSegment(baseOffset, 'read'))
    this.#slabs = new SlabReader(this.#list)
    this.#nowMs = clock.wallMs()
    this.#retentionClock = new RetentionClock(this.#nowMs, clock.monotonicMs())
    this.#waiters = new EndWaiters(clock)
    this.#removal = new SegmentRemoval(root.disk, clock, logger, settings.fileDeleteDelayMs)
    this.#limits = {
      maxBatchBytes: settings.maxMessageBytes,
      appendTime: settings.messageTimestampType === 'LogAppendTime',
      timestampBeforeMaxMs: settings.messageTimestampBeforeMaxMs,
      timestampAfterMaxMs: settings.messageTimestampAfterMaxMs,
    }
    this.#rollLimits = {
      segmentBytes: parts.segmentOptions.segmentBytes,
      segmentMs: settings.segmentMs,
      segmentIndexBytes: settings.segmentIndexBytes,
    }
    this.#checkpoints = new LogCheckpoints(root, location)
    this.#commits = new GroupCommit({
      logEndOffset: () => this.logEndOffset,
      flushAppended: () => this.#flushAppended(0),
      soon: (run) => clock.soon(run),
      onFailure: (failure) =>
        logger.error('the log is offline until it is opened anew', { folder: this.folder, failure }),
    })
    this.#adopt(parts.recover())
    this.#armRetention()
  }

  /** Takes over what recovery found: at the start, and after the files were exchanged. */
  #adopt(recovered: RecoveredLog): void {
    this.#list.remove(0, this.#list.length)
    for (const base of recovered.baseOffsets) {
      this.#list.push(base, base === recovered.active.baseOffset ? recovered.active : null)
    }
    this.#forgetPlaces()
    this.#state = recovered.state
    this.#active = recovered.active
    this.#logStartOffset = recovered.logStartOffset
    this.#appendState = {
      logEndOffset: recovered.logEndOffset,
      leaderEpoch: Math.max(0, this.#state.epochs.latestEpoch),
      producers: this.#state.producers,
    }
    // As with Kafka, a leader's epoch is entered when it begins, also without data.
    if (this.#state.epochs.assign(this.leaderEpoch, this.logEndOffset)) this.#state.saveEpochs()
    this.#rollSegment = this.#describeActive()
    this.#commits.restart(recovered.logEndOffset)
    this.#generation++
    this.#publish()
  }

  // ---- where the log stands

  /** Lowest offset that may be read. */
  get logStartOffset(): number {
    return this.#logStartOffset
  }

  /** Offset that the next record will get. */
  get logEndOffset(): number {
    return this.#appendState.logEndOffset
  }

  /** First offset not known to be on disk. */
  get recoveryPoint(): number {
    return this.#commits.flushedOffset
  }

  /** All lower offsets belong to no transaction, or to a decided one. */
  get lastStableOffset(): number {
    return this.#state.producers.lastStableOffset(this.logEndOffset)
  }

  get leaderEpoch(): number {
    return this.#appendState.leaderEpoch
  }

  get closed(): boolean {
    return this.#closing !== null
  }

  stats(): LogStats {
    this.#checkOpen()
    const active = this.#active.stats()
    let sizeBytes = active.endPosition
    for (const segment of this.#sealedSegments()) sizeBytes += segment.sizeBytes
    return {
      logStartOffset: this.#logStartOffset,
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
    const input = this.#input.load(batch)
    const plan = this.#planAppend(input, origin)
    if (plan.outcome === 'duplicate') return { baseOffset: plan.baseOffset, lastOffset: plan.lastOffset }
    if (rollReason(this.#rollLimits, this.#rollSegment, plan, this.#nowMs) !== undefined) this.roll()
    this.#write(input, origin)
    const { baseOffset, lastOffset } = plan
    this.#appended(input, plan.producers)
    return { baseOffset, lastOffset }
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
    const { baseOffset, lastOffset } = this.append(batch)
    if (durability === 'synced') await this.#commits.wait(lastOffset + 1)
    else if (durability === 'interval') this.#armIntervalFlush()
    return { baseOffset, lastOffset, durability }
  }

  /** Resolves when everything appended so far is on disk. */
  async flush(): Promise<void> {
    this.#checkWritable()
    await this.#commits.wait(this.logEndOffset)
  }

  /** Seals the active segment and begins a new one at the log end. Does nothing while the active one is empty. */
  roll(): void {
    this.#checkWritable()
    if (this.#rollSegment.sizeBytes === 0) return
    const sealed = this.#active
    const baseOffset = this.logEndOffset
    const active = this.#openSegment(baseOffset, 'create')
    this.#list.push(baseOffset, active)
    this.#active = active
    this.#sealing.push(sealed)
    this.#seal().catch(() => {})
    this.#rollSegment = this.#describeActive()
    this.#generation++
    this.#publish()
    this.#checkpoint()
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
    const { maxBytes = slabBytes, isolation = 'read_uncommitted', control = false, views = false } = request
    const { codecs } = this.#parts
    if (isolation === 'read_uncommitted') {
      return new BatchRun(
        this.#slabs.read(offset, maxBytes, this.#bounds(this.logEndOffset), views ? this.#viewReader() : null),
        {
          codecs,
          control,
          aborted: null,
        },
      )
    }
    const stable = this.lastStableOffset
    const slab = this.#slabs.read(
      offset,
      maxBytes,
      this.#bounds(Math.max(offset, stable)),
      views ? this.#viewReader() : null,
    )
    const bases = this.#list.baseOffsets().slice(Math.max(0, this.#list.indexFor(offset)))
    const aborted = this.#state.abortedBetween(bases, offset, slab.nextOffset)
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

  /** Resolves true once there is something to read at `offset`, false after the timeout or when the log is closed. */
  async waitFor(offset: number, options: WaitOptions = {}): Promise<boolean> {
    this.#checkOpen()
    return offset < this.logEndOffset ? true : this.#waiters.wait(offset, options)
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
   * @returns The log start. Durable with the next checkpoint; readers see it at once.
   * @throws VARVE_OFFSET_OUT_OF_RANGE.
   */
  deleteBefore(offset: number): number {
    this.#checkWritable()
    if (!Number.isSafeInteger(offset) || offset > this.logEndOffset) {
      throw new VarveError(
        'VARVE_OFFSET_OUT_OF_RANGE',
        `Records before offset ${offset} cannot be deleted: the log ends at ${this.logEndOffset}.`,
        { details: { offset, logStartOffset: this.#logStartOffset, logEndOffset: this.logEndOffset } },
      )
    }
    if (offset > this.#logStartOffset) {
      this.#moveLogStart(offset)
      this.applyRetention()
    }
    return this.#logStartOffset
  }

  /**
   * Deletes what the settings no longer keep (by age, by size, below the log start); runs by itself every five minutes.
   * @returns How many segments went.
   */
  applyRetention(): number {
    this.#checkWritable()
    const { settings, clock } = this.#parts
    const active = { ...this.#rollSegment, maxTimestamp: this.#active.stats().maxTimestamp, modifiedMs: this.#nowMs }
    const plan = planRetention(
      [...this.#sealedSegments(), active],
      { logStartOffset: this.#logStartOffset, logEndOffset: this.logEndOffset, highWatermark: this.logEndOffset },
      {
        retentionMs: settings.retentionMs,
        retentionBytes: settings.retentionBytes,
        deleteOld: settings.cleanupPolicy.includes('delete'),
      },
      this.#retentionClock.now(clock.wallMs(), clock.monotonicMs()),
    )
    const count = plan.reasons.length
    if (count === 0) return 0
    if (plan.rollFirst) this.roll()
    for (const base of this.#list.remove(0, count)) {
      this.#removal.remove(this.folder, base)
      this.#state.forgetAborted(base)
    }
    this.#forgetPlaces()
    this.#generation++
    this.#moveLogStart(plan.logStartOffset)
    return count
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
    if (!Number.isSafeInteger(offset) || offset < this.#logStartOffset) {
      throw new VarveError(
        'VARVE_OFFSET_OUT_OF_RANGE',
        `The log cannot be cut to offset ${offset}: it starts at ${this.#logStartOffset}. Use truncateFully() to start anew elsewhere.`,
        { details: { offset, logStartOffset: this.#logStartOffset, logEndOffset: this.logEndOffset } },
      )
    }
    await this.#exchangeFiles(async () => {
      const point = truncationPoint(this.#list, offset)
      await this.#checkpoints.rewind(point.baseOffset, this.#logStartOffset)
      const remove = (base: number): void => this.#removal.remove(this.folder, base)
      await truncateFiles(this.#disk, this.folder, this.#list, point, remove)
      this.#state.removeSnapshots((at) => at > point.endOffset)
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
      for (const base of [...this.#list.baseOffsets()].reverse()) this.#removal.remove(this.folder, base)
      this.#state.removeSnapshots(() => true)
      this.#state.epochs.clear()
      this.#state.saveEpochs()
      await this.#checkpoints.rewind(offset, offset)
    })
  }

  /** Runs an exchange of files with nothing else under way, and opens what it left. */
  async #exchangeFiles(exchange: () => Promise<void>): Promise<void> {
    this.#truncating = true
    try {
      await this.#commits.wait(this.logEndOffset)
      await this.#checkpoints.idle()
      await this.#seal()
      this.#truncations++
      await exchange()
      this.#adopt(this.#parts.recover())
    } catch (cause) {
      this.#failStop('The truncation', cause)
      throw cause
    } finally {
      this.#truncating = false
    }
  }

  #moveLogStart(offset: number): void {
    this.#logStartOffset = Math.max(this.#logStartOffset, offset)
    if (this.#state.epochs.truncateFromStart(this.#logStartOffset)) this.#state.saveEpochs()
    this.#state.removeSnapshots((at) => at < this.#list.firstBaseOffset)
    this.#publish()
    this.#checkpoint()
  }

  /** The segments before the active one, as retention looks at them; what costs a look at the disk is got when asked. */
  #sealedSegments(): RetentionSegment[] {
    const list = this.#list
    const { folder } = this
    return list
      .baseOffsets()
      .slice(0, -1)
      .map((baseOffset, index) => {
        const facts = this.#disk.stat(`${folder}/${segmentFileName(baseOffset, 'log')}`)
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
    const { clock, logger } = this.#parts
    this.#retentionTimer = clock.after(retentionCheckMs, () => {
      if (this.#closing !== null || this.#commits.failure !== null) return
      try {
        if (!this.#truncating) this.applyRetention()
      } catch (failure) {
        logger.warn('retention could not run; it is tried again', { folder: this.folder, failure })
      }
      this.#state.producers.expire(
        this.#retentionClock.now(clock.wallMs(), clock.monotonicMs()),
        this.settings.producerIdExpirationMs,
      )
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
    this.#intervalFlush?.cancel()
    this.#retentionTimer?.cancel()
    this.#removal.close()
    this.#waiters.close()
    let clean = false
    try {
      if (this.#commits.failure !== null) throw this.#commits.failure
      await this.#checkpoints.idle()
      await this.#seal()
      await flushSegments(this.#disk, [this.#active], FlushFlag.seal)
      this.#commits.flushed(this.logEndOffset)
      await this.#checkpoints.write(this.#mark(), this.#logStartOffset)
      clean = true
    } catch (cause) {
      this.#failStop('The last flush', cause)
      throw this.#commits.failure
    } finally {
      this.#list.close()
      this.#parts.root.close(clean)
    }
  }

  // ---- the parts of an append

  #planAppend(input: BatchInput, origin: AppendOrigin): ReturnType<typeof makeAppendPlan> {
    const { batches } = input
    const first = batches[0]!
    // One look at the clock costs as much as the rest of the plan: only when a record is ahead of the last look.
    if (this.#limits.appendTime || first.maxTimestamp > this.#nowMs || first.maxTimestamp < 0) {
      this.#nowMs = this.#parts.clock.wallMs()
    }
    const plan = planAppend(this.#plan, batches, origin, this.#appendState, this.#limits, this.#nowMs)
    if (plan.outcome === 'error') throw plan.error!
    return plan
  }

  #write(input: BatchInput, origin: AppendOrigin): void {
    const request = this.#request
    request.baseOffset = this.#plan.baseOffset
    request.leaderEpoch = this.#appendState.leaderEpoch
    request.flags = input.flags
    request.appendTimestamp = this.#plan.appendTimestamp
    request.maxBatchBytes = origin === 'replica' ? 0 : this.#limits.maxBatchBytes
    let status = this.#active.append(request, input)
    if (status !== 0 && this.#active.codeOf(status) === 'VARVE_SEGMENT_FULL') {
      this.roll()
      status = this.#active.append(request, input)
    }
    if (status !== 0) throw this.#appendFailure(status)
  }

  #appendFailure(status: number): VarveError {
    const failure = this.#active.failure('append to')
    if (this.#active.codeOf(status) !== 'VARVE_CORRUPT') return failure
    // The damage is in what was passed in, not in what is stored.
    return new VarveError('VARVE_INVALID_RECORD', `A batch was refused, and nothing was appended: ${failure.message}`, {
      details: { position: this.#active.faultPosition },
    })
  }

  #appended(input: BatchInput, producers: boolean): void {
    const { batches } = input
    const state = this.#appendState
    const roll = this.#rollSegment
    if (roll.sizeBytes === 0) roll.firstMaxTimestamp = batches[0]!.maxTimestamp
    roll.sizeBytes = this.#active.appendedEndPosition
    const watchers = this.#active.watchers
    // Epochs rise, so the last batch has the latest one of this append (a replica's append may bring several).
    if (producers || batches[batches.length - 1]!.leaderEpoch !== this.#state.epochs.latestEpoch) this.#derive(batches)
    state.logEndOffset = this.#plan.lastOffset + 1
    if (watchers > 0) this.#wakeSoon()
    if (roll.sizeBytes >= this.#prepareAtBytes) this.#prepareNext()
    if (this.#waiters.count > 0) this.#waiters.moved(() => this.logEndOffset)
    this.#bytesSinceCheckpoint += this.#plan.sizeBytes
    if (this.#bytesSinceCheckpoint >= this.settings.checkpointIntervalBytes) this.#checkpoint()
    if (this.settings.durability === 'interval') this.#armIntervalFlush()
  }

  #derive(batches: BatchInput['batches']): void {
    let aborted = false
    const epochBefore = this.#state.epochs.latestEpoch
    for (const batch of batches) {
      if (batch.producerId !== noProducerId || batch.leaderEpoch !== this.#state.epochs.latestEpoch) {
        aborted = this.#state.apply(batch, this.#active.baseOffset) || aborted
      }
    }
    if (this.#state.epochs.latestEpoch !== epochBefore) this.#state.saveEpochs()
    if (aborted) this.#state.saveAborted(this.#active.baseOffset)
    this.#publish()
  }

  /** The next segment's file is made ahead by a helper, so that the append that rolls pays for a rename only. */
  #prepareNext(): void {
    this.#prepareAtBytes = Number.POSITIVE_INFINITY
    this.#active.prepareNext()
  }

  /** Wakes the live readers of other threads and processes, once per burst. */
  #wakeSoon(): void {
    if (this.#wakeScheduled) return
    this.#wakeScheduled = true
    this.#parts.clock.soon(() => {
      this.#wakeScheduled = false
      if (this.#parts.tail !== null && !this.closed) this.#parts.root.tails.wake(this.#parts.tail)
    })
  }

  // ---- flushing

  get #disk(): LogRoot['disk'] {
    return this.#parts.root.disk
  }

  /** Flushes all that was appended so far: the active segment, and sealed ones that are not on disk yet. */
  async #flushAppended(flags: number): Promise<void> {
    await Promise.all([this.#seal(), flushSegments(this.#disk, [this.#active], flags)])
  }

  /** Starts sealing what was rolled; resolves when nothing that was rolled so far is left to be flushed. */
  #seal(): Promise<void> {
    if (this.#sealing.length > 0) {
      const earlier = this.#sealed
      const job = flushSegments(this.#disk, this.#sealing, FlushFlag.seal)
      this.#sealing = []
      this.#sealed = Promise.all([earlier, job]).then(() => {})
      this.#sealed.catch(() => {})
    }
    return this.#sealed
  }

  #armIntervalFlush(): void {
    if (this.#intervalFlush !== null) return
    this.#intervalFlush = this.#parts.clock.after(this.settings.flushIntervalMs, () => {
      this.#intervalFlush = null
      if (!this.closed && this.#commits.failure === null) this.#commits.wait(this.logEndOffset).catch(() => {})
    })
  }

  /** Moves the recovery point to where the log ends now, in the background. */
  #checkpoint(): void {
    this.#bytesSinceCheckpoint = 0
    const mark = this.#mark()
    const truncations = this.#truncations
    const job = this.#checkpoints.run(async () => {
      await this.#flushAppended(FlushFlag.indexes)
      if (truncations !== this.#truncations) return
      this.#commits.flushed(mark.recoveryPoint)
      await this.#checkpoints.write(mark, this.#logStartOffset)
      this.#dropSnapshotsBefore(mark.recoveryPoint)
    })
    job.catch((cause: unknown) => this.#failStop('A background flush', cause))
  }

  #mark(): CheckpointMark {
    return {
      segment: this.#active,
      stats: this.#active.stats(),
      recoveryPoint: this.logEndOffset,
      producers:
        this.logEndOffset === this.#list.firstBaseOffset
          ? null
          : { path: this.#state.snapshotPath(this.logEndOffset), content: this.#state.encodeProducers() },
    }
  }

  /** A recovery point in the middle of a segment has a snapshot of its own, until the next one. */
  #dropSnapshotsBefore(recoveryPoint: number): void {
    const bases = new Set(this.#list.baseOffsets())
    this.#state.removeSnapshots((offset) => offset < recoveryPoint && !bases.has(offset))
  }

  #failStop(what: string, cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause)
    this.#commits.fail(
      new VarveError(
        'VARVE_FAILED',
        `${what} of ${this.folder} failed, so what reached the disk is unknown and the log is offline. Open it again: that re-reads the disk. (${reason})`,
        { details: { path: this.folder }, cause },
      ),
    )
  }

  // ---- the rest

  #describeActive(): RollSegment {
    const stats = this.#active.stats()
    this.#prepareAtBytes = this.#rollLimits.segmentBytes * prepareNextAtShare
    return {
      baseOffset: this.#active.baseOffset,
      sizeBytes: stats.endPosition,
      firstMaxTimestamp: stats.firstMaxTimestamp,
      createdMs: this.#nowMs,
      // A full index answers VARVE_SEGMENT_FULL: the segment counts its own entries.
      indexEntries: 0,
      timeIndexEntries: 0,
    }
  }

  #publish(): void {
    const { tail, root } = this.#parts
    if (tail === null) return
    root.tails.publish(tail, {
      generation: this.#generation,
      segmentBaseOffset: this.#active.baseOffset,
      endPosition: this.#rollSegment.sizeBytes,
      logStartOffset: this.#logStartOffset,
      logEndOffset: this.logEndOffset,
      highWatermark: this.logEndOffset,
      lastStableOffset: this.lastStableOffset,
      flushedOffset: this.recoveryPoint,
      leaderEpoch: this.leaderEpoch,
    })
    this.#wakeSoon()
  }

  #openSegment(baseOffset: number, mode: SegmentOptions['mode']): Segment {
    const tail = mode === 'read' ? null : this.#parts.tail
    return Segment.open(this.#disk, { ...this.#parts.segmentOptions, folder: this.folder, baseOffset, mode, tail })
  }

  /** The set of files changed. */
  #forgetPlaces(): void {
    this.#slabs.forget()
    this.#views?.forget()
  }

  #bounds(endOffset: number): ReadBounds {
    return {
      logStartOffset: this.#logStartOffset,
      endOffset,
      activeBaseOffset: this.#active.baseOffset,
      activeEndPosition: this.#rollSegment.sizeBytes,
    }
  }

  #viewReader(): ViewReader | null {
    if (!this.#disk.addon.features.externalBuffers) return null
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
    if (this.#commits.failure !== null) throw this.#commits.failure
    if (this.#truncating) {
      throw new VarveError('VARVE_BUSY', `The log in ${this.folder} is being truncated. Wait for that, then try again.`)
    }
  }
}
