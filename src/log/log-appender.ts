import type { Clock, Timer } from '../env/clock.ts'
import type { Logger } from '../env/logger.ts'
import { VarveError } from '../errors.ts'
import { noTimestamp } from '../record/batch-header.ts'
import type { LogSettings } from '../settings/log-settings.ts'
import type { Disk } from '../storage/disk.ts'
import type { LogLocation } from '../storage/log-location.ts'
import type { LogRoot } from '../storage/log-root.ts'
import { AppendFlag, FlushFlag, Segment, type SegmentOptions } from '../storage/segment.ts'
import { flushSegments } from '../storage/segment-jobs.ts'
import { preparedSegmentName } from '../storage/segment-names.ts'
import type { TailSlot } from '../storage/tails.ts'
import {
  type AppendLimits,
  type AppendOrigin,
  type AppendPlan,
  type AppendState,
  makeAppendPlan,
  planAppend,
} from './append-plan.ts'
import { noProducerId } from './batch-fields.ts'
import { type Appendable, BatchInput } from './batch-input.ts'
import type { DerivedState } from './derived-state.ts'
import { GroupCommit } from './group-commit.ts'
import { type CheckpointMark, LogCheckpoints } from './log-checkpoints.ts'
import type { RecoveredLog } from './recovery.ts'
import { type RollLimits, type RollSegment, rollReason } from './roll.ts'
import type { SegmentList } from './segment-list.ts'

/** How full the active segment is when the next one is prepared: early enough at any speed, and seldom in vain. */
const prepareNextAtShare = 0.9

/** Where an append went. */
export interface AppendResult {
  /** Offset of the first record. */
  readonly baseOffset: number
  /** Offset of the last record, inclusive. */
  readonly lastOffset: number
}

export interface AppenderParts {
  readonly root: LogRoot
  readonly clock: Clock
  readonly logger: Logger
  readonly location: LogLocation
  readonly settings: LogSettings
  readonly segmentOptions: Omit<SegmentOptions, 'baseOffset' | 'mode' | 'tail' | 'folder'>
  readonly tail: TailSlot | null
  /** Epoch of the partition's leader, which the log does not fall below. */
  readonly leaderEpoch: number
}

/**
 * The writing end of a log: appends to the active segment, rolls, and sees to it that what was appended gets to disk.
 *
 * Owned by one `Log`, with which it shares the list of segments. What may be appended is decided in `append-plan.ts`,
 * when to roll in `roll.ts`; waiting for flushes is `group-commit.ts`, recovery points are `log-checkpoints.ts`.
 */
export class LogAppender {
  readonly commits: GroupCommit
  /** Lowest offset that may be read; moved by retention and delete-records. */
  logStartOffset = 0
  readonly #parts: AppenderParts
  #settings: LogSettings
  #segmentOptions: AppenderParts['segmentOptions']
  readonly #folder: string
  readonly #disk: Disk
  readonly #list: SegmentList
  readonly #onAppended: () => void
  readonly #checkpoints: LogCheckpoints
  /** Made by the first append: an idle log costs little memory. */
  #workspace: Workspace | null = null
  #derived!: DerivedState
  #active!: Segment
  #state!: AppendState
  /** What the roll decision needs of the active segment, kept up to date by every append. */
  #rollSegment!: RollSegment
  /** Sealed, but not handed to a helper yet. */
  #sealing: Segment[] = []
  /** What the disk had no room for: written before the recovery point moves. */
  readonly #unsaved = { epochs: false, abortedIn: new Set<number>() }
  /** Resolves when every segment that was handed to a helper for sealing is on disk. */
  #sealed: Promise<void> = Promise.resolve()
  /** Base offsets of the segments that a helper has not finished sealing. */
  readonly #beingSealed = new Set<number>()
  #generation = 0
  /** Counts what `adopt` took over: a checkpoint that was begun before must not be written after it. */
  #adoptions = 0
  /** Wall time as of the last look; appends whose records are not ahead of it need not look again. */
  #nowMs: number
  /** Size of the active segment at which the next one is prepared. */
  #prepareAtBytes = 0
  #wakeScheduled = false
  #bytesSinceCheckpoint = 0
  #intervalFlush: Timer | null = null
  #stopped = false

  /** @param onAppended Called after every append, once its records may be read. */
  constructor(parts: AppenderParts, list: SegmentList, onAppended: () => void) {
    const { clock, location, root, logger } = parts
    this.#parts = parts
    this.#settings = parts.settings
    this.#segmentOptions = parts.segmentOptions
    this.#folder = location.folder
    this.#disk = root.disk
    this.#list = list
    this.#onAppended = onAppended
    this.#nowMs = clock.wallMs()
    this.#checkpoints = new LogCheckpoints(root, location)
    this.commits = new GroupCommit({
      logEndOffset: () => this.logEndOffset,
      flushAppended: () => this.#flushAppended(0),
      soon: (run) => clock.soon(run),
      onFailure: (failure) =>
        logger.error('the log is offline until it is opened anew', { folder: this.#folder, failure }),
    })
  }

  /** See `Log.reconfigure`. */
  reconfigure(settings: LogSettings, segmentOptions: AppenderParts['segmentOptions']): void {
    this.#settings = settings
    this.#segmentOptions = segmentOptions
    this.#workspace = null
  }

  /** Takes over what recovery found: at the start, and after the files were exchanged. */
  adopt(recovered: RecoveredLog): void {
    // What waited to be sealed lies past the recovery point, so recovery has seen to it.
    this.#sealing = []
    this.#list.remove(0, this.#list.length)
    for (const base of recovered.baseOffsets) {
      this.#list.push(base, base === recovered.active.baseOffset ? recovered.active : null)
    }
    this.#derived = recovered.state
    this.#active = recovered.active
    this.logStartOffset = recovered.logStartOffset
    this.#state = {
      logEndOffset: recovered.logEndOffset,
      leaderEpoch: Math.max(this.#parts.leaderEpoch, this.#derived.epochs.latestEpoch),
      producers: this.#derived.producers,
    }
    // As with Kafka, a leader's epoch is entered when it begins, also without data.
    this.#unsaved.epochs = this.#derived.epochs.assign(this.leaderEpoch, this.logEndOffset)
    this.#unsaved.abortedIn.clear()
    this.#saveDerived()
    this.#rollSegment = this.#describeActive()
    this.commits.restart(recovered.logEndOffset)
    this.#adoptions++
    this.filesChanged()
  }

  // ---- where the log ends

  get logEndOffset(): number {
    return this.#state.logEndOffset
  }

  get lastStableOffset(): number {
    // As with Kafka, never below the log start: what a transaction wrote there can no longer be read.
    return Math.max(this.logStartOffset, this.#derived.producers.lastStableOffset(this.logEndOffset))
  }

  /** Time that the last append gave its records, -1 when it left them theirs. */
  get lastAppendTimestamp(): number {
    return this.#workspace?.plan.appendTimestamp ?? noTimestamp
  }

  get leaderEpoch(): number {
    return this.#state.leaderEpoch
  }

  get derived(): DerivedState {
    return this.#derived
  }

  get active(): Segment {
    return this.#active
  }

  /** What is known of the active segment. */
  get activeFacts(): Readonly<RollSegment> {
    return this.#rollSegment
  }

  // ---- appending

  /** See `Log.append`. */
  append(appendable: Appendable, origin: AppendOrigin): AppendResult {
    this.#workspace ??= new Workspace(this.#settings, this.#segmentOptions)
    const workspace = this.#workspace
    const input = workspace.input.load(appendable)
    const plan = this.#planAppend(workspace, origin)
    const { baseOffset, lastOffset } = plan
    if (plan.outcome === 'duplicate') return { baseOffset, lastOffset }
    if (rollReason(workspace.rollLimits, this.#rollSegment, plan, this.#nowMs) !== undefined) this.roll()
    this.#write(workspace, origin)
    this.#appended(input, plan)
    return { baseOffset, lastOffset }
  }

  /** Seals the active segment and begins a new one at the log end. Does nothing while the active one is empty. */
  roll(): void {
    if (this.#rollSegment.sizeBytes === 0) return
    const sealed = this.#active
    const baseOffset = this.logEndOffset
    const { folder } = this.#parts.location
    const { tail } = this.#parts
    const active = Segment.open(this.#disk, { ...this.#segmentOptions, folder, baseOffset, mode: 'create', tail })
    this.#list.push(baseOffset, active)
    this.#active = active
    this.#sealing.push(sealed)
    this.#seal().catch(() => {})
    this.#rollSegment = this.#describeActive()
    this.filesChanged()
    const snapshot = this.#mark().producers
    if (snapshot !== null) this.#checkpoints.keep(snapshot)
    this.checkpoint()
  }

  #planAppend({ input, plan, limits }: Workspace, origin: AppendOrigin): AppendPlan {
    const { batches } = input
    const first = batches[0]!
    // One look at the clock costs as much as the rest of the plan: only when a record is ahead of the last look.
    if (limits.appendTime || first.maxTimestamp > this.#nowMs || first.maxTimestamp < 0) {
      this.#nowMs = this.#parts.clock.wallMs()
    }
    planAppend(plan, batches, origin, this.#state, limits, this.#nowMs)
    if (plan.outcome === 'error') throw plan.error!
    return plan
  }

  #write({ input, plan, limits, request }: Workspace, origin: AppendOrigin): void {
    request.baseOffset = plan.baseOffset
    request.leaderEpoch = this.#state.leaderEpoch
    request.flags = input.flags | (origin === 'replica' ? AppendFlag.keepOffsets : 0)
    request.appendTimestamp = plan.appendTimestamp
    request.maxBatchBytes = origin === 'replica' ? 0 : limits.maxBatchBytes
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

  #appended({ batches }: BatchInput, plan: AppendPlan): void {
    const segment = this.#rollSegment
    if (segment.sizeBytes === 0) segment.firstMaxTimestamp = batches[0]!.maxTimestamp
    segment.sizeBytes = this.#active.appendedEndPosition
    const watchers = this.#active.watchers
    this.#state.logEndOffset = plan.lastOffset + 1
    // Epochs rise, so the last batch has the latest one of this append (a replica's append may bring several).
    const lastEpoch = batches[batches.length - 1]!.leaderEpoch
    if (plan.producers || lastEpoch !== this.#derived.epochs.latestEpoch) this.#derive(batches)
    if (watchers > 0) this.#wakeSoon()
    this.#onAppended()
    if (segment.sizeBytes >= this.#prepareAtBytes) this.#prepareNext()
    this.#bytesSinceCheckpoint += plan.sizeBytes
    if (this.#bytesSinceCheckpoint >= this.#settings.checkpointIntervalBytes) this.checkpoint()
  }

  #derive(batches: BatchInput['batches']): void {
    const { epochs, producers } = this.#derived
    let aborted = false
    const epochBefore = epochs.latestEpoch
    for (const batch of batches) {
      if (batch.producerId !== noProducerId || batch.leaderEpoch !== epochs.latestEpoch) {
        aborted = this.#derived.apply(batch, this.#active.baseOffset) || aborted
      }
    }
    if (epochs.latestEpoch !== epochBefore) {
      this.#state.leaderEpoch = epochs.latestEpoch
      this.#unsaved.epochs = true
    }
    if (aborted) this.#unsaved.abortedIn.add(this.#active.baseOffset)
    this.#saveDerived()
    if (aborted || producers.openCount > 0 || epochs.latestEpoch !== epochBefore) this.publish()
  }

  /**
   * Writes the derived files that changed. The batches that they follow from are in the log already, so a full disk is
   * no failure of the append: they are written later, at the latest before the recovery point moves. Any other failure
   * takes the log offline: a file that says less than the log holds must not outlive the next checkpoint.
   * @returns whether all of it is written.
   */
  #saveDerived(): boolean {
    const { abortedIn } = this.#unsaved
    try {
      if (this.#unsaved.epochs) this.#derived.saveEpochs()
      this.#unsaved.epochs = false
      for (const base of abortedIn) {
        if (this.#list.has(base)) this.#derived.saveAborted(base)
        abortedIn.delete(base)
      }
      return true
    } catch (failure) {
      if (!isDiskFull(failure)) {
        this.failStop('Writing what follows from the last append', failure)
        throw this.commits.failure
      }
      this.#warnOfFullDisk('what follows from the last appends is not written yet', failure)
      return false
    }
  }

  /** The next segment's file is made ahead by a helper, so that the append that rolls pays for a rename only. */
  #prepareNext(): void {
    this.#prepareAtBytes = Number.POSITIVE_INFINITY
    this.#active.prepareNext()
  }

  // ---- telling readers

  /** The set of files changed: readers elsewhere must list them anew. */
  filesChanged(): void {
    this.#generation++
    this.publish()
  }

  /** Tells live readers where the log stands; the end of the active segment is told by every append itself. */
  publish(): void {
    this.#publish(this.#active.baseOffset, this.#rollSegment.sizeBytes, this.logStartOffset, this.logEndOffset)
  }

  #publish(segmentBaseOffset: number, endPosition: number, logStartOffset: number, logEndOffset: number): void {
    const { tail, root } = this.#parts
    if (tail === null) return
    root.tails.publish(tail, {
      generation: this.#generation,
      segmentBaseOffset,
      endPosition,
      logStartOffset,
      logEndOffset,
      highWatermark: logEndOffset,
      lastStableOffset: Math.min(this.lastStableOffset, logEndOffset),
      flushedOffset: Math.min(this.commits.flushedOffset, logEndOffset),
      leaderEpoch: this.leaderEpoch,
    })
    this.#wakeSoon()
  }

  /**
   * Tells live readers that the log will stand so, before files are taken away or exchanged: what they look up from then
   * on is in the files before, during and after that. Nothing is appended in between.
   */
  announce(end: { baseOffset: number; position: number; endOffset: number }, logStartOffset: number): void {
    this.#generation++
    this.#publish(end.baseOffset, end.position, logStartOffset, end.endOffset)
  }

  /** Wakes the live readers of other threads and processes, once per burst. */
  #wakeSoon(): void {
    if (this.#wakeScheduled) return
    this.#wakeScheduled = true
    this.#parts.clock.soon(() => {
      this.#wakeScheduled = false
      if (this.#parts.tail !== null && !this.#stopped) this.#parts.root.tails.wake(this.#parts.tail)
    })
  }

  // ---- getting to disk

  /** Sees to it that what was appended is flushed within `flush.ms`. */
  flushSoon(): void {
    if (this.#intervalFlush !== null || this.#stopped) return
    this.#intervalFlush = this.#parts.clock.after(this.#settings.flushIntervalMs, () => {
      this.#intervalFlush = null
      if (!this.#stopped && this.commits.failure === null) this.commits.wait(this.logEndOffset).catch(() => {})
    })
  }

  /** Moves the recovery point to where the log ends now, in the background. */
  checkpoint(): void {
    this.#bytesSinceCheckpoint = 0
    const mark = this.#mark()
    const adoptions = this.#adoptions
    const job = this.#checkpoints.run(async () => {
      try {
        await this.#flushAppended(FlushFlag.indexes)
        if (adoptions !== this.#adoptions) return
        this.#checkNotFailed()
        this.commits.flushed(mark.recoveryPoint)
        if (!this.#isSealedBefore(mark.segment) || !this.#saveDerived()) return
        await this.#enter(mark)
        this.#dropSnapshotsBefore(mark.recoveryPoint)
      } catch (failure) {
        if (!isDiskFull(failure)) throw failure
        this.#warnOfFullDisk('the recovery point stays where it is until the next checkpoint', failure)
      }
    })
    job.catch((cause: unknown) => this.failStop('A background flush', cause))
  }

  /** Resolves when nothing runs in the background and everything appended so far is on disk. */
  async settle(): Promise<void> {
    await this.commits.wait(this.logEndOffset)
    await this.#checkpoints.idle()
    await this.#seal()
  }

  /** Enters, durably, that nothing from `offset` on may be trusted any more: files are about to be exchanged. */
  async rewind(offset: number, logStartOffset: number): Promise<void> {
    this.#adoptions++
    await this.#checkpoints.rewind(offset, logStartOffset)
  }

  /**
   * Flushes and trims everything and moves the recovery point to the log end: the next opening has nothing to do.
   * @returns false when the disk is too full for that: everything is flushed, and the next opening has to check it.
   */
  async finish(): Promise<boolean> {
    this.#stopped = true
    this.#intervalFlush?.cancel()
    // Whoever waits for a flush gets an answer before the files are closed.
    await this.commits.wait(this.logEndOffset)
    await this.#checkpoints.idle()
    this.#sealing.push(this.#active)
    await this.#seal()
    this.#checkNotFailed()
    // Perhaps prepared in vain. One that a helper is just making stays, and serves the next roll.
    this.#disk.remove(`${this.#folder}/${preparedSegmentName}`)
    this.commits.flushed(this.logEndOffset)
    if (this.#sealing.length > 0 || !this.#saveDerived()) return false
    try {
      await this.#enter(this.#mark())
      return true
    } catch (failure) {
      if (!isDiskFull(failure)) throw failure
      this.#warnOfFullDisk('the next opening has to check the end of the log', failure)
      return false
    }
  }

  /** Takes the log offline: what reached the disk is unknown. */
  failStop(what: string, cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause)
    this.commits.fail(
      new VarveError(
        'VARVE_FAILED',
        `${what} of ${this.#folder} failed, so what reached the disk is unknown and the log is offline. Open it again: that re-reads the disk. (${reason})`,
        { details: { path: this.#folder }, cause },
      ),
    )
  }

  /** A flush that succeeds after one that failed says nothing: no recovery point may be entered on top of it. */
  #checkNotFailed(): void {
    if (this.commits.failure !== null) throw this.commits.failure
  }

  /** Flushes all that was appended so far: the active segment, and sealed ones that are not on disk yet. */
  async #flushAppended(flags: number): Promise<void> {
    await Promise.all([this.#seal(), flushSegments(this.#disk, [this.#active], flags)])
  }

  /** Seals what was rolled, on helper threads; resolves when no batch that was rolled so far is left to be flushed. */
  #seal(): Promise<void> {
    if (this.#sealing.length > 0) {
      const jobs = this.#sealing.filter(({ baseOffset }) => this.#list.has(baseOffset)).map((one) => this.#sealOne(one))
      this.#sealing = []
      this.#sealed = Promise.all([this.#sealed, ...jobs]).then(() => {})
      this.#sealed.catch(() => {})
    }
    return this.#sealed
  }

  async #sealOne(segment: Segment): Promise<void> {
    const { baseOffset } = segment
    this.#beingSealed.add(baseOffset)
    try {
      await flushSegments(this.#disk, [segment], FlushFlag.seal)
      // Its maps and descriptors are of no more use; who reads it opens it again. (A close seals the active one too.)
      if (segment !== this.#active) this.#list.retire(segment)
    } catch (failure) {
      if (!isDiskFull(failure)) throw failure
      // There is no room for its indexes. Its batches have theirs, and sealing is tried again with the next flush.
      this.#warnOfFullDisk('a segment cannot be sealed yet', failure)
      await flushSegments(this.#disk, [segment], 0)
      this.#sealing.push(segment)
    }
    this.#beingSealed.delete(baseOffset)
  }

  /** Nothing before a segment waits for space: the indexes of those are on disk, and nobody need look at them again. */
  #isSealedBefore(segment: Segment): boolean {
    const below = (base: number): boolean => base < segment.baseOffset
    return !this.#sealing.some(({ baseOffset }) => below(baseOffset)) && ![...this.#beingSealed].some(below)
  }

  #warnOfFullDisk(what: string, failure: unknown): void {
    this.#parts.logger.warn(`the disk is full: ${what}`, { folder: this.#folder, failure })
  }

  /** Null when nobody is sealing this segment; else resolves when its helper is done: until then that may make its index files. */
  sealingOf(baseOffset: number): Promise<void> | null {
    return this.#beingSealed.has(baseOffset) ? this.#sealed : null
  }

  /** Enters a checkpoint, and lets the leader epochs begin where it says that the log begins. */
  async #enter(mark: CheckpointMark): Promise<void> {
    const { logStartOffset } = this
    await this.#checkpoints.write(mark, logStartOffset)
    // Not before: a crash that takes the new log start back would leave the records below it without an epoch.
    if (!this.#derived.epochs.truncateFromStart(logStartOffset)) return
    this.#unsaved.epochs = true
    this.#saveDerived()
  }

  #mark(): CheckpointMark {
    const at = this.logEndOffset
    const isEmpty = at === this.#list.firstBaseOffset
    return {
      segment: this.#active,
      stats: this.#active.stats(),
      recoveryPoint: at,
      producers: isEmpty ? null : { path: this.#derived.snapshotPath(at), content: this.#derived.encodeProducers() },
    }
  }

  /** A recovery point in the middle of a segment has a snapshot of its own, until the next one. */
  #dropSnapshotsBefore(recoveryPoint: number): void {
    const bases = new Set(this.#list.baseOffsets())
    this.#derived.removeSnapshots((offset) => offset < recoveryPoint && !bases.has(offset))
  }

  #describeActive(): RollSegment {
    const stats = this.#active.stats()
    this.#prepareAtBytes = this.#segmentOptions.segmentBytes * prepareNextAtShare
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
}

/** What appending works with: filled anew by every append, so that a steady stream of them allocates nothing here. */
class Workspace {
  readonly input = new BatchInput()
  readonly plan = makeAppendPlan()
  readonly request = { baseOffset: 0, leaderEpoch: 0, flags: 0, appendTimestamp: -1, maxBatchBytes: 0 }
  readonly limits: AppendLimits
  readonly rollLimits: RollLimits

  constructor(settings: LogSettings, segmentOptions: AppenderParts['segmentOptions']) {
    this.limits = {
      maxBatchBytes: settings.maxMessageBytes,
      appendTime: settings.messageTimestampType === 'LogAppendTime',
      timestampBeforeMaxMs: settings.messageTimestampBeforeMaxMs,
      timestampAfterMaxMs: settings.messageTimestampAfterMaxMs,
      allowGaps: settings.cleanupPolicy.includes('compact'),
    }
    this.rollLimits = {
      segmentBytes: segmentOptions.segmentBytes,
      segmentMs: settings.segmentMs,
      segmentIndexBytes: settings.segmentIndexBytes,
    }
  }
}

/** There was no space to write something. Never the failure of a flush: trying again is harmless. */
function isDiskFull(failure: unknown): boolean {
  return failure instanceof VarveError && failure.code === 'VARVE_NO_SPACE'
}
