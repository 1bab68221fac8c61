import assert from 'node:assert/strict'
import { VarveError } from '../../../src/errors.ts'
import { decodeProducerSnapshot, encodeProducerSnapshot } from '../../../src/log/producer-snapshot.ts'
import type { ProducerEntry } from '../../../src/log/producer-states.ts'
import {
  collectAborted,
  decodeTransactionIndex,
  encodeTransactionIndex,
  type TransactionIndexEntry,
} from '../../../src/log/transaction-index.ts'

const isCorrupt = (error: unknown) => error instanceof VarveError && error.code === 'VARVE_CORRUPT'

function entry(producerId: bigint): ProducerEntry {
  return {
    producerId,
    producerEpoch: 2,
    lastSequence: 0x7fff_ffff,
    lastOffset: Number.MAX_SAFE_INTEGER,
    offsetDelta: 3,
    timestamp: -1,
    coordinatorEpoch: -1,
    transactionFirstOffset: 17,
  }
}

describe('producer snapshots', () => {
  it('come back as they were written', () => {
    const entries = [entry(0n), entry(0x7fff_ffff_ffff_ffffn)]
    assert.deepEqual(decodeProducerSnapshot(encodeProducerSnapshot(entries)), entries)
    assert.equal(encodeProducerSnapshot([]).length, 10)
  })

  it('are refused when any bit differs or any byte is missing', () => {
    const whole = encodeProducerSnapshot([entry(1n), entry(2n)])
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const damaged = whole.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      assert.throws(() => decodeProducerSnapshot(damaged), isCorrupt, `bit ${bit}`)
    }
    for (let length = 0; length < whole.length; length += 1)
      assert.throws(() => decodeProducerSnapshot(whole.subarray(0, length)), isCorrupt, `${length} bytes`)
  })

  it('are refused when an entry cannot be, though the checksum is right', () => {
    const wrong: Partial<ProducerEntry>[] = [
      { producerId: -1n },
      { producerEpoch: -2 },
      { lastSequence: -2 },
      { lastOffset: -2 },
      { offsetDelta: -1 },
      { lastOffset: 5, offsetDelta: 6 },
      { coordinatorEpoch: -2 },
      { transactionFirstOffset: -2 },
      { timestamp: 2 ** 60 },
    ]
    for (const fields of wrong)
      assert.throws(() => decodeProducerSnapshot(encodeProducerSnapshot([{ ...entry(1n), ...fields }])), isCorrupt)
    assert.throws(() => decodeProducerSnapshot(encodeProducerSnapshot([entry(1n), entry(1n)])), isCorrupt)
  })
})

describe('transaction indexes', () => {
  const first = { producerId: 1n, firstOffset: 7, lastOffset: 26, lastStableOffset: 27 }
  const second = { producerId: 2n, firstOffset: 82, lastOffset: 107, lastStableOffset: 89 }
  const third = { producerId: 1n, firstOffset: 89, lastOffset: 108, lastStableOffset: 109 }
  const entries: TransactionIndexEntry[] = [first, second, third]

  it('come back as they were written', () => {
    assert.deepEqual(decodeTransactionIndex(encodeTransactionIndex(entries)), entries)
    assert.deepEqual(decodeTransactionIndex(new Uint8Array(0)), [])
  })

  it('are refused, with the position, when cut or when offsets contradict each other', () => {
    const at = (position: number) => (error: unknown) =>
      isCorrupt(error) && (error as VarveError).details.position === position
    const whole = encodeTransactionIndex(entries)
    assert.throws(() => decodeTransactionIndex(whole.subarray(0, 67)), at(34))
    assert.throws(() => decodeTransactionIndex(new Uint8Array(34)), at(0))
    const wrong: Partial<TransactionIndexEntry>[] = [
      { producerId: -1n },
      { firstOffset: -1 },
      { firstOffset: 107 },
      { lastOffset: 26 },
      { lastStableOffset: 109 },
      { lastStableOffset: -1 },
      { lastOffset: 2 ** 60 },
    ]
    for (const fields of wrong)
      assert.throws(() => decodeTransactionIndex(encodeTransactionIndex([first, { ...second, ...fields }])), at(34))
    const newer = whole.slice()
    newer[69] = 1
    assert.throws(() => decodeTransactionIndex(newer), at(68))
  })

  it('give what overlaps a range, and say when no later segment can hold more', () => {
    const collect = (startOffset: number, endOffset: number, from = entries) => {
      const into: TransactionIndexEntry[] = []
      const done = collectAborted(from, { startOffset, endOffset }, into)
      return [into, done]
    }
    assert.deepEqual(collect(0, 7), [[], true])
    assert.deepEqual(collect(0, 8), [[first], true])
    assert.deepEqual(collect(26, 27), [[first], true])
    assert.deepEqual(collect(26, 27, [first]), [[first], true])
    assert.deepEqual(collect(26, 28, [first]), [[first], false])
    assert.deepEqual(collect(27, 28), [[], true])
    // While the third was open, the abort of the second said nothing about offsets from 89 on.
    assert.deepEqual(collect(85, 89), [[second], true])
    assert.deepEqual(collect(85, 90), [[second, third], true])
    assert.deepEqual(collect(108, 200), [[third], false])
  })
})
