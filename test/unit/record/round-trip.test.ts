import assert from 'node:assert/strict'
import fc from 'fast-check'
import { BatchBuilder, compressionCodecs, readBatches } from '../../../src/doors/record.ts'

const data = fc.oneof(
  fc.constant(null),
  fc.uint8Array({ maxLength: 300 }),
  fc.string({ maxLength: 100, unit: 'grapheme' }),
)
const input = fc.record({
  key: data,
  value: data,
  timestamp: fc.oneof(
    fc.integer({ min: -1, max: 2_000_000_000 }),
    // Two of one batch may be 2^53 - 1 ms apart at most, -1 included: see the case of its own below.
    fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER - 1 }),
  ),
  headers: fc.array(fc.tuple(fc.string({ maxLength: 40 }), data), { maxLength: 5 }),
})

function asBuffer(value: string | Uint8Array | null): Buffer | null {
  return value === null ? null : Buffer.from(value as Uint8Array)
}

describe('what is built reads back', () => {
  for (const { name } of compressionCodecs.filter((codec) => codec.canCompress)) {
    it(`${name}: records equal what was added`, () => {
      const builder = new BatchBuilder({ compression: name })
      fc.assert(
        fc.property(fc.array(input, { minLength: 1, maxLength: 20 }), fc.nat(), (inputs, baseOffset) => {
          builder.reset()
          for (const record of inputs) {
            const size = builder.sizeOf(record)
            const before = builder.byteLength
            builder.add(record)
            assert.equal(builder.byteLength, before + size)
          }
          const [batch, ...more] = readBatches(builder.build({ baseOffset, leaderEpoch: 7 }))
          assert.equal(more.length, 0)
          assert.equal(batch!.compression, name)
          assert.equal(batch!.leaderEpoch, 7)
          assert.equal(batch!.maxTimestamp, Math.max(...inputs.map((record) => record.timestamp)))
          assert.deepEqual(
            [...batch!].map(({ offset, timestamp, key, value, headers }) => ({
              offset,
              timestamp,
              key,
              value,
              headers,
            })),
            inputs.map(({ timestamp, key, value, headers }, i) => ({
              offset: baseOffset + i,
              timestamp,
              key: asBuffer(key),
              value: asBuffer(value),
              headers: headers.map(([header, content]) => [header, asBuffer(content)]),
            })),
          )
        }),
        { numRuns: 200 },
      )
    })
  }

  it('a timestamp too far from the first to be stored as a distance is refused, and the batch is as before', () => {
    const builder = new BatchBuilder()
    builder.add({ value: 'a', timestamp: -1 })
    assert.throws(() => builder.add({ value: 'b', timestamp: Number.MAX_SAFE_INTEGER }), {
      code: 'VARVE_INVALID_ARGUMENT',
    })
    builder.add({ value: 'c', timestamp: 5 })
    const [batch] = readBatches(builder.build())
    assert.deepEqual(
      [...batch!].map((record) => record.text()),
      ['a', 'c'],
    )
  })
})
