import assert from 'node:assert/strict'
import { cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { BatchBuilder, openLog, type RecoveryProgress } from '../../src/doors/log.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** One batch of about 1 KB of an idempotent producer. */
function batchOf(sequence: number): BatchBuilder {
  const builder = new BatchBuilder()
  builder.setProducer({ producerId: 9n, producerEpoch: 0, baseSequence: sequence })
  builder.add({ value: 'x'.repeat(1000) })
  return builder
}

describe('the cost of opening after a crash', () => {
  const folder = temporaryFolder()

  /** Opens a copy of the folder as the process leaves it that is killed now: what is in the page cache is in the files. */
  async function openAsKilled(
    from: string,
  ): Promise<{ scannedBytes: number; logEndOffset: number; duplicate: number }> {
    const copy = join(folder(), 'killed')
    cpSync(from, copy, { recursive: true })
    let last: RecoveryProgress | undefined
    const log = await openLog(copy, { internalSegmentBytes: 1 << 20, onProgress: (progress) => (last = progress) })
    // The producer's last batch again: known from the snapshot and from what was scanned.
    const { baseOffset } = log.append(batchOf(log.logEndOffset - 1))
    const { logEndOffset } = log
    await log.close()
    return { scannedBytes: last!.scannedBytes, logEndOffset, duplicate: baseOffset }
  }

  it('depends on what was appended since the last checkpoint, not on the size of the segment or of the log', async () => {
    const path = join(folder(), 'log')
    const log = await openLog(path, { internalSegmentBytes: 1 << 20, checkpointIntervalBytes: 64 << 10 })
    for (let i = 0; i < 2500; i++) {
      log.append(batchOf(i))
      if (i % 50 === 49) await log.flush()
    }
    const killed = await openAsKilled(path)
    await log.close()
    assert.equal(killed.logEndOffset, 2500)
    assert.equal(killed.duplicate, 2499)
    assert.ok(killed.scannedBytes < 300_000, `${killed.scannedBytes} bytes were scanned`)
  })

  it('every segment keeps the snapshot of its roll, also when later checkpoints overtake it', async () => {
    const path = join(folder(), 'log')
    const log = await openLog(path, { internalSegmentBytes: 1 << 20, checkpointIntervalBytes: 64 << 10 })
    for (let i = 0; i < 5000; i++) log.append(batchOf(i))
    await log.close()
    const names = readdirSync(path)
    const stems = names.filter((name) => name.endsWith('.log')).map((name) => name.slice(0, 20))
    assert.ok(stems.length > 3)
    for (const stem of stems.slice(1)) assert.ok(names.includes(`${stem}.snapshot`), `no snapshot at ${stem}`)
  })
})
