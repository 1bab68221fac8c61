import type { CompressionCodecs } from '../env/codecs.ts'
import { type AbortedTransaction, AbortedTransactionFilter } from '../record/aborted-transactions.ts'
import { RecordBatch } from '../record/record-batch.ts'
import type { Slab } from './slab.ts'

export interface BatchRunOptions {
  readonly codecs: CompressionCodecs
  /** Also the markers of transactions, which are no data of anybody's. */
  readonly control: boolean
  /** For readers of committed records: the aborted transactions that overlap the run; null for everybody else. */
  readonly aborted: readonly AbortedTransaction[] | null
}

/**
 * What one read answered: whole batches in offset order, decoded as they are walked. It may be iterated any number of
 * times. It owns its memory; a key or value that is kept keeps all of it.
 */
export class BatchRun implements Iterable<RecordBatch> {
  /** The batches as they are stored, back to back. */
  readonly bytes: Uint8Array
  /** Batches, control batches included. 0: there is nothing at that offset yet. */
  readonly batchCount: number
  /** Where the next read starts. */
  readonly nextOffset: number
  readonly #options: BatchRunOptions

  constructor(slab: Slab, options: BatchRunOptions) {
    this.bytes = slab.bytes
    this.batchCount = slab.batchCount
    this.nextOffset = slab.nextOffset
    this.#options = options
  }

  *[Symbol.iterator](): Generator<RecordBatch, void, undefined> {
    const { bytes } = this
    const { codecs, control, aborted } = this.#options
    const memory = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const filter = aborted === null ? null : new AbortedTransactionFilter(aborted)
    for (let position = 0; position < bytes.byteLength; ) {
      const batch = new RecordBatch(memory, view, position, bytes.byteLength, { codecs })
      position += batch.byteLength
      const accepted = filter === null || filter.accepts(batch)
      if (batch.isControl ? control : accepted) yield batch
    }
  }
}
