/** Seen to fail with keys of 1 to 3 bytes beyond a multiple of four hashed without their rest. */
import assert from 'node:assert/strict'
import { murmur2 } from '../../src/producer/murmur2.ts'
import { partitionOfKey } from '../../src/producer/partitioner.ts'
import { hashedKeys } from '../unit/producer/hashed-keys.ts'
import { kafkaPeer } from './kafka-peer.ts'
import { describeWithKafka } from './needs-kafka.ts'

/** Bytes of all lengths from 0 to 300, and of all values. */
function* manyKeys(): Generator<Uint8Array> {
  let state = 1
  for (let round = 0; round < 10; round++) {
    for (let length = 0; length <= 300; length++) {
      const key = new Uint8Array(length)
      for (let i = 0; i < length; i++) {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
        key[i] = state >>> 16
      }
      yield key
    }
  }
}

describeWithKafka('a key goes to the partition that the Java producer sends it to', () => {
  for (const partitionCount of [1, 3, 12, 1000]) {
    it(`of ${partitionCount}, with the same hash`, async () => {
      const keys = [...manyKeys()]
      const { hashes, partitions } = await kafkaPeer.partition(keys, partitionCount)
      assert.deepEqual(
        keys.map((key) => murmur2(key)),
        hashes,
      )
      assert.deepEqual(
        keys.map((key) => partitionOfKey(key, partitionCount)),
        partitions,
      )
    })
  }

  it('as the table of the unit test says', async () => {
    const keys = hashedKeys.map(([key]) => Buffer.from(key, 'base64'))
    const { hashes } = await kafkaPeer.partition(keys, 1)
    assert.deepEqual(
      hashedKeys.map(([, hash]) => hash),
      hashes,
    )
  })
})
