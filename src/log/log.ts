import type { Clock } from '../env/clock.ts'
import type { Logger } from '../env/logger.ts'
import { VarveError } from '../errors.ts'
import type { LogSettings } from '../settings/log-settings.ts'
import { flushSegments } from '../storage/flush.ts'
import type { LogLocation } from '../storage/log-location.ts'
import type { LogRoot } from '../storage/log-root.ts'
import { FlushFlag } from '../storage/native/addon.ts'
import { Segment, type SegmentOptions } from '../storage/segment.ts'
import type { TailSlot } from '../storage/tails.ts'
import {
  type AppendLimits,
  type AppendOrigin,
  type AppendState,
  makeAppendPlan,
  planAppend,
} from './append-plan.ts'
import { type Appendable, BatchInput } from './batch-input.ts'
import { noProducerId } from './batch-fields.ts'
import type { DerivedState } from './derived-state.ts'
import { EndWaiters, type WaitOptions } from './end-waiters.ts'
import { GroupCommit } from './group-commit.ts'
import { LogCheckpoints } from './log-checkpoints.ts'
import type { RecoveredLog } from './recovery.ts'
import { type RollSegment, rollReason } from './roll.ts'
import { SegmentList } from './segment-list.ts'
import { type ReadBounds, type Slab, SlabReader, slabBytes } from './slab-reader.ts'

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
  readonly recovered: RecoveredLog
  readonly tail: TailSlot | null
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
  readonly #state: DerivedState
  readonly #waiters: EndWaiters
  readonly #commits: GroupCommit
  readonly #checkpoints: LogCheckpoints
  readonly #input = new BatchInput()
  readonly #plan = makeAppendPlan()
  readonly #limits: AppendLimits
  readonly #appendState: AppendState
  readonly #rollLimits: { segmentBytes: number; segmentMs: number; segmentIndexBytes: number }
  readonly #request = { baseOffset: 0, leaderEpoch: 0, flags: 0, appendTimestamp: -1, maxBatchBytes: 0 }
  /** What the roll decision needs of the active segment, kept up to date by every append. */
  readonly #rollSegment: RollSegment
  #active: Segment
  /** Sealed, but not known to be flushed yet: the next flush takes them along. */
  #sealing: Segment[] = []
  /** Resolves when every segment that was handed to a helper for sealing is on disk. */
  #sealed: Promise<void> = Promise.resolve()
  #logStartOffset: number
  #generation = 0
  /** Counts truncations: a checkpoint that was begun before one must not be written after it. */
  #truncations = 0
  /** Wall time as of the last look; appends whose records are not ahead of it need not look again. */
  #nowMs: number
  #wakeScheduled = false
  #bytesSinceCheckpoint = 0
  #intervalFlush: { cancel(): void } | null = null
  #closing: Promise<void> | null = null

  constructor(parts: LogParts) {
    const { recovered, settings, clock, location } = parts
    this.#parts = parts
    this.folder = location.folder
    this.settings = settings
    this.#state = recovered.state
    this.#list = new SegmentList((baseOffset) => this.#openSegment(baseOffset, 'read'))
    for (const base of recovered.baseOffsets) {
      this.#list.push(base, base === recovered.active.baseOffset ? recovered.active : null)
    }
    this.#slabs = new SlabReader(this.#list)
    this.#active = recovered.active
    this.#logStartOffset = recovered.logStartOffset
    this.#nowMs = clock.wallMs()
    this.#waiters = new EndWaiters(clock)
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
    this.#appendState = {
      logEndOffset: recovered.logEndOffset,
      leaderEpoch: Math.max(0, this.#state.epochs.latestEpoch),
      producers: this.#state.producers,
    }
    this.#rollSegment = this.#describeActive()
    const log = this
    this.#commits = new GroupCommit(
      {
        get logEndOffset() {
          return log.logEndOffset
        },
        flushAppended: () => log.#flushAppended(0),
        soon: (run) => clock.soon(run),
      },
      recovered.logEndOffset,
      (failure) => {
        parts.logger.error('a flush failed: the log is offline until it is opened anew', { folder: this.folder, failure })
      },
    )
    this.#checkpoints = new LogCheckpoints(parts.root, location, this.#state)
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
    Object.assign(this.#rollSegment, this.#describeActive())
    this.#generation++
    this.#publish()
    this.#checkpoint()
  }

  // ---- reading

  /**
   * Reads whole batches from the one that holds `offset` on; it may begin below `offset`.
   * @param maxBytes Most bytes to answer, though never less than one whole batch.
   * @returns Batches in memory that belongs to the caller; none when `offset` is the log end.
   * @throws VARVE_OFFSET_OUT_OF_RANGE; VARVE_CORRUPT with `details { path, position, offset, nextGoodOffset }`: reading
   * at `nextGoodOffset` goes on behind the damage.
   */
  readSlab(offset: number, maxBytes: number = slabBytes): Slab {
    this.#checkOpen()
    return this.#slabs.read(offset, maxBytes, this.#bounds())
  }

  /** Resolves true once there is something to read at `offset`, false after the timeout or when the log is closed. */
  async waitFor(offset: number, options: WaitOptions = {}): Promise<boolean> {
    this.#checkOpen()
    return offset < this.logEndOffset ? true : this.#waiters.wait(offset, options)
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

  async #close(): Promise<void> {
    this.#intervalFlush?.cancel()
    this.#waiters.close()
    let clean = false
    try {
      if (this.#commits.failure !== null) throw this.#commits.failure
      await this.#checkpoints.idle()
      await this.#seal()
      await flushSegments(this.#disk, [this.#active], FlushFlag.seal)
      this.#commits.flushed(this.logEndOffset)
      this.#checkpoints.write(this.#checkpoints.mark(this.#active, this.logEndOffset), this.#logStartOffset)
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
    if (producers || batches[0]!.leaderEpoch !== this.#state.epochs.latestEpoch) this.#derive(batches)
    state.logEndOffset = this.#plan.lastOffset + 1
    if (watchers > 0) this.#wakeSoon()
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
    const mark = this.#checkpoints.mark(this.#active, this.logEndOffset)
    const truncations = this.#truncations
    const job = this.#checkpoints.run(async () => {
      await this.#flushAppended(FlushFlag.indexes)
      if (truncations !== this.#truncations) return
      this.#commits.flushed(mark.recoveryPoint)
      this.#checkpoints.write(mark, this.#logStartOffset)
    })
    job.catch((cause: unknown) => this.#failStop('A background flush', cause))
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

  #bounds(): ReadBounds {
    return {
      logStartOffset: this.#logStartOffset,
      endOffset: this.logEndOffset,
      activeBaseOffset: this.#active.baseOffset,
      activeEndPosition: this.#rollSegment.sizeBytes,
    }
  }

  #checkOpen(): void {
    if (this.#closing !== null) {
      throw new VarveError('VARVE_CLOSED', `The log in ${this.folder} is closed. Open it again with openLog().`)
    }
  }

  #checkWritable(): void {
    if (this.#closing !== null) this.#checkOpen()
    if (this.#commits.failure !== null) throw this.#commits.failure
  }
}
