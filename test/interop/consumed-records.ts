import type { ConsumedRecord } from './kafka-peer.ts'
import type { WrittenRecord } from './log-scribe.ts'

const base64 = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString('base64')

/** What the Java consumer has to give for a record. */
export function consumedRecord(record: WrittenRecord, timestampType: string): ConsumedRecord {
  return [
    record.offset,
    record.timestamp,
    timestampType,
    base64(record.key),
    base64(record.value),
    record.headers.map(([name, value]) => [name, base64(value)]),
  ]
}
