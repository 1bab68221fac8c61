import assert from 'node:assert/strict'
import vm from 'node:vm'
import { crc32c } from '../../../src/base/crc32c.ts'
import { BatchBuilder, compressionCodecs, type ErrorCode, readBatches, VarveError } from '../../../src/doors/record.ts'
import { BatchBuilder as PureBatchBuilder, recordBytesMax } from '../../../src/record/batch-builder.ts'

const coded =
  (code: ErrorCode, message?: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof VarveError, String(error))
    assert.equal(error.code, code)
    if (message !== undefined) assert.match(error.message, message)
    return true
  }

/** The batch that is worked through byte by byte in src/record/README.md. */
const workedExample =
  '0000000000000005' + // base offset 5
  '00000041' + // length 65: a batch of 77 bytes
  '00000002' + // leader epoch 2
  '02' + // magic
  '7dd76efc' + // CRC
  '0000' + // attributes: no compression, create time
  '00000000' + // last offset delta 0
  '0000018bcfe56800' + // base timestamp 1700000000000
  '0000018bcfe56800' + // max timestamp
  'ffffffffffffffff' + // no producer id
  'ffff' + // no producer epoch
  'ffffffff' + // no sequence
  '00000001' + // one record
  '1e' + // record length 15
  '00' + // record attributes
  '00' + // timestamp delta 0
  '00' + // offset delta 0
  '026b' + // key of 1 byte: k
  '06796573' + // value of 3 bytes: yes
  '02' + // one header
  '0268' + // name of 1 byte: h
  '0431' +
  '32' // value of 2 bytes: 12

function built(records: Parameters<BatchBuilder['add']>[0][], builder = new BatchBuilder({ now: () => 5 })) {
  for (const record of records) builder.add(record)
  const [batch] = readBatches(builder.build())
  return [...batch!]
}

describe('batch builder', () => {
  it('writes the worked example of the format note byte for byte', () => {
    const builder = new BatchBuilder()
    builder.add({ key: 'k', value: 'yes', headers: { h: '12' }, timestamp: 1_700_000_000_000 })
    const bytes = builder.build({ baseOffset: 5, leaderEpoch: 2 })
    assert.equal(bytes.toString('hex'), workedExample)
    assert.equal(bytes.readUInt32BE(17), crc32c(bytes.subarray(21)))
  })

  it('leaves the CRC zero and the length set for the log that appends it', () => {
    const builder = new BatchBuilder()
    builder.add({ value: 'v', timestamp: 0 })
    builder.build()
    const size = builder.finish()
    assert.equal(size, builder.byteLength)
    assert.equal(builder.bytes.readInt32BE(8), size - 12)
    assert.equal(builder.bytes.readUInt32BE(17), 0)
  })

  it('keeps one buffer until it grows', () => {
    const builder = new BatchBuilder()
    const first = builder.bytes
    for (let i = 0; i < 3; i++) {
      builder.reset()
      builder.add({ value: 'v', timestamp: i })
      builder.finish()
      assert.equal(builder.bytes, first)
    }
    builder.reset()
    builder.add({ value: new Uint8Array(100_000), timestamp: 0 })
    assert.notEqual(builder.bytes, first)
    const grown = builder.bytes
    builder.reset()
    builder.add({ value: 'v', timestamp: 0 })
    assert.equal(builder.bytes, grown)
  })

  it('a reset batch is as a new one, apart from producer fields', () => {
    const used = new BatchBuilder({ now: () => 9 })
    used.add({ key: 'a', value: 'b', timestamp: 50 })
    used.add({ value: 'c'.repeat(5000), timestamp: 70 })
    used.build()
    used.reset()
    used.add({ value: 'x' })
    const fresh = new BatchBuilder({ now: () => 9 })
    fresh.add({ value: 'x' })
    assert.deepEqual(used.build(), fresh.build())
  })

  it('counts records and keeps the largest timestamp', () => {
    const builder = new BatchBuilder()
    assert.equal(builder.recordCount, 0)
    assert.equal(builder.maxTimestamp, -1)
    assert.equal(builder.add({ value: 'a', timestamp: 5 }), 0)
    assert.equal(builder.add({ value: 'b', timestamp: 9 }), 1)
    assert.equal(builder.addKeyValue('k', 'c', 7), 2)
    assert.equal(builder.recordCount, 3)
    assert.equal(builder.maxTimestamp, 9)
  })

  it('asks for the time once per batch, and only when a record has none', () => {
    let asked = 0
    const builder = new BatchBuilder({ now: () => 1000 + asked++ })
    builder.add({ value: 'a', timestamp: 1 })
    assert.equal(asked, 0)
    builder.add({ value: 'b' })
    builder.add({ value: 'c' })
    assert.equal(asked, 1)
    const [batch] = readBatches(builder.build())
    assert.deepEqual(
      [...batch!].map((record) => record.timestamp),
      [1, 1000, 1000],
    )
    builder.reset()
    builder.add({ value: 'd' })
    assert.equal(builder.maxTimestamp, 1001)
  })

  it('without a clock, a record without a timestamp has none', () => {
    const builder = new PureBatchBuilder({ crc32c })
    builder.add({ value: 'a' })
    assert.equal(builder.maxTimestamp, -1)
  })

  it('carries producer fields from batch to batch until they are taken back', () => {
    const builder = new BatchBuilder()
    builder.setProducer({ producerId: 2n ** 62n, producerEpoch: 3, baseSequence: 2 ** 31 - 1, transactional: true })
    const seen = (): unknown[] => {
      builder.reset()
      builder.add({ value: 'a', timestamp: 0 })
      builder.add({ value: 'x'.repeat(9000), timestamp: 0 })
      const [batch] = readBatches(builder.build())
      const { producerId, producerEpoch, baseSequence, lastSequence, isTransactional } = batch!
      return [producerId, producerEpoch, baseSequence, lastSequence, isTransactional]
    }
    assert.deepEqual(seen(), [2n ** 62n, 3, 2 ** 31 - 1, 0, true])
    assert.deepEqual(seen(), [2n ** 62n, 3, 2 ** 31 - 1, 0, true])
    builder.reset()
    builder.setProducer(null)
    assert.deepEqual(seen(), [-1n, -1, -1, -1, false])
  })

  it('without what came after the mark is as if that had never come', () => {
    const builder = new BatchBuilder({ now: () => 5 })
    const other = new BatchBuilder({ now: () => 5 })
    builder.mark()
    builder.add({ value: 'gone', timestamp: 1 })
    builder.cutBack()
    for (const each of [builder, other]) each.add({ key: 'k', value: 'stays', timestamp: 7 })
    builder.mark()
    builder.add({ value: 'x'.repeat(5000), timestamp: 99 })
    assert.throws(() => builder.add({ value: 1 as never }))
    builder.cutBack()
    assert.deepEqual([builder.recordCount, builder.maxTimestamp], [1, 7])
    for (const each of [builder, other]) each.add({ value: 'too' })
    assert.deepEqual(builder.build(), other.build())
    assert.throws(() => builder.cutBack(), coded('VARVE_INVALID_ARGUMENT'))
  })

  it('takes records that were compressed elsewhere, also after its buffer was replaced', async () => {
    const codec = compressionCodecs[1]!
    for (const value of ['small', 'large '.repeat(5000)]) {
      const [builder, other] = [0, 1].map(() => new BatchBuilder({ compression: 'gzip', now: () => 5 }))
      for (const each of [builder!, other!]) each.add({ key: 'k', value })
      builder!.takeCompressed(await codec.compressAsync(builder!.encodedRecords))
      assert.throws(() => builder!.add({ value: 'late' }), coded('VARVE_INVALID_ARGUMENT'))
      assert.throws(() => builder!.cutBack(), coded('VARVE_INVALID_ARGUMENT'))
      for (const each of [builder!, other!]) {
        each.setProducer({ producerId: 7n, producerEpoch: 1, baseSequence: 3 })
      }
      assert.deepEqual(builder!.build(), other!.build())
      builder!.reset()
      other!.reset()
      for (const each of [builder!, other!]) each.add({ value: 'next' })
      assert.deepEqual(builder!.build(), other!.build())
    }
  })

  it('never needs more for a record than was measured for it, and little less', () => {
    const records: Parameters<BatchBuilder['add']>[0][] = [
      { value: null },
      { value: '' },
      { key: '', value: 'grün' },
      { key: Buffer.alloc(300), value: 'x'.repeat(20_000), headers: { a: null, b: 'c' } },
      { value: 'v', headers: [['ö', Buffer.alloc(200)]], timestamp: Number.MAX_SAFE_INTEGER - 1 },
      { value: 'v', timestamp: -1 },
    ]
    const builder = new BatchBuilder({ now: () => 1_700_000_000_000 })
    builder.add({ value: '', timestamp: 0 })
    for (let round = 0; round < 40; round++) {
      for (const record of records) {
        const before = builder.byteLength
        builder.add(record)
        const [taken, measured] = [builder.byteLength - before, recordBytesMax(record)]
        assert.ok(taken <= measured && measured <= taken + 14, `${taken} of ${measured}`)
      }
    }
    assert.throws(() => recordBytesMax({ value: 7 as never }), coded('VARVE_INVALID_ARGUMENT'))
    assert.throws(() => recordBytesMax({ value: 'v', timestamp: 0.5 }), coded('VARVE_INVALID_ARGUMENT'))
    assert.throws(() => recordBytesMax(undefined as never), coded('VARVE_INVALID_ARGUMENT'))
  })

  describe('takes', () => {
    const cases: [name: string, value: string | Uint8Array | null, expected: Buffer | null][] = [
      ['null', null, null],
      ['an empty text', '', Buffer.alloc(0)],
      ['empty bytes', new Uint8Array(0), Buffer.alloc(0)],
      ['text beyond ASCII', 'é☃😀', Buffer.from('é☃😀')],
      ['long text beyond ASCII', 'é☃😀'.repeat(50), Buffer.from('é☃😀'.repeat(50))],
      ['a lone surrogate, as U+FFFD', 'a\ud800b', Buffer.from('a\ufffdb')],
      ['a Buffer', Buffer.from('bytes'), Buffer.from('bytes')],
      ['part of a larger array', new Uint8Array(20).fill(7).subarray(5, 17), Buffer.alloc(12, 7)],
      ['bytes of another realm', vm.runInNewContext('Uint8Array.of(1, 2, 3)') as Uint8Array, Buffer.from([1, 2, 3])],
      ['shared memory, by copying it', new Uint8Array(new SharedArrayBuffer(30)).fill(4), Buffer.alloc(30, 4)],
    ]
    for (const [name, value, expected] of cases) {
      it(name, () => {
        const [record] = built([{ key: value, value, headers: [['h', value]] }])
        assert.deepEqual(record!.key, expected)
        assert.deepEqual(record!.value, expected)
        assert.deepEqual(record!.headers, [['h', expected]])
      })
    }

    it('a key that is left out as null', () => assert.equal(built([{ value: 'v' }])[0]!.key, null))

    it('headers with repeated and empty names, in order', () => {
      const [record] = built([
        {
          value: 'v',
          headers: [
            ['a', '1'],
            ['', null],
            ['a', '2'],
          ],
        },
      ])
      assert.deepEqual(
        record!.headers.map(([name, value]) => [name, value?.toString() ?? null]),
        [
          ['a', '1'],
          ['', null],
          ['a', '2'],
        ],
      )
    })

    it('what was read as what is written', () => {
      const records = built([{ key: 'k', value: 'v', headers: { h: '1' }, timestamp: 3 }])
      assert.deepEqual(built(records)[0]!.headers, records[0]!.headers)
    })
  })

  describe('refuses', () => {
    const transferred = new Uint8Array(8)
    structuredClone(transferred, { transfer: [transferred.buffer] })
    const cases: [name: string, record: unknown, message: RegExp][] = [
      ['no record', undefined, /record must be an object, not undefined/],
      ['text for a record', 'text', /record must be an object, not a string/],
      ['no value', { key: 'k' }, /value must be .* not undefined/],
      ['a number for a value', { value: 5 }, /value must be .* not a number/],
      ['an array for a value', { value: [1, 2] }, /not an Array/],
      ['a wider typed array', { value: new Uint16Array(2) }, /not a Uint16Array/],
      ['an ArrayBuffer', { value: new ArrayBuffer(2) }, /not an ArrayBuffer/],
      ['a number for a key', { key: 5, value: 'v' }, /key must be/],
      ['memory that was transferred', { value: transferred }, /value is a view of memory that was transferred/],
      ['a fraction for a timestamp', { value: 'v', timestamp: 1.5 }, /timestamp must be .* not 1.5/],
      ['a date for a timestamp', { value: 'v', timestamp: new Date(0) }, /timestamp must be .* not a Date/],
      ['a timestamp below -1', { value: 'v', timestamp: -2 }, /timestamp must be/],
      ['a timestamp past the safe integers', { value: 'v', timestamp: 2 ** 53 }, /timestamp must be/],
      ['text for headers', { value: 'v', headers: 'h' }, /headers must be/],
      ['bytes for headers', { value: 'v', headers: new Uint8Array(2) }, /headers must be/],
      ['a header that is no pair', { value: 'v', headers: [['a', 'b', 'c']] }, /pairs/],
      ['a header name that is no text', { value: 'v', headers: [[1, 'b']] }, /header name must be a string/],
      ['a header value that is no data', { value: 'v', headers: { h: 1 } }, /header "h" must be/],
    ]
    for (const [name, record, message] of cases) {
      it(`${name}, and leaves the batch as it was`, () => {
        const builder = new BatchBuilder({ now: () => 0 })
        builder.add({ value: 'before' })
        const before = Buffer.from(builder.build())
        builder.reset()
        builder.add({ value: 'before' })
        assert.throws(() => builder.add(record as never), coded('VARVE_INVALID_ARGUMENT', message))
        assert.throws(() => builder.sizeOf(record as never), coded('VARVE_INVALID_ARGUMENT', message))
        assert.deepEqual(builder.build(), before)
      })
    }

    it('a record past maxBytes; one that fits exactly is taken', () => {
      const builder = new BatchBuilder({ maxBytes: 200, now: () => 0 })
      const overhead = builder.sizeOf({ value: new Uint8Array(100) }) - 100
      const fit = 200 - 61 - overhead
      assert.throws(
        () => builder.add({ value: new Uint8Array(fit + 1) }),
        coded('VARVE_RECORD_TOO_LARGE', /201 bytes, at most 200/),
      )
      assert.equal(builder.recordCount, 0)
      builder.add({ value: new Uint8Array(fit) })
      assert.equal(builder.build().length, 200)
    })

    it('a batch without records', () => {
      assert.throws(() => new BatchBuilder().finish(), coded('VARVE_INVALID_RECORD', /no records/))
      assert.throws(() => new BatchBuilder().build(), coded('VARVE_INVALID_RECORD', /no records/))
    })

    it('a record after finish', () => {
      const builder = new BatchBuilder()
      builder.add({ value: 'v' })
      builder.finish()
      assert.throws(() => builder.add({ value: 'v' }), coded('VARVE_INVALID_ARGUMENT', /reset/))
    })

    it('a mistyped option, and says which was meant', () => {
      assert.throws(
        () => new BatchBuilder({ maxbytes: 5 } as never),
        coded('VARVE_INVALID_ARGUMENT', /did you mean "maxBytes"/),
      )
      assert.throws(
        () => readBatches(Buffer.alloc(0), { checkcrc: true } as never),
        coded('VARVE_INVALID_ARGUMENT', /checkCrc/),
      )
    })

    it('a clock that gives no timestamp', () => {
      const builder = new BatchBuilder({ now: () => 1.5 })
      assert.throws(() => builder.add({ value: 'v' }), coded('VARVE_INVALID_ARGUMENT', /result of now/))
    })

    it('a timestamp too far from the first', () => {
      const builder = new BatchBuilder()
      builder.add({ value: 'v', timestamp: -1 })
      assert.throws(
        () => builder.add({ value: 'v', timestamp: Number.MAX_SAFE_INTEGER }),
        coded('VARVE_INVALID_ARGUMENT', /timestamp/),
      )
    })

    it('a producer for a batch that is finished', () => {
      const builder = new BatchBuilder()
      builder.add({ value: 'v' })
      builder.finish()
      assert.throws(() => builder.setProducer(null), coded('VARVE_INVALID_ARGUMENT', /reset/))
      builder.reset()
      builder.setProducer(null)
    })

    it('more than maxBytes also after a compressed batch came out larger', () => {
      const noise = Buffer.from(
        Uint32Array.from({ length: 1000 }, (_, i) => Math.imul(i + 1, 2654435761) ^ (i << 9)).buffer,
      )
      const maxBytes = noise.length + 61 + 10
      const builder = new BatchBuilder({ compression: 'lz4', maxBytes, now: () => 0 })
      builder.add({ value: noise })
      assert.ok(builder.finish() > maxBytes)
      builder.reset()
      assert.throws(() => builder.add({ value: Buffer.alloc(noise.length + 4) }), coded('VARVE_RECORD_TOO_LARGE'))
    })

    for (const options of [
      { maxBytes: 10 },
      { maxBytes: 2 ** 31 },
      { maxBytes: 1.5 },
      { compression: 'brotli' },
      { now: 5 },
    ]) {
      it(`options ${JSON.stringify(options)}`, () => {
        assert.throws(() => new BatchBuilder(options as never), coded('VARVE_INVALID_ARGUMENT'))
      })
    }

    for (const producer of [
      { producerId: undefined, producerEpoch: 0, baseSequence: 0 },
      { producerId: 1, producerEpoch: 0, baseSequence: 0 },
      { producerId: -1n, producerEpoch: 0, baseSequence: 0 },
      { producerId: 2n ** 63n, producerEpoch: 0, baseSequence: 0 },
      { producerId: 1n, producerEpoch: 0x8000, baseSequence: 0 },
      { producerId: 1n, producerEpoch: 0, baseSequence: 2 ** 31 },
    ]) {
      it(`producer ${producer.producerId} ${producer.producerEpoch} ${producer.baseSequence}`, () => {
        assert.throws(() => new BatchBuilder().setProducer(producer as never), coded('VARVE_INVALID_ARGUMENT'))
      })
    }

    it('a place that is no offset', () => {
      const builder = new BatchBuilder()
      builder.add({ value: 'v' })
      assert.throws(() => builder.build({ baseOffset: -1 }), coded('VARVE_INVALID_ARGUMENT'))
      assert.throws(() => builder.build({ baseOffset: Number.MAX_SAFE_INTEGER }), coded('VARVE_INVALID_ARGUMENT'))
      assert.throws(() => builder.build({ leaderEpoch: 2 ** 31 }), coded('VARVE_INVALID_ARGUMENT'))
    })
  })
})
