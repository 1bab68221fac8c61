import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BatchBuilder, openLog } from '../../src/doors/log.ts'
import { decodeLeaderEpochs } from '../../src/storage/kafka-checkpoint.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** A batch of one record as a leader has stored it. */
function storedBatch(baseOffset: number, leaderEpoch: number): Buffer {
  const builder = new BatchBuilder()
  builder.add({ value: `v${baseOffset}`, timestamp: 1_700_000_000_000 })
  return builder.build({ baseOffset, leaderEpoch })
}

describe('leader epochs of a replica', () => {
  const folder = temporaryFolder()

  it('are entered for every batch of an append, not only for the first', async () => {
    const log = await openLog(folder())
    log.append([storedBatch(0, 0), storedBatch(1, 0)], 'replica')
    log.append([storedBatch(2, 0), storedBatch(3, 4)], 'replica')
    await log.close()
    assert.deepEqual(decodeLeaderEpochs(readFileSync(join(folder(), 'leader-epoch-checkpoint'), 'utf8')), [
      { epoch: 0, startOffset: 0 },
      { epoch: 4, startOffset: 3 },
    ])
  })
  it('are kept in the batches, and never fall with what the log itself appends next', async () => {
    const log = await openLog(folder())
    log.append(storedBatch(0, 4), 'replica')
    log.append(storedBatch(1, 0))
    const epochs: number[] = []
    for (const batch of log.read(0)) epochs.push(batch.leaderEpoch)
    assert.deepEqual(epochs, [4, 4])
    assert.equal(log.leaderEpoch, 4)
    await log.close()
  })

  it('come with offsets that leave none out, unless the log is compacted', async () => {
    const log = await openLog(folder())
    assert.throws(() => log.append(storedBatch(3, 0), 'replica'), { code: 'VARVE_INVALID_RECORD' })
    assert.equal(log.logEndOffset, 0)
    await log.close()
    const compacted = await openLog(folder(), { cleanupPolicy: ['compact'] })
    assert.deepEqual(compacted.append(storedBatch(3, 0), 'replica'), { baseOffset: 3, lastOffset: 3 })
    assert.equal(compacted.logEndOffset, 4)
    await compacted.close()
  })
})
