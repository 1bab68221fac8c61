import assert from 'node:assert/strict'
import { offsetsPartitionOf } from '../../../src/store/group-log.ts'

describe('the partition of a group in __consumer_offsets', () => {
  // String.hashCode() of Java: 99162322, 0, -2147483648 (which has no absolute value), -1220935283, 2112.
  const cases: [group: string, partition: number][] = [
    ['hello', 22],
    ['', 0],
    ['polygenelubricants', 0],
    ['hellp\u0000', 33],
    ['BB', 12],
  ]
  for (const [group, partition] of cases) {
    it(`is that of Java's hash for ${JSON.stringify(group)}`, () => {
      assert.equal(offsetsPartitionOf(group, 50), partition)
    })
  }
})
