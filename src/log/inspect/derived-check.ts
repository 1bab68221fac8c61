/**
 * Holds what is kept beside a log (producer snapshots, transaction indexes, leader epochs) against what its batches say.
 */
import { Attribute } from '../../record/batch-header.ts'
import { decodeTransactionMarker } from '../../record/control-record.ts'
import type { RecordBatch } from '../../record/record-batch.ts'
import type { LeaderEpochEntry } from '../../storage/kafka-checkpoint.ts'
import { noProducerId } from '../batch-fields.ts'
import { LeaderEpochs, noLeaderEpoch } from '../leader-epochs.ts'
import { type ProducerBatch, type ProducerEntry, ProducerStates } from '../producer-states.ts'
import { encodeTransactionIndex, type TransactionIndexEntry } from '../transaction-index.ts'

/** Tells what is wrong; `offset` where it concerns one. */
export type Fault = (message: string, offset?: number) => void

/**
 * Replays the producers of a log.
 *
 * Where the log was damaged, compacted, or begins above 0 without a snapshot, what was before is not known, so nothing
 * is compared from there on.
 */
export class ProducerReplay {
  #states: ProducerStates | null
  #aborted: TransactionIndexEntry[] = []

  /** @param before State before the first batch; null when it is not known. */
  constructor(before: readonly ProducerEntry[] | null) {
    this.#states = before === null ? null : new ProducerStates(before)
  }

  get known(): boolean {
    return this.#states !== null
  }

  forget(): void {
    this.#states = null
  }

  apply(batch: RecordBatch): void {
    if (this.#states === null || batch.producerId === noProducerId) return
    const decided = this.#states.apply(producerBatch(batch))
    if (decided === undefined || !decided.aborted) return
    const { producerId, firstOffset, lastOffset, lastStableOffset } = decided
    this.#aborted.push({ producerId, firstOffset, lastOffset, lastStableOffset })
  }

  /** Null when it is not known. */
  lastStableOffset(logEndOffset: number): number | null {
    return this.#states?.lastStableOffset(logEndOffset) ?? null
  }

  /**
   * Compares a snapshot of this moment. A producer may be missing from it, since idle ones expire; one that the log does
   * not have, or has otherwise, may not.
   */
  compareSnapshot(entries: readonly ProducerEntry[], fault: Fault): void {
    if (this.#states === null) return
    const ours = new Map([...this.#states.entries()].map((entry) => [entry.producerId, entry]))
    for (const entry of entries) {
      const own = ours.get(entry.producerId)
      if (own === undefined) fault(`it has producer ${entry.producerId}, of whom the log has nothing`)
      else {
        const wrong = differingField(entry, own)
        if (wrong !== undefined)
          fault(`${wrong} of producer ${entry.producerId} is ${entry[wrong]}, the log says ${own[wrong]}`)
      }
    }
  }

  /** The aborted transactions since the last call, to compare with a segment's file. */
  takeAborted(): TransactionIndexEntry[] {
    const aborted = this.#aborted
    this.#aborted = []
    return aborted
  }
}

const snapshotFields = [
  'producerEpoch',
  'lastSequence',
  'lastOffset',
  'offsetDelta',
  'timestamp',
  'transactionFirstOffset',
  'coordinatorEpoch',
] as const

function differingField(entry: ProducerEntry, own: ProducerEntry): (typeof snapshotFields)[number] | undefined {
  return snapshotFields.find(
    // A producer that expired and came back has lost the coordinator's epoch.
    (field) => entry[field] !== own[field] && !(field === 'coordinatorEpoch' && entry.coordinatorEpoch === -1),
  )
}

function producerBatch(batch: RecordBatch): ProducerBatch {
  return {
    baseOffset: batch.baseOffset,
    lastOffsetDelta: batch.lastOffset - batch.baseOffset,
    sizeBytes: batch.byteLength,
    leaderEpoch: batch.leaderEpoch,
    attributes: (batch.isTransactional ? Attribute.transactional : 0) | (batch.isControl ? Attribute.control : 0),
    baseTimestamp: batch.baseTimestamp,
    maxTimestamp: batch.maxTimestamp,
    producerId: batch.producerId,
    producerEpoch: batch.producerEpoch,
    baseSequence: batch.baseSequence,
    recordCount: batch.recordCount,
    marker: markerOf(batch),
  }
}

function markerOf(batch: RecordBatch): ProducerBatch['marker'] {
  if (!batch.isControl) return undefined
  for (const record of batch) return decodeTransactionMarker(record)
  return undefined
}

export interface SegmentRange {
  readonly baseOffset: number
  /** Exclusive. */
  readonly endOffset: number
}

/** Compares a segment's transaction index. @param expected What the log says; null when it is not known. */
export function checkTransactionIndex(
  entries: readonly TransactionIndexEntry[],
  expected: readonly TransactionIndexEntry[] | null,
  range: SegmentRange,
  fault: Fault,
): void {
  for (const { lastOffset, producerId } of entries) {
    if (lastOffset < range.baseOffset || lastOffset >= range.endOffset)
      fault(`it has a marker of producer ${producerId} at ${lastOffset}, outside of its segment`, lastOffset)
  }
  if (expected === null) return
  const actual = Buffer.from(encodeTransactionIndex(entries))
  if (actual.equals(encodeTransactionIndex(expected))) return
  const known = new Set(entries.map((entry) => entry.lastOffset))
  const missing = expected.find(({ lastOffset }) => !known.has(lastOffset))
  if (missing !== undefined)
    fault(`the transaction aborted at offset ${missing.lastOffset} is missing`, missing.lastOffset)
  else fault(`its ${entries.length} entries are not the ${expected.length} aborted transactions of the segment`)
}

/** Follows the leader epochs of the batches. */
export class EpochCheck {
  readonly #file: LeaderEpochs | null
  /** Epochs of before it may have been dropped from the file. */
  readonly #logStartOffset: number
  readonly #fault: Fault
  #latest = noLeaderEpoch
  /** Epoch told as unknown to the file already. */
  #unknown = noLeaderEpoch

  /** @param entries Of `leader-epoch-checkpoint`; null when there is none that can be read. */
  constructor(entries: readonly LeaderEpochEntry[] | null, logStartOffset: number, fault: Fault) {
    this.#file = entries === null ? null : new LeaderEpochs(entries)
    this.#logStartOffset = logStartOffset
    this.#fault = fault
  }

  /** @param batchFault Tells a fault that lies in the batch alone. */
  batch({ baseOffset, leaderEpoch }: RecordBatch, batchFault: (message: string) => void): void {
    const file = this.#file
    if (leaderEpoch < this.#latest)
      batchFault(`its leader epoch is ${leaderEpoch}, the batch before has ${this.#latest}`)
    else if (file !== null && leaderEpoch > file.latestEpoch) {
      if (leaderEpoch !== this.#unknown)
        this.#fault(`it does not know epoch ${leaderEpoch} of the batch at ${baseOffset}`, baseOffset)
      this.#unknown = leaderEpoch
    } else if (file !== null) {
      const said = file.epochFor(baseOffset)
      const dropped = said === noLeaderEpoch && baseOffset < this.#logStartOffset
      if (said !== leaderEpoch && !dropped)
        this.#fault(`it says epoch ${said} for offset ${baseOffset}, the batch there has ${leaderEpoch}`, baseOffset)
    }
    this.#latest = leaderEpoch
  }

  finish(logEndOffset: number): void {
    for (const { epoch, startOffset } of this.#file?.entries ?? [])
      if (startOffset > logEndOffset)
        this.#fault(`epoch ${epoch} starts at ${startOffset}, past the log end ${logEndOffset}`, startOffset)
  }
}
