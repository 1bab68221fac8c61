import assert from 'node:assert/strict'
import { BatchBuilder, readBatches } from '../../src/doors/record.ts'
import { type AbortedTransaction, AbortedTransactionFilter } from '../../src/record/aborted-transactions.ts'
import { HeaderField } from '../../src/record/batch-header.ts'
import { decodeTransactionMarker, encodeTransactionMarker } from '../../src/record/control-record.ts'
import type { LogRecord } from '../../src/record/log-record.ts'
import type { RecordBatch } from '../../src/record/record-batch.ts'
import {
  type ExpectedBytes,
  type ExpectedRecord,
  goldenBytes,
  goldenFiles,
  goldenPartitions,
  readExpected,
} from './golden-folders.ts'

interface Placed {
  segment: number
  position: number
  batch: RecordBatch
}

function placedBatches(partition: string): Placed[] {
  const placed: Placed[] = []
  for (const file of goldenFiles('clean', partition, '.log')) {
    let position = 0
    for (const batch of readBatches(goldenBytes('clean', partition, file)!)) {
      placed.push({ segment: Number.parseInt(file, 10), position, batch })
      position += batch.byteLength
    }
  }
  return placed
}

function shown(bytes: Buffer | null, expected: ExpectedBytes): ExpectedBytes {
  if (bytes === null) return null
  return typeof expected === 'object' && expected !== null ? { hex: bytes.toString('hex') } : bytes.toString()
}

function comparable(record: LogRecord, expected: ExpectedRecord): ExpectedRecord {
  return {
    ...expected,
    offset: record.offset,
    timestamp: record.timestamp,
    key: shown(record.key, expected.key),
    value: shown(record.value, expected.value),
    ...(expected.headers === undefined && record.headers.length === 0
      ? {}
      : {
          headers: record.headers.map(([name, value], i) => [name, shown(value, expected.headers?.[i]?.[1] ?? null)]),
        }),
  }
}

describe('batches that Kafka 4.3 wrote', () => {
  for (const partition of goldenPartitions('clean')) {
    const expected = readExpected('clean', partition)

    it(`${partition}: every header field is as Kafka's dump tool says`, () => {
      const rows = placedBatches(partition).map(({ segment, position, batch }) => ({
        segment,
        position,
        size: batch.byteLength,
        baseOffset: batch.baseOffset,
        lastOffset: batch.lastOffset,
        recordCount: batch.recordCount,
        codec: batch.compression,
        producerId: Number(batch.producerId),
        producerEpoch: batch.producerEpoch,
        baseSequence: batch.baseSequence,
        leaderEpoch: batch.leaderEpoch,
        transactional: batch.isTransactional,
        control: batch.isControl,
        maxTimestamp: batch.maxTimestamp,
        crc: batch.crc,
      }))
      assert.deepEqual(rows, expected.batches)
    })

    it(`${partition}: every record is as Kafka's consumer says`, () => {
      const batches = placedBatches(partition).map(({ batch }) => batch)
      const records = batches
        .filter((batch) => !batch.isControl)
        .flatMap((batch) => [...batch])
        .filter((record) => record.offset >= expected.logStartOffset)
      assert.equal(records.length, expected.records.length)
      for (const [i, record] of records.entries()) {
        assert.deepEqual(comparable(record, expected.records[i]!), expected.records[i])
        assert.equal(record.timestampType, expected.timestampType)
      }
    })

    it(`${partition}: every transaction marker is as Kafka's dump tool says`, () => {
      const markers = placedBatches(partition)
        .filter(({ batch }) => batch.isControl)
        .flatMap(({ batch }) =>
          [...batch].map((record) => ({ batch, record, marker: decodeTransactionMarker(record)! })),
        )
        .map(({ batch, record, marker }) => ({
          offset: record.offset,
          timestamp: record.timestamp,
          type: marker.type,
          producerId: Number(batch.producerId),
          producerEpoch: batch.producerEpoch,
          coordinatorEpoch: marker.coordinatorEpoch,
        }))
      assert.deepEqual(markers, expected.control)
    })

    it(`${partition}: read committed delivers what no aborted transaction wrote`, () => {
      const batches = placedBatches(partition).map(({ batch }) => batch)
      const filter = new AbortedTransactionFilter(abortedIn(batches))
      const offsets = batches
        .filter((batch) => filter.accepts(batch))
        .flatMap((batch) => [...batch])
        .map((record) => record.offset)
        .filter((offset) => offset >= expected.logStartOffset && offset < expected.lastStableOffset)
      const wanted = expected.records
        .filter((record) => !record.aborted && !record.open && !record.unstable)
        .map((record) => record.offset)
      assert.deepEqual(offsets, wanted)
    })
  }
})

describe('batches that are built are those of Kafka, byte for byte', () => {
  for (const partition of goldenPartitions('clean')) {
    it(partition, () => {
      for (const { batch } of placedBatches(partition)) {
        if (reencodable(batch)) assert.equal(reencoded(batch).toString('hex'), batch.bytes.toString('hex'))
      }
    })
  }

  it('and most of the golden batches were compared', () => {
    const batches = goldenPartitions('clean').flatMap((partition) => placedBatches(partition).map(({ batch }) => batch))
    const counts = [reencodable, (b: RecordBatch) => b.isControl, (b: RecordBatch) => b.isAppendTime].map(
      (kind) => batches.filter((batch) => reencodable(batch) && kind(batch)).length,
    )
    assert.ok(counts[0]! > batches.length / 2 && counts[1]! > 40 && counts[2]! > 3, counts.join())
  })
})

/** Not those of which the bytes depend on a compressor, on compaction, or on a coordinator's habit (see `baseSequence`). */
function reencodable(batch: RecordBatch): boolean {
  return (
    batch.compression === 'none' &&
    batch.recordCount === batch.lastOffset - batch.baseOffset + 1 &&
    batch.deleteHorizonMs === undefined &&
    !(batch.producerId === -1n && batch.baseSequence !== -1)
  )
}

function reencoded(batch: RecordBatch): Buffer {
  const { producerId, producerEpoch, baseSequence, isTransactional: transactional } = batch
  const builder = new BatchBuilder()
  if (producerId !== -1n) builder.setProducer({ producerId, producerEpoch, baseSequence, transactional })
  const times = createTimes(batch)
  for (const record of batch) {
    const { key, value, headers, offset } = record
    const marker = batch.isControl ? encodeTransactionMarker(decodeTransactionMarker(record)!) : { key, value }
    builder.add({ ...marker, headers, timestamp: times[offset - batch.baseOffset]! })
  }
  return builder.build({
    baseOffset: batch.baseOffset,
    leaderEpoch: batch.leaderEpoch,
    appendTimestamp: batch.isAppendTime ? batch.maxTimestamp : undefined,
    control: batch.isControl,
  })
}

/** With append time, what the producer sent is still in the bytes: look at them as if it were create time. */
function createTimes(batch: RecordBatch): number[] {
  const bytes = Buffer.from(batch.bytes)
  bytes.writeInt16BE(bytes.readInt16BE(HeaderField.attributes) & ~0x08, HeaderField.attributes)
  const [asCreated] = readBatches(bytes, { checkCrc: false })
  return [...asCreated!].map((record) => record.timestamp)
}

/** What a `.txnindex` would list, found by a plain look at all batches. */
function abortedIn(batches: readonly RecordBatch[]): AbortedTransaction[] {
  const open = new Map<bigint, number>()
  const aborted: AbortedTransaction[] = []
  for (const batch of batches) {
    if (!batch.isTransactional) continue
    if (!batch.isControl) {
      if (!open.has(batch.producerId)) open.set(batch.producerId, batch.baseOffset)
      continue
    }
    for (const record of batch) {
      const firstOffset = open.get(batch.producerId)
      open.delete(batch.producerId)
      if (decodeTransactionMarker(record)?.type === 'abort' && firstOffset !== undefined) {
        aborted.push({ producerId: batch.producerId, firstOffset })
      }
    }
  }
  return aborted
}
