import assert from 'node:assert/strict'
import fc from 'fast-check'
import { readInt64, writeInt64 } from '../../../src/base/int64.ts'
import {
  int32VarintSize,
  int64VarintBytesMax,
  int64VarintSize,
  readInt32Varint,
  readInt64Varint,
  varintEnd,
  writeInt32Varint,
  writeInt64Varint,
} from '../../../src/base/varint.ts'

/** The definition, in integers of any size: zigzag, then seven bits a byte. */
function reference(value: number): number[] {
  const n = BigInt(value)
  let rest = n < 0n ? -2n * n - 1n : 2n * n
  const bytes: number[] = []
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  return [...bytes, Number(rest)]
}

function encoded(write: typeof writeInt32Varint, value: number): number[] {
  const bytes = new Uint8Array(16)
  return [...bytes.subarray(0, write(bytes, 0, value))]
}

const int32Edges = [
  0,
  -1,
  1,
  63,
  -64,
  64,
  -65,
  8191,
  -8192,
  8192,
  2 ** 20 - 1,
  2 ** 20,
  2 ** 27,
  2 ** 31 - 1,
  -(2 ** 31),
]
const int64Edges = [
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 34,
  2 ** 41,
  2 ** 48,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
]

describe('varints', () => {
  for (const value of int32Edges) {
    it(`${value} is written by its definition, as 32 and as 64 bits`, () => {
      assert.deepEqual(encoded(writeInt32Varint, value), reference(value))
      assert.deepEqual(encoded(writeInt64Varint, value), reference(value))
    })
  }

  for (const value of int64Edges) {
    it(`${value} is written by its definition`, () => {
      assert.deepEqual(encoded(writeInt64Varint, value), reference(value))
      assert.ok(reference(value).length <= int64VarintBytesMax)
    })
  }

  it('sizes are what gets written', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.integer(), (long, int) => {
        assert.equal(int64VarintSize(long), reference(long).length)
        assert.equal(int32VarintSize(int), reference(int).length)
      }),
    )
  })

  it('every safe integer reads back, and its end is known', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.integer(), (long, int) => {
        const bytes = new Uint8Array(32)
        const longEnd = writeInt64Varint(bytes, 3, long)
        assert.equal(readInt64Varint(bytes, 3, longEnd), long)
        assert.equal(varintEnd, longEnd)
        const intEnd = writeInt32Varint(bytes, longEnd, int)
        assert.equal(readInt32Varint(bytes, longEnd, intEnd), int)
        assert.equal(varintEnd, intEnd)
      }),
    )
  })

  const bad: [name: string, bytes: number[]][] = [
    ['empty', []],
    ['cut off', [0x80]],
    ['cut off after four bytes', [0x80, 0x80, 0x80, 0x80]],
    ['bits beyond the 32nd', [0xff, 0xff, 0xff, 0xff, 0x10]],
    ['six bytes', [0x80, 0x80, 0x80, 0x80, 0x80, 0x00]],
  ]
  for (const [name, bytes] of bad) {
    it(`32 bits, ${name}: refused`, () => {
      assert.equal(readInt32Varint(Uint8Array.from(bytes), 0, bytes.length), Number.NaN)
    })
  }

  const badLong: [name: string, bytes: number[]][] = [
    ['empty', []],
    ['cut off', [0x80, 0x80]],
    ['past the safe integers', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20]],
    ['2^63 - 1', [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['eleven bytes', [...new Array<number>(10).fill(0x80), 0x00]],
  ]
  for (const [name, bytes] of badLong) {
    it(`64 bits, ${name}: refused`, () => {
      assert.equal(readInt64Varint(Uint8Array.from(bytes), 0, bytes.length), Number.NaN)
    })
  }

  it('an encoding longer than needed is taken, as Kafka takes it', () => {
    assert.equal(readInt32Varint(Uint8Array.of(0x82, 0x80, 0x00), 0, 3), 1)
    assert.equal(readInt64Varint(Uint8Array.of(0x82, 0x80, 0x00), 0, 3), 1)
  })
})

describe('64-bit integers', () => {
  it('safe integers are written and read as two halves', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        const view = new DataView(new ArrayBuffer(12))
        writeInt64(view, 2, value)
        assert.equal(view.getBigInt64(2), BigInt(value))
        assert.equal(readInt64(view, 2), value)
      }),
    )
  })

  for (const value of [2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)]) {
    it(`${value} reads as NaN`, () => {
      const view = new DataView(new ArrayBuffer(8))
      view.setBigInt64(0, value)
      assert.equal(readInt64(view, 0), Number.NaN)
    })
  }
})
