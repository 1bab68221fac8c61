/** Encoding and reading batches of 100-byte values: the JavaScript part of appends (T1, T3) and reads (T2). */
import { BatchBuilder, RecordCursor, readBatches } from '../../src/doors/record.ts'
import type { MicroCase } from './micro-case.ts'

const batchRecords = 1000
const timestamp = 1_700_000_000_000
const value = Buffer.alloc(100, 'v')
const text = 'v'.repeat(100)
const keys = Array.from({ length: batchRecords }, (_, i) => `user-${i}`)

const builder = new BatchBuilder()

function encode(add: (i: number) => void): () => number {
  return () => {
    builder.reset()
    for (let i = 0; i < batchRecords; i++) add(i)
    return builder.finish()
  }
}

function encodeOne(add: () => void): () => number {
  return () => {
    builder.reset()
    add()
    return builder.finish()
  }
}

const stored = (() => {
  const made = new BatchBuilder()
  for (let i = 0; i < batchRecords; i++) made.add({ key: keys[i]!, value, timestamp: timestamp + i })
  return made.build()
})()
const cursor = new RecordCursor()

function walk(): number {
  let sum = 0
  for (const batch of readBatches(stored, { checkCrc: false })) {
    batch.walk(cursor)
    while (cursor.next()) sum += cursor.valueEnd
  }
  return sum
}

function iterate(
  look: (record: { offset: number; key: Buffer | null; value: Buffer | null; text(): string | null }) => number,
) {
  return (): number => {
    let sum = 0
    for (const batch of readBatches(stored, { checkCrc: false })) {
      for (const record of batch) sum += look(record)
    }
    return sum
  }
}

const many = { count: batchRecords, unit: 'record' } as const
const one = { count: 1, unit: 'record' } as const

export const recordCases: readonly MicroCase[] = [
  { name: 'encode: add({ value })', ...many, run: encode(() => builder.add({ value, timestamp })) },
  { name: 'encode: addKeyValue(null, value)', ...many, run: encode(() => builder.addKeyValue(null, value, timestamp)) },
  { name: 'encode: text key', ...many, run: encode((i) => builder.add({ key: keys[i]!, value, timestamp })) },
  { name: 'encode: text value', ...many, run: encode(() => builder.add({ value: text, timestamp })) },
  { name: 'encode: one header', ...many, run: encode(() => builder.add({ value, timestamp, headers: { h: 'x' } })) },
  { name: 'encode: a batch of one', ...one, run: encodeOne(() => builder.add({ value, timestamp })) },
  {
    name: 'encode: a batch of one, addKeyValue',
    ...one,
    run: encodeOne(() => builder.addKeyValue(null, value, timestamp)),
  },
  { name: 'read: walk', ...many, run: walk },
  { name: 'read: iterate, offset only', ...many, run: iterate((record) => record.offset) },
  { name: 'read: iterate, value', ...many, run: iterate((record) => record.value!.length) },
  {
    name: 'read: iterate, key and value',
    ...many,
    run: iterate((record) => record.key!.length + record.value!.length),
  },
  { name: 'read: iterate, text()', ...many, run: iterate((record) => record.text()!.length) },
]
