/** Varints and checksums: what the records above are made of. */
import { crc32c } from '../../src/base/crc32c.ts'
import {
  readInt32Varint,
  readInt64Varint,
  varintEnd,
  writeInt32Varint,
  writeInt64Varint,
} from '../../src/base/varint.ts'
import type { MicroCase } from './micro-case.ts'

const count = 1000
/** One, two and three bytes in the mix of a batch of 100-byte records. */
const small = Array.from({ length: count }, (_, i) => [6, 100, 113, 0, i][i % 5]!)
const large = Array.from({ length: count }, (_, i) => 1_700_000_000_000 + i * 977)
const target = Buffer.alloc(count * 10)

function write(numbers: readonly number[], one: typeof writeInt32Varint): () => number {
  return () => {
    let at = 0
    for (const number of numbers) at = one(target, at, number)
    return at
  }
}

function read(numbers: readonly number[], make: typeof writeInt32Varint, one: typeof readInt32Varint): () => number {
  const bytes = Buffer.alloc(count * 10)
  let end = 0
  for (const number of numbers) end = make(bytes, end, number)
  return () => {
    let sum = 0
    for (let at = 0; at < end; at = varintEnd) sum += one(bytes, at, end)
    return sum
  }
}

function checksum(bytes: number): MicroCase {
  const input = Buffer.alloc(bytes, 'crc')
  return { name: `crc32c in JavaScript: ${bytes} bytes`, count: bytes, unit: 'byte', run: () => crc32c(input) }
}

const calls = { count, unit: 'call' } as const

export const numberCases: readonly MicroCase[] = [
  { name: 'varint: write lengths and deltas', ...calls, run: write(small, writeInt32Varint) },
  { name: 'varint: write timestamps', ...calls, run: write(large, writeInt64Varint) },
  { name: 'varint: read lengths and deltas', ...calls, run: read(small, writeInt32Varint, readInt32Varint) },
  { name: 'varint: read timestamps', ...calls, run: read(large, writeInt64Varint, readInt64Varint) },
  ...[16, 100, 16 * 1024].map(checksum),
]
