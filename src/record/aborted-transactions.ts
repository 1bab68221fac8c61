import { decodeTransactionMarker } from './control-record.ts'
import type { RecordBatch } from './record-batch.ts'

/** A transaction that ended in an abort, as `.txnindex` files and fetch responses list it. */
export interface AbortedTransaction {
  readonly producerId: bigint
  /** Offset of its first record. */
  readonly firstOffset: number
}

/**
 * What a reader with the isolation level *read committed* may see: everything but control records and the records of
 * aborted transactions. (That it also stops at the last stable offset is its caller's part.)
 *
 * One instance per pass over a log: batches must come in offset order.
 *
 * Invariant: a producer has at most one transaction open at a time, so its id tells which one a batch belongs to.
 */
export class AbortedTransactionFilter {
  /** Aborted transactions that start further on, ordered by first offset, the nearest last. */
  private readonly upcoming: AbortedTransaction[]
  /** Producers whose present transaction will be aborted. */
  private readonly aborting = new Set<bigint>()

  /** @param aborted Those that overlap the offsets to be read, in any order. */
  constructor(aborted: readonly AbortedTransaction[]) {
    this.upcoming = [...aborted].sort((a, b) => b.firstOffset - a.firstOffset)
  }

  /**
   * Takes the next batch in offset order and tells whether its records are to be delivered.
   *
   * Errors: VARVE_CORRUPT for a damaged marker. Cost: nothing but two comparisons for batches outside transactions.
   */
  accepts(batch: RecordBatch): boolean {
    const { upcoming } = this
    while (upcoming.length > 0 && upcoming.at(-1)!.firstOffset <= batch.lastOffset) {
      this.aborting.add(upcoming.pop()!.producerId)
    }
    if (batch.isControl) {
      for (const record of batch) {
        if (decodeTransactionMarker(record)?.type === 'abort') this.aborting.delete(batch.producerId)
      }
      return false
    }
    return !(batch.isTransactional && this.aborting.has(batch.producerId))
  }
}
