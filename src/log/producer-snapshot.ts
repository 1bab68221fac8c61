/**
 * The `<20 digits>.snapshot` file: the state of all producers before the offset that names it.
 *
 * | Bytes | Field |
 * |---|---|
 * | 2 | version, 1 |
 * | 4 | CRC-32C of everything after this field |
 * | 4 | number of entries |
 * | 46 each | producer id 8, epoch 2, last sequence 4, last offset 8, offset delta 4, timestamp 8, coordinator epoch 4, first offset of the open transaction 8 |
 *
 * Big-endian. The order of the entries means nothing (Kafka writes them in hash-map order). For what the fields mean
 * see `ProducerEntry`. Pure: the caller reads and writes the file.
 */
import { crc32c } from '../base/crc32c.ts'
import { readInt64, writeInt64 } from '../base/int64.ts'
import { VarveError } from '../errors.ts'
import type { ProducerEntry } from './producer-states.ts'

export const producerSnapshotVersion = 1
const headerBytes = 10
/** Where the bytes under the checksum begin. */
const checkedFrom = 6
const entryBytes = 46

export function encodeProducerSnapshot(entries: Iterable<ProducerEntry>): Uint8Array {
  const list = [...entries]
  const bytes = new Uint8Array(headerBytes + list.length * entryBytes)
  const view = new DataView(bytes.buffer)
  view.setInt16(0, producerSnapshotVersion)
  view.setInt32(6, list.length)
  let at = headerBytes
  for (const entry of list) {
    view.setBigInt64(at, entry.producerId)
    view.setInt16(at + 8, entry.producerEpoch)
    view.setInt32(at + 10, entry.lastSequence)
    writeInt64(view, at + 14, entry.lastOffset)
    view.setInt32(at + 22, entry.offsetDelta)
    writeInt64(view, at + 26, entry.timestamp)
    view.setInt32(at + 34, entry.coordinatorEpoch)
    writeInt64(view, at + 38, entry.transactionFirstOffset)
    at += entryBytes
  }
  view.setUint32(2, crc32c(bytes.subarray(checkedFrom)))
  return bytes
}

/**
 * The entries of a snapshot file.
 *
 * Throws `VARVE_CORRUPT` for a wrong version, length, checksum or field: the caller then takes an older snapshot and
 * applies more of the log.
 */
export function decodeProducerSnapshot(bytes: Uint8Array): ProducerEntry[] {
  if (bytes.length < headerBytes) throw corrupt(`it has ${bytes.length} bytes, fewer than its header`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const version = view.getInt16(0)
  if (version !== producerSnapshotVersion) throw corrupt(`its version is ${version}, not ${producerSnapshotVersion}`)
  const count = view.getInt32(6)
  if (count < 0 || bytes.length !== headerBytes + count * entryBytes)
    throw corrupt(`${count} entries do not take ${bytes.length} bytes`)
  if (view.getUint32(2) !== crc32c(bytes.subarray(checkedFrom))) throw corrupt('its checksum is wrong')
  const entries: ProducerEntry[] = []
  const known = new Set<bigint>()
  for (let at = headerBytes; at < bytes.length; at += entryBytes) {
    const entry: ProducerEntry = {
      producerId: view.getBigInt64(at),
      producerEpoch: view.getInt16(at + 8),
      lastSequence: view.getInt32(at + 10),
      lastOffset: readInt64(view, at + 14),
      offsetDelta: view.getInt32(at + 22),
      timestamp: readInt64(view, at + 26),
      coordinatorEpoch: view.getInt32(at + 34),
      transactionFirstOffset: readInt64(view, at + 38),
    }
    if (entry.producerId < 0n || known.has(entry.producerId)) throw corrupt(`producer ${entry.producerId} is not new`)
    if (!isPlausible(entry)) throw corrupt(`the entry of producer ${entry.producerId} is out of bounds`)
    known.add(entry.producerId)
    entries.push(entry)
  }
  return entries
}

function isPlausible(entry: ProducerEntry): boolean {
  const { lastOffset, offsetDelta, timestamp, transactionFirstOffset } = entry
  return (
    entry.producerEpoch >= -1 &&
    entry.lastSequence >= -1 &&
    Number.isSafeInteger(timestamp) &&
    Number.isSafeInteger(lastOffset) &&
    Number.isSafeInteger(transactionFirstOffset) &&
    lastOffset >= -1 &&
    offsetDelta >= 0 &&
    offsetDelta <= Math.max(lastOffset, 0) &&
    entry.coordinatorEpoch >= -1 &&
    transactionFirstOffset >= -1
  )
}

function corrupt(reason: string): VarveError {
  return new VarveError('VARVE_CORRUPT', `A producer snapshot cannot be used: ${reason}.`)
}
