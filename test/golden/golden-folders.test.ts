import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { copyGolden, goldenBytes, goldenFiles, goldenPartitions, goldenStates, readExpected } from './golden-folders.ts'

describe('golden folders', () => {
  it('are all there, .log files included', () => {
    assert.deepEqual(
      goldenStates.map((state) => goldenPartitions(state).length),
      [19, 6, 6],
    )
    for (const state of goldenStates)
      for (const partition of goldenPartitions(state))
        assert.ok(goldenFiles(state, partition, '.log').length > 0, `${state}/${partition} has no .log file`)
  })

  it('hold each segment as long as its expected batches say', () => {
    for (const state of ['clean', 'recovered'] as const)
      for (const partition of goldenPartitions(state)) {
        const lengths = new Map<number, number>()
        for (const batch of readExpected(state, partition).batches)
          lengths.set(batch.segment, Math.max(lengths.get(batch.segment) ?? 0, batch.position + batch.size))
        for (const name of goldenFiles(state, partition, '.log'))
          assert.equal(goldenBytes(state, partition, name)?.length, lengths.get(Number.parseInt(name, 10)) ?? 0)
      }
  })

  it('are copied whole, and the copy is removed', () => {
    const copy = copyGolden('clean', 'txn-0')
    assert.ok(existsSync(join(copy.path, '00000000000000000025.txnindex')))
    copy.remove()
    assert.ok(!existsSync(copy.path))
  })
})
