import assert from 'node:assert/strict'
import fc from 'fast-check'
import { crc32c } from '../../../src/base/crc32c.ts'
import {
  BatchBuilder,
  compressionCodecs,
  type LogRecord,
  RecordCursor,
  readBatches,
  VarveError,
} from '../../../src/doors/record.ts'
import { HeaderField } from '../../../src/record/batch-header.ts'
import { readBatches as readBatchesWith } from '../../../src/record/read-batches.ts'

/** Builds a batch of three records at offset 100, lets `damage` change it, and makes the CRC right again. */
function batchWith(damage: (bytes: Buffer) => unknown, repairCrc = true): Buffer {
  const builder = new BatchBuilder()
  for (const i of [0, 1, 2])
    builder.add({ key: `k${i}`, value: `value-${i}`, headers: { h: 'x' }, timestamp: 1000 + i })
  const built = builder.build({ baseOffset: 100 })
  const damaged = damage(built)
  const bytes = Buffer.isBuffer(damaged) ? damaged : built
  if (repairCrc && bytes.length >= HeaderField.records) {
    bytes.writeUInt32BE(crc32c(bytes.subarray(HeaderField.attributes)), HeaderField.crc)
  }
  return bytes
}

/** Makes a batch of raw record bytes. */
function batchOf(records: number[], recordCount: number, lastOffsetDelta = recordCount - 1): Buffer {
  const header = batchWith(() => {}).subarray(0, HeaderField.records)
  const bytes = Buffer.concat([header, Buffer.from(records)])
  bytes.writeInt32BE(bytes.length - 12, HeaderField.length)
  bytes.writeInt32BE(recordCount, HeaderField.recordCount)
  bytes.writeInt32BE(lastOffsetDelta, HeaderField.lastOffsetDelta)
  bytes.writeUInt32BE(crc32c(bytes.subarray(HeaderField.attributes)), HeaderField.crc)
  return bytes
}

function readAll(bytes: Uint8Array): LogRecord[] {
  const records: LogRecord[] = []
  for (const batch of readBatches(bytes)) records.push(...batch)
  return records
}

function corrupt(bytes: Uint8Array, reason: RegExp): VarveError {
  let caught: unknown
  try {
    readAll(bytes)
  } catch (error) {
    caught = error
  }
  assert.ok(caught instanceof VarveError, `read without an error, wanted ${String(reason)}`)
  assert.equal(caught.code, 'VARVE_CORRUPT')
  assert.match(caught.message, reason)
  return caught
}

describe('reading batches', () => {
  it('several back to back, each with its place', () => {
    const one = batchWith(() => {})
    const batches = [...readBatches(Buffer.concat([one, one]))]
    assert.equal(batches.length, 2)
    for (const batch of batches) {
      assert.equal(batch.baseOffset, 100)
      assert.equal(batch.lastOffset, 102)
      assert.equal(batch.nextOffset, 103)
      assert.equal(batch.length, 3)
      assert.equal(batch.byteLength, one.length)
      assert.deepEqual(batch.bytes, one)
    }
  })

  it('nothing of no bytes', () => assert.deepEqual([...readBatches(new Uint8Array(0))], []))

  it('up to a zero length, where a preallocated file has no data yet', () => {
    assert.equal([...readBatches(Buffer.concat([batchWith(() => {}), Buffer.alloc(500)]))].length, 1)
  })

  it('a batch twice, and two walks of one batch at once', () => {
    const [batch] = readBatches(batchWith(() => {}))
    const [first, second] = [batch![Symbol.iterator](), batch![Symbol.iterator]()]
    assert.equal(first.next().value!.offset, 100)
    assert.equal(first.next().value!.offset, 101)
    assert.equal(second.next().value!.offset, 100)
    assert.deepEqual(
      [...batch!].map((record) => record.offset),
      [100, 101, 102],
    )
  })

  it('a cursor tells ranges, with -1 for null', () => {
    const builder = new BatchBuilder()
    builder.add({ key: null, value: 'abc', timestamp: 5 })
    builder.add({ key: 'k', value: null, timestamp: 4 })
    const bytes = builder.build()
    const [batch] = readBatches(bytes)
    const cursor = batch!.walk(new RecordCursor())
    assert.ok(cursor.next())
    assert.deepEqual([cursor.offset, cursor.timestamp, cursor.keyStart, cursor.keyEnd], [0, 5, -1, -1])
    assert.equal(bytes.toString('utf8', cursor.valueStart, cursor.valueEnd), 'abc')
    assert.ok(cursor.next())
    assert.deepEqual([cursor.offset, cursor.timestamp, cursor.valueStart, cursor.valueEnd], [1, 4, -1, -1])
    assert.ok(!cursor.next())
    assert.ok(!cursor.next())
  })

  it('append time: one timestamp for all, whatever the producer sent', () => {
    const bytes = batchWith((batch) => {
      batch.writeInt16BE(0x08, HeaderField.attributes)
      batch.writeBigInt64BE(7777n, HeaderField.maxTimestamp)
    })
    const [batch] = readBatches(bytes)
    assert.equal(batch!.timestampType, 'LogAppendTime')
    assert.deepEqual(
      [...batch!].map((record) => [record.timestamp, record.timestampType]),
      new Array(3).fill([7777, 'LogAppendTime']),
    )
  })

  it('a batch that compaction emptied, and one with gaps', () => {
    assert.deepEqual(readAll(batchOf([], 0, 5)), [])
    const records = readAll(batchOf([0x0c, 0, 0, 0x02, 0x01, 0x01, 0, 0x0c, 0, 0, 0x08, 0x01, 0x01, 0], 2, 7))
    assert.deepEqual(
      records.map((record) => record.offset),
      [101, 104],
    )
  })

  it('a delete horizon, which compaction leaves in the base timestamp', () => {
    const [batch] = readBatches(batchWith((bytes) => bytes.writeInt16BE(0x40, HeaderField.attributes)))
    assert.equal(batch!.deleteHorizonMs, 1000)
    const [plain] = readBatches(batchWith(() => {}))
    assert.equal(plain!.deleteHorizonMs, undefined)
  })

  it('refuses what is not bytes', () => {
    assert.throws(
      () => [...readBatches('text' as never)],
      (error) => error instanceof VarveError && error.code === 'VARVE_INVALID_ARGUMENT',
    )
  })

  it('refuses memory that was transferred', () => {
    const bytes = new Uint8Array(100)
    structuredClone(bytes, { transfer: [bytes.buffer] })
    assert.throws(
      () => [...readBatches(bytes)],
      (error) =>
        error instanceof VarveError && error.code === 'VARVE_INVALID_ARGUMENT' && /transferred/.test(error.message),
    )
  })

  it('shared memory', () => {
    const bytes = batchWith(() => {})
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
    shared.set(bytes)
    assert.deepEqual(
      readAll(shared).map((record) => record.text()),
      ['value-0', 'value-1', 'value-2'],
    )
  })

  it('says which codec is missing', () => {
    const builder = new BatchBuilder({ compression: 'lz4' })
    builder.add({ value: 'v', timestamp: 0 })
    const [batch] = readBatchesWith(builder.build({ baseOffset: 4 }))
    assert.throws(
      () => [...batch!],
      (error) =>
        error instanceof VarveError && error.code === 'VARVE_UNSUPPORTED' && /offset 4 .* lz4/.test(error.message),
    )
  })

  it('a compressed batch that expands beyond the limit is refused, with its place', () => {
    const builder = new BatchBuilder({ compression: 'gzip' })
    builder.add({ value: 'v'.repeat(10_000), timestamp: 0 })
    const [batch] = readBatches(builder.build({ baseOffset: 4 }), { maxDecompressedBytes: 10_000 })
    assert.throws(
      () => [...batch!],
      (error) =>
        error instanceof VarveError &&
        error.code === 'VARVE_DECOMPRESSION_LIMIT' &&
        error.details.offset === 4 &&
        error.details.position === 0,
    )
    const [allowed] = readBatches(builder.build(), { maxDecompressedBytes: 10_100 })
    assert.equal([...allowed!].length, 1)
  })
})

describe('records as read', () => {
  const [record] = readAll(batchWith(() => {}))

  it('key, value and headers are made once', () => {
    assert.equal(record!.key, record!.key)
    assert.equal(record!.value, record!.value)
    assert.equal(record!.headers, record!.headers)
    assert.ok(Buffer.isBuffer(record!.value))
    assert.deepEqual(record!.value, Buffer.from('value-0'))
  })

  it('a copy holds the same and nothing more', () => {
    for (const original of readAll(
      (() => {
        const builder = new BatchBuilder()
        for (const key of [null, '', 'key']) {
          for (const value of [null, '', 'value']) {
            builder.add({ key, value, timestamp: 1 })
            builder.add({ key, value, timestamp: 1, headers: { name: 'x', none: null } })
          }
        }
        return builder.build({ baseOffset: 9, leaderEpoch: 3 })
      })(),
    )) {
      const copy = original.copy()
      assert.deepEqual(
        [copy.offset, copy.timestamp, copy.key, copy.value, copy.headers, copy.leaderEpoch, copy.timestampType],
        [original.offset, 1, original.key, original.value, original.headers, 3, 'CreateTime'],
      )
      assert.equal(copy.text(), original.text())
    }
  })

  it('a copy does not change with the memory it came from', () => {
    const bytes = batchWith(() => {})
    const [first] = readAll(bytes)
    const copy = first!.copy()
    bytes.fill(0)
    assert.equal(copy.text(), 'value-0')
    assert.equal(copy.key?.toString(), 'k0')
    assert.deepEqual(copy.headers, [['h', Buffer.from('x')]])
  })

  it('text and JSON of a value', () => {
    const builder = new BatchBuilder({ now: () => 0 })
    for (const value of ['{"a":[1]}', 'no json', null]) builder.add({ value })
    const [json, text, nothing] = readAll(builder.build())
    assert.deepEqual(json!.json(), { a: [1] })
    assert.equal(text!.text(), 'no json')
    assert.throws(
      () => text!.json(),
      (error) => error instanceof VarveError && error.code === 'VARVE_INVALID_RECORD' && error.details.offset === 1,
    )
    assert.equal(nothing!.text(), null)
    assert.equal(nothing!.json(), null)
  })
})

describe('damage is told, with its position', () => {
  const set = (field: keyof typeof HeaderField, write: (bytes: Buffer, at: number) => void) => (bytes: Buffer) =>
    write(bytes, HeaderField[field])
  const headerCases: [name: string, damage: (bytes: Buffer) => unknown, reason: RegExp][] = [
    ['eleven bytes', (b) => b.subarray(0, 11), /truncated: 11 bytes left/],
    ['sixty bytes', (b) => b.subarray(0, 60), /truncated: 60 bytes left/],
    ['one byte short', (b) => b.subarray(0, -1), /truncated: the batch takes/],
    ['length -1', set('length', (b, at) => b.writeInt32BE(-1, at)), /length -1 is below/],
    ['length 13', set('length', (b, at) => b.writeInt32BE(13, at)), /length 13 is below/],
    ['length 48', set('length', (b, at) => b.writeInt32BE(48, at)), /length 48 is below/],
    ['length 100 MiB + 1', set('length', (b, at) => b.writeInt32BE(104_857_601, at)), /truncated: the batch takes/],
    ['length 2^31 - 1', set('length', (b, at) => b.writeInt32BE(0x7fff_ffff, at)), /truncated: the batch takes/],
    ['magic 1', set('magic', (b, at) => b.writeInt8(1, at)), /magic is 1, not 2/],
    ['magic 3', set('magic', (b, at) => b.writeInt8(3, at)), /magic is 3, not 2/],
    ['base offset -1', set('baseOffset', (b, at) => b.writeBigInt64BE(-1n, at)), /base offset/],
    ['base offset 2^53', set('baseOffset', (b, at) => b.writeBigInt64BE(2n ** 53n, at)), /base offset/],
    ['last offset past 2^53', set('baseOffset', (b, at) => b.writeBigInt64BE(2n ** 53n - 3n, at)), /last offset/],
    ['last offset delta -1', set('lastOffsetDelta', (b, at) => b.writeInt32BE(-1, at)), /last offset delta -1/],
    ['record count -1', set('recordCount', (b, at) => b.writeInt32BE(-1, at)), /record count -1/],
    [
      'more records than offsets',
      set('recordCount', (b, at) => b.writeInt32BE(4, at)),
      /4 records do not fit 3 offsets/,
    ],
    [
      'more records than bytes',
      (b) => {
        b.writeInt32BE(0x7fff_ffff, HeaderField.recordCount)
        b.writeInt32BE(0x7fff_fffe, HeaderField.lastOffsetDelta)
      },
      /2147483647 records do not fit \d+ bytes/,
    ],
    ['codec 5', set('attributes', (b, at) => b.writeInt16BE(5, at)), /compression 5 is not known/],
    ['base timestamp 2^53', set('baseTimestamp', (b, at) => b.writeBigInt64BE(2n ** 53n, at)), /base timestamp/],
    ['max timestamp -2^63', set('maxTimestamp', (b, at) => b.writeBigInt64BE(-(2n ** 63n), at)), /max timestamp/],
    ['one record too few', set('recordCount', (b, at) => b.writeInt32BE(2, at)), /bytes follow the last record/],
  ]
  for (const [name, damage, reason] of headerCases) {
    it(`header: ${name}`, () => {
      corrupt(batchWith(damage), reason)
    })
  }

  it('a last offset delta above the last record is what compaction leaves, not damage', () => {
    assert.equal(readAll(batchWith((b) => b.writeInt32BE(5, HeaderField.lastOffsetDelta))).length, 3)
  })

  it('the position is where the bad batch starts, and the batches before it were yielded', () => {
    const good = batchWith(() => {})
    const bytes = Buffer.concat([good, good, batchWith((b) => b.writeInt8(9, HeaderField.magic))])
    let batches = 0
    assert.throws(
      () => {
        for (const _ of readBatches(bytes)) batches++
      },
      (error) => error instanceof VarveError && error.details.position === 2 * good.length,
    )
    assert.equal(batches, 2)
  })

  it('every bit that the CRC covers, and the CRC itself', () => {
    const good = batchWith(() => {})
    for (let bit = HeaderField.crc * 8; bit < good.length * 8; bit++) {
      const bytes = Buffer.from(good)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      // Header fields may be found out before the CRC is looked at.
      corrupt(bytes, /damaged/)
    }
  })

  it('a wrong CRC names both numbers', () => {
    corrupt(
      batchWith((b) => b.writeUInt32BE(0xdeadbeef, HeaderField.crc), false),
      /its CRC is deadbeef, its bytes say [0-9a-f]{8}/,
    )
  })

  // A good record is 0c 00 00 00 01 01 00: length 6, attributes, deltas, null key, null value, no headers.
  const recordCases: [name: string, records: number[], count: number, reason: RegExp][] = [
    ['length -1', [0x01, 0, 0, 0, 1, 1, 0], 1, /record length -1/],
    ['length past the batch', [0x0e, 0, 0, 0, 1, 1, 0], 1, /record length 7 does not fit/],
    ['length one short', [0x0a, 0, 0, 0, 1, 1, 0], 1, /fields end at/],
    ['length one long', [0x0e, 0, 0, 0, 1, 1, 0, 0], 1, /fields end at/],
    ['length cut off', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80], 1, /cut off or longer/],
    ['length of six bytes', [0x8c, 0x80, 0x80, 0x80, 0x80, 0, 0, 0, 0, 1, 1, 0], 1, /cut off or longer/],
    [
      'timestamp delta of eleven bytes',
      [0x20, 0, ...new Array<number>(10).fill(0x80), 0, 0, 1, 1, 0],
      1,
      /no safe integer/,
    ],
    [
      'timestamp past the safe integers',
      [0x1a, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0, 1, 1, 0],
      1,
      /timestamp is not a safe integer/,
    ],
    ['offset delta -1', [0x0c, 0, 0, 1, 1, 1, 0], 1, /offset delta -1 is not between 0 and 0/],
    ['offset delta past the last', [0x0c, 0, 0, 2, 1, 1, 0], 1, /offset delta 1 is not between 0 and 0/],
    [
      'offset deltas that repeat',
      [0x0c, 0, 0, 0, 1, 1, 0, 0x0c, 0, 0, 0, 1, 1, 0],
      2,
      /offset delta 0 is not between 1/,
    ],
    ['key length -2', [0x0c, 0, 0, 0, 3, 1, 0], 1, /key length -2/],
    ['key past the record', [0x0c, 0, 0, 0, 0x7e, 1, 0], 1, /cut off|fields end|longer/],
    ['key of 2^31 - 1 bytes', [0x14, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f, 1, 0], 1, /cut off|fields end/],
    ['value length -2', [0x0c, 0, 0, 0, 1, 3, 0], 1, /value length -2/],
    ['value past the record', [0x0c, 0, 0, 0, 1, 0x7e, 0], 1, /cut off|fields end|header/],
    ['header count -1', [0x0c, 0, 0, 0, 1, 1, 1], 1, /-1 headers/],
    ['header count past the record', [0x0c, 0, 0, 0, 1, 1, 2], 1, /1 headers do not fit/],
    ['header count of 2^31 - 1', [0x14, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f], 1, /2147483647 headers/],
    ['header name length -1', [0x10, 0, 0, 0, 1, 1, 2, 1, 1], 1, /header name length -1/],
    ['header value length -2', [0x10, 0, 0, 0, 1, 1, 2, 0, 3], 1, /header value length -2/],
    ['header name past the record', [0x10, 0, 0, 0, 1, 1, 2, 0x7e, 1], 1, /cut off|header passes/],
    ['header value past the record', [0x10, 0, 0, 0, 1, 1, 2, 0, 0x7e], 1, /header passes/],
    ['bytes behind the last record', [0x0c, 0, 0, 0, 1, 1, 0, 0], 1, /1 bytes follow/],
  ]
  it('record: the good one that the cases below are made of', () => {
    assert.equal(readAll(batchOf([0x0c, 0, 0, 0, 1, 1, 0], 1)).length, 1)
  })
  for (const [name, records, count, reason] of recordCases) {
    it(`record: ${name}`, () => {
      const bytes = batchOf(records, count)
      corrupt(bytes, reason)
      // What follows the batch must not be taken for a part of it.
      corrupt(Buffer.concat([bytes, Buffer.alloc(64, 0x0c)]), reason)
    })
  }

  it('whatever is changed: records or a coded error, in every codec, with and without a right CRC', () => {
    const originals = compressionCodecs
      .filter((codec) => codec.canCompress)
      .map(({ name }) => {
        const builder = new BatchBuilder({ compression: name })
        for (let i = 0; i < 20; i++) {
          builder.add({
            key: `key-${i % 3}`,
            value: `value ${i}`.repeat(i),
            headers: { h: `${i}` },
            timestamp: i * 1000,
          })
        }
        return builder.build({ baseOffset: 10 })
      })
    const mutation = fc.record({ at: fc.nat(), byte: fc.nat({ max: 255 }), cut: fc.boolean() })
    fc.assert(
      fc.property(
        fc.constantFrom(...originals),
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        (original, mutations, repair) => {
          let bytes = Buffer.from(original)
          for (const { at, byte, cut } of mutations) {
            bytes[at % bytes.length] = byte
            if (cut && mutations.length === 4) bytes = bytes.subarray(0, at % bytes.length)
            if (bytes.length === 0) return
          }
          if (repair && bytes.length > HeaderField.attributes) {
            bytes.writeUInt32BE(crc32c(bytes.subarray(HeaderField.attributes)), HeaderField.crc)
          }
          try {
            for (const batch of readBatches(bytes, { checkCrc: !repair, maxDecompressedBytes: 1_000_000 })) {
              for (const record of batch) {
                assert.ok(Number.isSafeInteger(record.offset) && Number.isSafeInteger(record.timestamp))
                void record.key
                void record.value
                void record.headers
                record.copy()
              }
            }
          } catch (error) {
            assert.ok(error instanceof VarveError, String((error as Error).stack))
            assert.ok(['VARVE_CORRUPT', 'VARVE_DECOMPRESSION_LIMIT', 'VARVE_UNSUPPORTED'].includes(error.code))
          }
        },
      ),
      { numRuns: 5000 },
    )
  })
})
