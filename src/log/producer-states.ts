/**
 * What the log remembers of each idempotent producer: its epoch, its last five batches, its open transaction.
 *
 * From this follow the answer to a retried batch (the offsets it got the first time), the refusal of a batch that does
 * not follow the last one, and how far a reader of committed records may read. Derived data: a `.snapshot` file holds
 * the state before an offset, and applying the batches from there on gives it again.
 *
 * Owned by one log, used on its thread. `check` looks and changes nothing; `apply` is called once a batch is in the
 * log and checks nothing, so that replaying a log never fails. A batch without a producer must not be passed in (it
 * would change nothing): testing for it is the caller's, once per append.
 */
import { noSequence } from '../record/batch-header.ts'
import type { TransactionMarker } from '../record/control-record.ts'
import {
  type BatchFields,
  isControlBatch,
  isTransactionalBatch,
  noCoordinatorEpoch,
  noProducerEpoch,
  sequenceAfter,
  sequenceMax,
} from './batch-fields.ts'

/** Kafka producers keep at most five requests in flight, so a retry is one of the last five batches. */
export const producerWindowBatches = 5

/**
 * Producers that one log remembers, about 30 MB of heap. A client that takes a new producer id for every run would
 * otherwise grow the log's memory until the ids expire. Past the limit the longest idle are forgotten.
 */
export const producerCountMax = 100_000

/** No offset: no data batch in this epoch, or no open transaction. */
export const noProducerOffset = -1

/** One producer as a snapshot file holds it. */
export interface ProducerEntry {
  producerId: bigint
  producerEpoch: number
  /** Of the last data batch in this epoch; -1 when there was none. */
  lastSequence: number
  /** Of the same batch, inclusive; -1 when there was none. */
  lastOffset: number
  /** Last minus first offset of the same batch; 0 when there was none. */
  offsetDelta: number
  /** Max timestamp of the last batch, or the marker's. */
  timestamp: number
  /** Of the last marker; -1 when there was none. */
  coordinatorEpoch: number
  /** First offset of the open transaction; -1 when none is open. */
  transactionFirstOffset: number
}

/** A batch as it was, or will be, stored; a transaction marker comes with its contents. */
export interface ProducerBatch extends BatchFields {
  /** Set for transaction markers; a control batch that compaction has emptied has none. */
  marker?: TransactionMarker | undefined
}

export type ProducerCheck =
  /** May be appended. */
  | 'append'
  /** One of the producer's last batches again: see `duplicateOf`. */
  | 'duplicate'
  /** Its sequence does not follow, or a new epoch does not start at 0. */
  | 'out-of-order'
  /** Its epoch is older than the one known. */
  | 'fenced'
  /** A plain batch of a producer whose transaction is open. */
  | 'in-transaction'
  /** A marker of a transaction coordinator that was replaced. */
  | 'coordinator-fenced'

export interface OffsetRange {
  baseOffset: number
  /** Inclusive. */
  lastOffset: number
}

/** A transaction that a marker has decided. */
export interface DecidedTransaction {
  producerId: bigint
  aborted: boolean
  firstOffset: number
  /** Offset of the marker. */
  lastOffset: number
  /** The last stable offset once this transaction no longer holds it back. */
  lastStableOffset: number
}

interface WindowBatch {
  lastSequence: number
  lastOffset: number
  offsetDelta: number
}

interface ProducerState {
  epoch: number
  /** Oldest first, at most `producerWindowBatches`, all of `epoch`. */
  window: WindowBatch[]
  timestamp: number
  coordinatorEpoch: number
  transactionFirstOffset: number
}

export class ProducerStates {
  readonly #states = new Map<bigint, ProducerState>()
  /**
   * First offsets of open transactions by producer id. Invariant: in the order of those offsets, since a transaction is
   * entered when its first batch is applied; so the first entry is what holds readers back.
   */
  readonly #open = new Map<bigint, number>()
  /** Decided transactions whose marker is not yet below the high watermark, in the order of the markers. */
  readonly #unreplicated: { firstOffset: number; lastOffset: number }[] = []
  readonly #countMax: number

  constructor(entries: Iterable<ProducerEntry> = [], countMax = producerCountMax) {
    this.#countMax = countMax
    const open: ProducerEntry[] = []
    for (const entry of entries) {
      this.#states.set(entry.producerId, {
        epoch: entry.producerEpoch,
        window:
          entry.lastOffset >= 0
            ? [{ lastSequence: entry.lastSequence, lastOffset: entry.lastOffset, offsetDelta: entry.offsetDelta }]
            : [],
        timestamp: entry.timestamp,
        coordinatorEpoch: entry.coordinatorEpoch,
        transactionFirstOffset: entry.transactionFirstOffset,
      })
      if (entry.transactionFirstOffset >= 0) open.push(entry)
    }
    open.sort((a, b) => a.transactionFirstOffset - b.transactionFirstOffset)
    for (const entry of open) this.#open.set(entry.producerId, entry.transactionFirstOffset)
  }

  /** Producers known. */
  get count(): number {
    return this.#states.size
  }

  /** Open transactions. */
  get openCount(): number {
    return this.#open.size
  }

  /** All producers, as a snapshot file holds them. */
  *entries(): Generator<ProducerEntry> {
    for (const [producerId, state] of this.#states) {
      const last = state.window[state.window.length - 1]
      yield {
        producerId,
        producerEpoch: state.epoch,
        lastSequence: last?.lastSequence ?? noSequence,
        lastOffset: last?.lastOffset ?? noProducerOffset,
        offsetDelta: last?.offsetDelta ?? 0,
        timestamp: state.timestamp,
        coordinatorEpoch: state.coordinatorEpoch,
        transactionFirstOffset: state.transactionFirstOffset,
      }
    }
  }

  /**
   * Whether a batch of a producer may be appended now.
   *
   * A producer that is not known may start with any sequence: its earlier batches may have been deleted. A known one
   * must follow its last batch, or start a higher epoch at sequence 0. A batch older than the window of five is out of
   * order, as with Kafka.
   * @param previous The batch of the same producer that goes before this one in the same append, if there is one.
   */
  check(batch: ProducerBatch, previous?: ProducerBatch): ProducerCheck {
    const state = this.#states.get(batch.producerId)
    if (isControlBatch(batch)) return state === undefined ? 'append' : checkMarker(batch, state)
    if (previous !== undefined) return checkAfterPrevious(batch, previous)
    if (state === undefined) return 'append'
    if (batch.producerEpoch === state.epoch && findInWindow(state, batch) !== undefined) return 'duplicate'
    if (batch.producerEpoch < state.epoch) return 'fenced'
    const follows =
      batch.producerEpoch === state.epoch
        ? followsSequence(state.window[state.window.length - 1]?.lastSequence ?? noSequence, batch.baseSequence)
        : batch.baseSequence === 0 || state.epoch === noProducerEpoch
    if (!follows) return 'out-of-order'
    return state.transactionFirstOffset >= 0 && !isTransactionalBatch(batch) ? 'in-transaction' : 'append'
  }

  /** Offsets that a duplicate got when it was first appended; undefined when it is none. */
  duplicateOf(batch: BatchFields): OffsetRange | undefined {
    const state = this.#states.get(batch.producerId)
    if (state === undefined || state.epoch !== batch.producerEpoch) return undefined
    const found = findInWindow(state, batch)
    return found && { baseOffset: found.lastOffset - found.offsetDelta, lastOffset: found.lastOffset }
  }

  /**
   * Takes in a batch that is now in the log at `batch.baseOffset`, data or marker, from an append or a replay. Batches
   * must come in the order of their offsets.
   * @returns the transaction that this batch decided, if it did: an aborted one belongs into the transaction index.
   */
  apply(batch: ProducerBatch): DecidedTransaction | undefined {
    // A control batch without its record was emptied by compaction, which does so only when all data of the
    // transaction is gone: then there is nothing to decide.
    const control = isControlBatch(batch)
    if (control && batch.marker === undefined) return undefined
    const state = this.#states.get(batch.producerId) ?? this.#add(batch)
    if (state.epoch !== batch.producerEpoch) {
      state.epoch = batch.producerEpoch
      state.window.length = 0
    }
    state.timestamp = batch.maxTimestamp
    if (control) return this.#decide(batch, state, batch.marker!)
    const slot =
      state.window.length < producerWindowBatches
        ? { lastSequence: 0, lastOffset: 0, offsetDelta: 0 }
        : state.window.shift()!
    slot.lastSequence = sequenceAfter(batch.baseSequence, batch.lastOffsetDelta)
    slot.lastOffset = batch.baseOffset + batch.lastOffsetDelta
    slot.offsetDelta = batch.lastOffsetDelta
    state.window.push(slot)
    if (isTransactionalBatch(batch) && state.transactionFirstOffset < 0) {
      state.transactionFirstOffset = batch.baseOffset
      this.#open.set(batch.producerId, batch.baseOffset)
    }
    return undefined
  }

  /**
   * First offset of the earliest transaction that is open, or decided by a marker at or past `highWatermark`; undefined
   * when there is none.
   */
  firstUnstableOffset(highWatermark: number): number | undefined {
    let first: number | undefined
    for (const offset of this.#open.values()) {
      first = offset
      break
    }
    this.forgetReplicated(highWatermark)
    for (const { firstOffset } of this.#unreplicated)
      if (first === undefined || firstOffset < first) first = firstOffset
    return first
  }

  /** Up to where (exclusive) every record is of no transaction or of a decided one; at most `highWatermark`. */
  lastStableOffset(highWatermark: number): number {
    if (this.#open.size === 0 && this.#unreplicated.length === 0) return highWatermark
    return Math.min(this.firstUnstableOffset(highWatermark) ?? highWatermark, highWatermark)
  }

  /** Decided transactions whose marker is below `highWatermark` no longer hold readers back. It never moves backwards. */
  forgetReplicated(highWatermark: number): void {
    let done = 0
    while (done < this.#unreplicated.length && this.#unreplicated[done]!.lastOffset < highWatermark) done += 1
    if (done > 0) this.#unreplicated.splice(0, done)
  }

  /**
   * Forgets producers without an open transaction whose last *record timestamp* is `idleMs` or more before `nowMs`.
   * @returns how many.
   */
  expire(nowMs: number, idleMs: number): number {
    let expired = 0
    for (const [producerId, state] of this.#states)
      if (state.transactionFirstOffset < 0 && nowMs - state.timestamp >= idleMs) {
        this.#states.delete(producerId)
        expired += 1
      }
    return expired
  }

  #add(batch: BatchFields): ProducerState {
    if (this.#states.size >= this.#countMax) this.#dropLongestIdle()
    const state: ProducerState = {
      epoch: batch.producerEpoch,
      window: [],
      timestamp: batch.maxTimestamp,
      coordinatorEpoch: noCoordinatorEpoch,
      transactionFirstOffset: noProducerOffset,
    }
    this.#states.set(batch.producerId, state)
    return state
  }

  #decide(batch: BatchFields, state: ProducerState, marker: TransactionMarker): DecidedTransaction | undefined {
    state.coordinatorEpoch = marker.coordinatorEpoch
    const firstOffset = state.transactionFirstOffset
    if (firstOffset < 0) return undefined // a marker without data
    state.transactionFirstOffset = noProducerOffset
    this.#open.delete(batch.producerId)
    const lastOffset = batch.baseOffset + batch.lastOffsetDelta
    this.#unreplicated.push({ firstOffset, lastOffset })
    let lastStableOffset = lastOffset + 1
    for (const offset of this.#open.values()) {
      lastStableOffset = offset
      break
    }
    return { producerId: batch.producerId, aborted: marker.type === 'abort', firstOffset, lastOffset, lastStableOffset }
  }

  /** Makes room by a sixteenth at once, so that the sort is paid for by many additions. Open transactions stay. */
  #dropLongestIdle(): void {
    const idle = [...this.#states].filter(([, state]) => state.transactionFirstOffset < 0)
    idle.sort(([idA, a], [idB, b]) => a.timestamp - b.timestamp || (idA < idB ? -1 : 1))
    for (const [producerId] of idle.slice(0, Math.ceil(this.#countMax / 16))) this.#states.delete(producerId)
  }
}

function followsSequence(last: number, next: number): boolean {
  return next === last + 1 || (next === 0 && last === sequenceMax)
}

function checkAfterPrevious(batch: BatchFields, previous: BatchFields): ProducerCheck {
  if (batch.producerEpoch < previous.producerEpoch) return 'fenced'
  const follows =
    batch.producerEpoch === previous.producerEpoch
      ? followsSequence(sequenceAfter(previous.baseSequence, previous.lastOffsetDelta), batch.baseSequence)
      : batch.baseSequence === 0
  if (!follows) return 'out-of-order'
  return isTransactionalBatch(previous) && !isTransactionalBatch(batch) ? 'in-transaction' : 'append'
}

function checkMarker(batch: ProducerBatch, state: ProducerState): ProducerCheck {
  // With transactions v2 a marker carries the producer epoch raised by one, before that the same.
  if (batch.producerEpoch < state.epoch) return 'fenced'
  if (batch.marker !== undefined && batch.marker.coordinatorEpoch < state.coordinatorEpoch) return 'coordinator-fenced'
  return 'append'
}

/** The batch of the window with the same first and last sequence, newest first; epochs are the caller's. */
function findInWindow(state: ProducerState, batch: BatchFields): WindowBatch | undefined {
  const lastSequence = sequenceAfter(batch.baseSequence, batch.lastOffsetDelta)
  for (let i = state.window.length - 1; i >= 0; i -= 1) {
    const known = state.window[i]!
    if (known.lastSequence === lastSequence && known.offsetDelta === batch.lastOffsetDelta) return known
  }
  return undefined
}
