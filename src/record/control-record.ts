/**
 * Control records: the markers that end a transaction. Key: int16 version 0, int16 type. Value of a transaction
 * marker: int16 version 0, int32 epoch of the coordinator that wrote it.
 */
import { VarveError } from '../errors.ts'
import type { LogRecord } from './log-record.ts'

export type TransactionOutcome = 'abort' | 'commit'

export interface TransactionMarker {
  readonly type: TransactionOutcome
  readonly coordinatorEpoch: number
}

const outcomes: readonly TransactionOutcome[] = ['abort', 'commit']
const keyBytes = 4
const valueBytes = 6

/** Key and value of a marker. */
export function encodeTransactionMarker(marker: TransactionMarker): { key: Buffer; value: Buffer } {
  const key = Buffer.alloc(keyBytes)
  key.writeInt16BE(outcomes.indexOf(marker.type), 2)
  const value = Buffer.alloc(valueBytes)
  value.writeInt32BE(marker.coordinatorEpoch, 2)
  return { key, value }
}

/**
 * Reads the marker that a control record holds.
 *
 * @returns undefined for control records of other types (Kafka's metadata log has some), which readers skip.
 * Errors: VARVE_CORRUPT.
 */
export function decodeTransactionMarker(record: LogRecord): TransactionMarker | undefined {
  const { key, value } = record
  // Later versions may append fields: what we know stands first.
  if (key === null || key.length < keyBytes || key.readInt16BE(0) < 0)
    throw badMarker(record, 'its key is not that of one')
  const type = outcomes[key.readInt16BE(2)]
  if (type === undefined) return undefined
  if (value === null || value.length < valueBytes || value.readInt16BE(0) < 0) {
    throw badMarker(record, 'its value is not that of one')
  }
  return { type, coordinatorEpoch: value.readInt32BE(2) }
}

function badMarker(record: LogRecord, reason: string): VarveError {
  return new VarveError('VARVE_CORRUPT', `The transaction marker at offset ${record.offset} is damaged: ${reason}.`, {
    details: { offset: record.offset, reason },
  })
}
