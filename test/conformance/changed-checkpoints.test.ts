/**
 * A folder whose text checkpoints are not as varve left them: a digit has flipped, or a Kafka has been here.
 */
import assert from 'node:assert/strict'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Log, openLog } from '../../src/doors/log.ts'
import {
  decodeOffsetCheckpoint,
  encodeOffsetCheckpoint,
  logStartCheckpointName,
  recoveryPointCheckpointName,
  replicationCheckpointName,
} from '../../src/storage/kafka-checkpoint.ts'
import { goldenPath } from '../golden/golden-folders.ts'
import { temporaryFolder } from './temporary-folder.ts'

describe('text checkpoints that somebody has changed', () => {
  const folder = temporaryFolder()
  /** Wide enough for the golden records of 2023. */
  const options = { retentionMs: -1, cleanupPolicy: ['delete'] as const }
  const logEnd = 400
  const logStart = 155

  const open = (): Promise<Log> => openLog(join(folder(), 'trimmed-0'), options)
  const change = (name: string, offset: number) => {
    const path = join(folder(), name)
    const entries = decodeOffsetCheckpoint(readFileSync(path, 'utf8'))
    writeFileSync(
      path,
      encodeOffsetCheckpoint(entries.map((entry) => (entry.topic === 'trimmed' ? { ...entry, offset } : entry))),
    )
  }
  const check = async (expected: { logStartOffset: number }) => {
    const log = await open()
    try {
      assert.equal(log.logEndOffset, logEnd)
      assert.equal(log.logStartOffset, expected.logStartOffset)
      let next = log.logStartOffset
      while (next < log.logEndOffset) {
        const run = log.read(next)
        assert.ok(run.nextOffset > next, `nothing at ${next}`)
        next = run.nextOffset
      }
      assert.equal(next, logEnd)
    } finally {
      await log.close()
    }
  }

  beforeEach(async () => {
    cpSync(goldenPath('clean'), folder(), { recursive: true })
    await (await open()).close() // from here on varve's checkpoint is the authority
  })

  it('as varve left them: nothing is lost', () => check({ logStartOffset: logStart }))

  for (const offset of [0, 200, 330, 399, 401, 9000]) {
    it(`a recovery point that reads ${offset}: more is checked, nothing is lost`, async () => {
      change(recoveryPointCheckpointName, offset)
      await check({ logStartOffset: logStart })
    })
  }

  for (const offset of [0, 156, 390, 9000]) {
    it(`a log start that reads ${offset}, alone: nothing is hidden`, async () => {
      change(logStartCheckpointName, offset)
      await check({ logStartOffset: logStart })
    })
  }

  it('all files rewritten by a Kafka: its log start counts', async () => {
    change(recoveryPointCheckpointName, 399)
    change(replicationCheckpointName, 399)
    change(logStartCheckpointName, 230)
    await check({ logStartOffset: 230 })
  })

  /** Kafka deletes the topic, makes another of the same name, writes 300 records to it and is killed at once. */
  const makeAnew = () => {
    const path = join(folder(), 'trimmed-0')
    rmSync(path, { recursive: true })
    cpSync(goldenPath('clean', 'codec-none-0'), path, { recursive: true })
  }

  it('another topic of the same name: nothing of what was known of the old one counts', async () => {
    makeAnew()
    for (const mode of ['read', 'write'] as const) {
      const log = await openLog(join(folder(), 'trimmed-0'), { ...options, mode: mode as 'write' })
      assert.deepEqual([log.logStartOffset, log.logEndOffset], [0, 300], mode)
      await log.close()
    }
    const starts = decodeOffsetCheckpoint(readFileSync(join(folder(), logStartCheckpointName), 'utf8'))
    assert.ok(!starts.some(({ topic }) => topic === 'trimmed'))
  })

  it('a log that is not opened: its lines stay as Kafka wrote them', async () => {
    makeAnew()
    const names = [recoveryPointCheckpointName, replicationCheckpointName, logStartCheckpointName]
    change(names[0]!, 299)
    change(names[1]!, 298)
    writeFileSync(join(folder(), names[2]!), encodeOffsetCheckpoint([]))
    await (await openLog(join(folder(), 'codec-gzip-0'), options)).close()
    // A log start of 155 past the end of the new log would make Kafka delete all of it.
    assert.deepEqual(
      names.map((name) => {
        const entries = decodeOffsetCheckpoint(readFileSync(join(folder(), name), 'utf8'))
        return entries.find(({ topic }) => topic === 'trimmed')?.offset
      }),
      [299, 298, undefined],
    )
  })
})
