import { VarveError } from '../errors.ts'
import { decodeTransactionMarker, type TransactionMarker } from '../record/control-record.ts'
import { RecordBatch } from '../record/record-batch.ts'
import { isControlBatch, noProducerId } from './batch-fields.ts'
import type { ProducerBatch } from './producer-states.ts'

/**
 * The transaction marker in a batch's bytes; undefined when the batch is none: data, a control batch of another kind,
 * or one that compaction has emptied.
 *
 * Throws `VARVE_CORRUPT` for a marker whose record does not parse. Costs two comparisons for a batch of data.
 */
export function markerIn(
  batch: ProducerBatch,
  bytes: Uint8Array,
  view: DataView,
  position: number,
): TransactionMarker | undefined {
  if (!isControlBatch(batch) || batch.producerId === noProducerId || batch.recordCount === 0) return undefined
  const memory = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const stored = new RecordBatch(memory, view, position, position + batch.sizeBytes, {})
  for (const record of stored) return decodeTransactionMarker(record)
  return undefined
}

/** The same for a batch that a caller passed in: what is wrong with it is the caller's (`VARVE_INVALID_RECORD`). */
export function markerOfInput(
  batch: ProducerBatch,
  bytes: Uint8Array,
  view: DataView,
  position: number,
): TransactionMarker | undefined {
  try {
    return markerIn(batch, bytes, view, position)
  } catch (cause) {
    if (!(cause instanceof VarveError)) throw cause
    throw new VarveError('VARVE_INVALID_RECORD', `A control batch was refused: ${cause.message}`, {
      details: { position },
      cause,
    })
  }
}
