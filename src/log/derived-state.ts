import type { Logger } from '../env/logger.ts'
import { VarveError } from '../errors.ts'
import type { Disk } from '../storage/disk.ts'
import { decodeLeaderEpochs, encodeLeaderEpochs, leaderEpochCheckpointName } from '../storage/kafka-checkpoint.ts'
import { parseSegmentFileName, segmentFileName } from '../storage/segment-names.ts'
import { noProducerId } from './batch-fields.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import { decodeProducerSnapshot, encodeProducerSnapshot } from './producer-snapshot.ts'
import { type ProducerBatch, ProducerStates } from './producer-states.ts'
import {
  collectAborted,
  decodeTransactionIndex,
  encodeTransactionIndex,
  type TransactionIndexEntry,
} from './transaction-index.ts'

/**
 * What follows from a log's batches and is kept beside them, so that opening need not read them all: leader epochs,
 * producer states, aborted transactions. All of it can be made anew from the log; losing it loses no data.
 *
 * This class keeps the state and its files together. The state moves with `apply`, in the order of offsets; files are
 * written when they are asked for (epochs at once: a change is rare).
 */
export class DerivedState {
  readonly #disk: Disk
  readonly #folder: string
  epochs = new LeaderEpochs()
  producers = new ProducerStates()
  /** Aborted transactions by the base offset of the segment that holds their markers; read from its file when needed. */
  readonly #aborted = new Map<number, TransactionIndexEntry[]>()

  constructor(disk: Disk, folder: string) {
    this.#disk = disk
    this.#folder = folder
  }

  /**
   * Takes in a batch that is in the log.
   * @param segmentBaseOffset The segment that holds it.
   * @returns whether it decided an aborted transaction, so that this segment's transaction index must be written.
   */
  apply(batch: ProducerBatch, segmentBaseOffset: number): boolean {
    if (batch.leaderEpoch !== this.epochs.latestEpoch) this.epochs.assign(batch.leaderEpoch, batch.baseOffset)
    if (batch.producerId === noProducerId) return false
    const decided = this.producers.apply(batch)
    if (decided === undefined || !decided.aborted) return false
    const { producerId, firstOffset, lastOffset, lastStableOffset } = decided
    this.abortedIn(segmentBaseOffset).push({ producerId, firstOffset, lastOffset, lastStableOffset })
    return true
  }

  // ---- leader epochs

  /** Reads `leader-epoch-checkpoint`. @returns false when it is missing or damaged and must be made anew from the log. */
  loadEpochs(logger: Logger): boolean {
    const path = `${this.#folder}/${leaderEpochCheckpointName}`
    const text = this.#disk.readText(path)
    if (text === null) return false
    try {
      this.epochs = new LeaderEpochs(decodeLeaderEpochs(text))
      return true
    } catch (failure) {
      logger.warn('the leader epochs are damaged and are made anew from the log', { path, failure })
      return false
    }
  }

  saveEpochs(): void {
    this.#disk.replaceFile(`${this.#folder}/${leaderEpochCheckpointName}`, encodeLeaderEpochs(this.epochs.entries))
  }

  // ---- producer states

  /**
   * Reads the newest snapshot at or below `offset` that is whole.
   * @returns the offset that it stands for; -1 when there is none, and the state is empty.
   */
  loadProducers(offset: number, logger: Logger): number {
    for (const at of this.snapshotOffsets().reverse()) {
      if (at > offset) continue
      const path = this.snapshotPath(at)
      const bytes = this.#disk.readFile(path)
      if (bytes === null) continue
      try {
        this.producers = new ProducerStates(decodeProducerSnapshot(bytes))
        return at
      } catch (failure) {
        logger.warn('a producer snapshot is damaged; an older one and more of the log serve instead', { path, failure })
      }
    }
    this.producers = new ProducerStates()
    return -1
  }

  /** The state as a snapshot file holds it. */
  encodeProducers(): Uint8Array {
    return encodeProducerSnapshot(this.producers.entries())
  }

  snapshotPath(offset: number): string {
    return `${this.#folder}/${segmentFileName(offset, 'snapshot')}`
  }

  /** Writes the encoded state before `offset`. Not if such a file exists already. */
  saveProducers(offset: number, encoded: Uint8Array): void {
    const path = this.snapshotPath(offset)
    if (this.#disk.stat(path) === null) this.#disk.replaceFile(path, encoded)
  }

  /** Offsets that have a snapshot file, rising. */
  snapshotOffsets(): number[] {
    const offsets: number[] = []
    for (const { name } of this.#disk.list(this.#folder) ?? []) {
      const file = parseSegmentFileName(name)
      if (file?.kind === 'snapshot' && file.state === undefined) offsets.push(file.baseOffset)
    }
    return offsets
  }

  /** Removes the snapshots for which `unwanted` holds. */
  removeSnapshots(unwanted: (offset: number) => boolean): void {
    for (const offset of this.snapshotOffsets()) {
      if (unwanted(offset)) this.#disk.remove(this.snapshotPath(offset))
    }
  }

  // ---- aborted transactions

  /** Those whose marker lies in a segment, in the order of their markers. */
  abortedIn(segmentBaseOffset: number): TransactionIndexEntry[] {
    let entries = this.#aborted.get(segmentBaseOffset)
    if (entries === undefined) {
      const bytes = this.#disk.readFile(this.#transactionIndexPath(segmentBaseOffset))
      entries = bytes === null ? [] : decodeTransactionIndex(bytes)
      this.#aborted.set(segmentBaseOffset, entries)
    }
    return entries
  }

  /** False when a segment's transaction index is damaged: it must be made anew from the segment's start. */
  hasWholeTransactionIndex(segmentBaseOffset: number): boolean {
    try {
      this.abortedIn(segmentBaseOffset)
      return true
    } catch (failure) {
      if (failure instanceof VarveError && failure.code === 'VARVE_CORRUPT') return false
      throw failure
    }
  }

  /** Makes a segment's transaction index anew, ahead of a replay of its batches from `offset` on. */
  resetAborted(segmentBaseOffset: number, offset: number): void {
    const entries = this.hasWholeTransactionIndex(segmentBaseOffset) ? this.abortedIn(segmentBaseOffset) : []
    this.#aborted.set(
      segmentBaseOffset,
      entries.filter(({ lastOffset }) => lastOffset < offset),
    )
  }

  /** Writes a segment's transaction index, flushed; no file when there is nothing in it. */
  saveAborted(segmentBaseOffset: number): void {
    const path = this.#transactionIndexPath(segmentBaseOffset)
    const entries = this.abortedIn(segmentBaseOffset)
    if (entries.length > 0) this.#disk.replaceFile(path, encodeTransactionIndex(entries))
    else if (this.#disk.stat(path) !== null) this.#disk.remove(path)
  }

  forgetAborted(segmentBaseOffset: number): void {
    this.#aborted.delete(segmentBaseOffset)
  }

  /** Aborted transactions that a reader of committed records must leave out of `[startOffset, endOffset)`. */
  abortedBetween(
    segmentBaseOffsets: readonly number[],
    startOffset: number,
    endOffset: number,
  ): TransactionIndexEntry[] {
    const found: TransactionIndexEntry[] = []
    for (const base of segmentBaseOffsets) {
      if (collectAborted(this.abortedIn(base), { startOffset, endOffset }, found)) break
    }
    return found
  }

  #transactionIndexPath(segmentBaseOffset: number): string {
    return `${this.#folder}/${segmentFileName(segmentBaseOffset, 'txnindex')}`
  }
}
