import { types } from 'node:util'
import { VarveError } from '../errors.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import { headerFault } from '../record/batch-header.ts'
import { AppendFlag } from '../storage/segment.ts'
import { isControlBatch, makeBatchFields, readBatchFields } from './batch-fields.ts'
import type { ProducerBatch } from './producer-states.ts'
import { markerOfInput } from './transaction-marker.ts'

/** What can be appended: a builder with records in it, the bytes of whole batches, or a list of either. */
export type Appendable = BatchBuilder | Uint8Array | readonly (BatchBuilder | Uint8Array)[]

/** One list holds at most so many batches: the plan of an append is made in one go. */
const batchCountMax = 10_000

/**
 * Turns what a caller passed into one range of bytes and the header fields of each batch in it.
 *
 * One instance serves all appends of a log, one at a time: its fields are filled anew by `load`. Appending from one
 * builder again and again allocates nothing here. Memory that somebody else could change meanwhile (a
 * SharedArrayBuffer) is copied first: what was validated is what is written.
 */
export class BatchInput {
  bytes: Uint8Array = Buffer.alloc(0)
  length = 0
  /** `AppendFlag`s that these bytes need. */
  flags = 0
  /** The bytes are memory of ours or of a builder, into which the native append may stamp. */
  scratch = false
  /** Header fields of each batch, valid until the next `load`. */
  batches: readonly ProducerBatch[] = []
  readonly #single: readonly ProducerBatch[] = [emptyBatch()]
  #view: DataView = new DataView(this.bytes.buffer as ArrayBuffer)

  load(appendable: Appendable): this {
    if (appendable instanceof BatchBuilder) return this.#loadBuilder(appendable)
    if (appendable instanceof Uint8Array) return this.#loadBytes(appendable)
    if (Array.isArray(appendable)) return this.#loadList(appendable as readonly (BatchBuilder | Uint8Array)[])
    throw new VarveError(
      'VARVE_INVALID_ARGUMENT',
      'A batch must be a BatchBuilder, a Uint8Array that holds whole record batches, or an array of these.',
      { details: { argument: 'batch' } },
    )
  }

  #loadBuilder(builder: BatchBuilder): this {
    const length = builder.finish()
    const { bytes } = builder
    if (bytes !== this.bytes) this.#use(bytes)
    this.length = length
    this.flags = AppendFlag.setCrc
    this.scratch = true
    this.batches = this.#single
    const batch = this.#single[0]!
    builder.describe(batch)
    batch.marker = isControlBatch(batch) ? markerOfInput(batch, bytes, this.#view, 0) : undefined
    return this
  }

  #loadBytes(bytes: Uint8Array): this {
    checkAttached(bytes)
    // Not by `instanceof`: it may come from another realm.
    const shared = types.isSharedArrayBuffer(bytes.buffer)
    this.#use(shared ? Buffer.from(bytes) : bytes)
    this.length = this.bytes.byteLength
    this.flags = AppendFlag.checkRecords
    this.scratch = shared
    this.#readHeaders()
    return this
  }

  #loadList(list: readonly (BatchBuilder | Uint8Array)[]): this {
    const parts = list.map((item) => {
      if (item instanceof BatchBuilder) return item.build()
      if (item instanceof Uint8Array) {
        checkAttached(item)
        return item
      }
      throw new VarveError('VARVE_INVALID_ARGUMENT', 'Each batch of a list must be a BatchBuilder or a Uint8Array.', {
        details: { argument: 'batch' },
      })
    })
    this.#use(Buffer.concat(parts))
    this.length = this.bytes.byteLength
    this.flags = AppendFlag.checkRecords
    this.scratch = true
    this.#readHeaders()
    return this
  }

  #use(bytes: Uint8Array): void {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  #readHeaders(): void {
    const batches: ProducerBatch[] = []
    let position = 0
    while (position < this.length) {
      const fault =
        batches.length === batchCountMax
          ? `there are more than ${batchCountMax} batches`
          : headerFault(this.#view, position, this.length)
      if (fault !== undefined) {
        throw new VarveError(
          'VARVE_INVALID_RECORD',
          `The batch at byte ${position} of an append was refused: ${fault}.`,
          { details: { position, batchIndex: batches.length, reason: fault } },
        )
      }
      const batch = emptyBatch()
      batches.push(batch)
      position += this.#readHeader(position, batch)
    }
    if (batches.length === 0) {
      throw new VarveError('VARVE_INVALID_RECORD', 'There is no batch in what was passed to append.')
    }
    this.batches = batches
  }

  /** @returns size of the batch. */
  #readHeader(position: number, batch: ProducerBatch): number {
    const view = this.#view
    readBatchFields(view, position, batch)
    batch.marker = isControlBatch(batch) ? markerOfInput(batch, this.bytes, view, position) : undefined
    return batch.sizeBytes
  }
}

/** A detached buffer is told from an empty one only by what it refuses. */
function checkAttached(bytes: Uint8Array): void {
  if (bytes.byteLength > 0) return
  try {
    new Uint8Array(bytes.buffer)
  } catch (cause) {
    throw new VarveError(
      'VARVE_INVALID_ARGUMENT',
      'The memory of the batch was transferred away (its buffer is detached), so there is nothing to append.',
      { details: { argument: 'batch' }, cause },
    )
  }
}

export function emptyBatch(): ProducerBatch {
  return { ...makeBatchFields(), marker: undefined }
}
