import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { type Log, openLog } from '../../src/doors/log.ts'
import { batchAt } from '../actors/contents.ts'
import { temporaryFolder } from './temporary-folder.ts'

describe('segments that are deleted', () => {
  let log: Log
  // Before the folder's own hook, which removes what an open log still writes to.
  afterEach(() => log.close())
  const folder = temporaryFolder()
  const bases = (): string[] =>
    readdirSync(folder())
      .filter((name) => name.endsWith('.log'))
      .sort()

  it('go oldest first, also while helpers are still sealing them: a killed writer leaves no hole', async () => {
    log = await openLog(folder(), { internalSegmentBytes: 4096, durability: 'buffered' })
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 200; i++) log.append(batchAt(log.logEndOffset, 10, 0))
      // Some are sealed by now, some are not: helpers finish in any order.
      for (let turn = 0; turn < round; turn++) await new Promise(setImmediate)
      const before = bases()
      log.deleteBefore(log.logEndOffset - 20)
      for (let left = before.length + 1; left > 2; ) {
        const now = bases()
        assert.deepEqual(now, before.slice(before.length - now.length))
        left = now.length
        await new Promise(setImmediate)
      }
    }
  })
})
