/**
 * Seen to fail with the bytes that are left over of a key hashed in the wrong order, with the hash's sign dropped by
 * `Math.abs`, with a text hashed by its characters' codes, with an empty key taken for none, with a sticky partition
 * that stays when its batch went off, and with a user's function believed.
 */
import assert from 'node:assert/strict'
import { murmur2 } from '../../../src/producer/murmur2.ts'
import { type PartitionChooser, Partitioner, partitionOfKey } from '../../../src/producer/partitioner.ts'
import { hashedKeys } from './hashed-keys.ts'

function partitionerOf(random: number[] = [], chooser?: PartitionChooser): Partitioner {
  return new Partitioner('orders', chooser, () => random.shift()!, Partitioner.makeScratch())
}

describe('the partition of a record', () => {
  it('comes from the hash that the Java client computes', () => {
    for (const [key, hash] of hashedKeys) assert.equal(murmur2(Buffer.from(key, 'base64')), hash, key)
  })

  it('is the hash without its sign bit, modulo the number of partitions', () => {
    for (const [key, hash] of hashedKeys) {
      for (const count of [1, 2, 3, 7, 50]) {
        const wanted = Number((BigInt(hash) & 0x7fff_ffffn) % BigInt(count))
        assert.equal(partitionOfKey(Buffer.from(key, 'base64'), count), wanted, `${key} of ${count}`)
      }
    }
  })

  it('is the same for a text and for its bytes in UTF-8, however long', () => {
    for (const text of ['', 'a', 'user-1', 'grün', '🔑'.repeat(10), 'x'.repeat(1024), 'é'.repeat(5000)]) {
      assert.equal(partitionOfKey(text, 1000), partitionOfKey(Buffer.from(text), 1000), text.slice(0, 20))
    }
  })

  it('is the one that the record names, whatever its key', () => {
    const partitioner = partitionerOf([], () => 0)
    assert.equal(partitioner.choose({ partition: 2, key: 'a', value: null }, 3), 2)
  })

  it('is what the function of the user says for the others', () => {
    const asked: unknown[] = []
    const partitioner = partitionerOf([], (...args) => {
      asked.push(args)
      return 1
    })
    assert.equal(partitioner.choose({ key: 'a', value: 'v' }, 3), 1)
    assert.equal(partitioner.choose({ value: 'w' }, 3), 1)
    assert.deepEqual(asked, [
      ['orders', 'a', 'v', 3],
      ['orders', null, 'w', 3],
    ])
  })

  it('stays the same for records without a key until their batch went off', () => {
    const partitioner = partitionerOf([0.5, 0.99, 0])
    const choose = (): number => partitioner.choose({ value: 'v' }, 3)
    assert.deepEqual([choose(), choose()], [1, 1])
    partitioner.moved(0) // of records with a key
    assert.equal(choose(), 1)
    partitioner.moved(1)
    assert.deepEqual([choose(), choose()], [2, 2])
    partitioner.moved(2)
    assert.equal(choose(), 0)
  })

  it('is chosen anew when the sticky one is not there any more', () => {
    const partitioner = partitionerOf([0.99, 0.5])
    assert.equal(partitioner.choose({ value: 'v' }, 3), 2)
    assert.equal(partitioner.choose({ value: 'v' }, 2), 1)
  })

  it('of an empty key is by its hash, of null by none', () => {
    const partitioner = partitionerOf([0])
    assert.equal(partitioner.choose({ key: '', value: 'v' }, 1000), (275646681 & 0x7fff_ffff) % 1000)
    assert.equal(partitioner.choose({ key: null, value: 'v' }, 1000), 0)
  })

  const refused: [string, unknown, string][] = [
    ['a partition that is not there', { partition: 3, value: 'v' }, 'VARVE_UNKNOWN_TOPIC'],
    ['a negative partition', { partition: -1, value: 'v' }, 'VARVE_INVALID_ARGUMENT'],
    ['a partition that is no integer', { partition: 0.5, value: 'v' }, 'VARVE_INVALID_ARGUMENT'],
    ['a partition that is a text', { partition: '0', value: 'v' }, 'VARVE_INVALID_ARGUMENT'],
    ['a key that is a number', { key: 7, value: 'v' }, 'VARVE_INVALID_ARGUMENT'],
  ]
  for (const [name, record, code] of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(() => partitionerOf().choose(record as never, 3), { code })
    })
  }

  for (const answer of [3, -1, 0.5, Number.NaN, '1', undefined]) {
    it(`refuses ${String(answer)} as the answer of the user's function`, () => {
      const partitioner = partitionerOf([], () => answer as never)
      assert.throws(() => partitioner.choose({ value: 'v' }, 3), { code: 'VARVE_INVALID_ARGUMENT' })
    })
  }
})
