import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { openLog } from '../../src/doors/log.ts'
import { batchAt, checkedTag } from '../actors/contents.ts'
import { temporaryFolder } from './temporary-folder.ts'

describe('recovery from a checkpoint in the middle of a segment', () => {
  const folder = temporaryFolder()

  // It begins at the batch of the last index entry that was flushed; with one entry and with several.
  for (const batches of [3, 30]) {
    it(`keeps what was appended behind it, after ${batches} batches`, async () => {
      const log = await openLog(join(folder(), 'log'), { durability: 'buffered', indexIntervalBytes: 1024 })
      for (let i = 0; i < batches; i++) log.append(batchAt(log.logEndOffset, 10, 0))
      await log.close()
      const again = await openLog(join(folder(), 'log'), { durability: 'buffered', indexIntervalBytes: 1024 })
      again.append(batchAt(again.logEndOffset, 10, 0))
      const end = again.logEndOffset
      // What a killed writer leaves.
      cpSync(join(folder(), 'log'), join(folder(), 'killed'), { recursive: true })
      await again.close()
      const recovered = await openLog(join(folder(), 'killed'))
      assert.equal(recovered.logEndOffset, end)
      let next = 0
      while (next < end)
        for (const batch of recovered.read(next))
          for (const record of batch) {
            assert.equal(record.offset, next++)
            checkedTag(record.offset, record.value)
          }
      await recovered.close()
    })
  }
})
