import assert from 'node:assert/strict'
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BatchBuilder, openLog, type RecoveryProgress } from '../../src/doors/log.ts'
import { readCheckpoint, varveCheckpointName } from '../../src/storage/varve-checkpoint.ts'
import { temporaryFolder } from './temporary-folder.ts'

const batchBytes = 1072

interface Reopened {
  readonly scannedBytes: number
  /** As the copied checkpoint has it. */
  readonly recoveryPoint: number
  readonly logEndOffset: number
  /** Offset that a retry of the last batch was answered with. */
  readonly duplicate: number
}

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
  async function openAsKilled(from: string): Promise<Reopened> {
    const copy = join(folder(), 'killed')
    // A checkpoint may be under way: a file that is replaced meanwhile is not one of those a crash would leave.
    cpSync(from, copy, { recursive: true, filter: (path) => !path.endsWith('.tmp') })
    const [checkpoint] = readCheckpoint(readFileSync(join(copy, varveCheckpointName))).checkpoint.logs
    let last: RecoveryProgress | undefined
    const log = await openLog(copy, { internalSegmentBytes: 1 << 20, onProgress: (progress) => (last = progress) })
    // The producer's last batch again: known from the snapshot and from what was scanned.
    const { baseOffset } = log.append(batchOf(log.logEndOffset - 1))
    const { logEndOffset } = log
    assert.ok(batchOf(logEndOffset).finish() <= batchBytes)
    await log.close()
    return {
      scannedBytes: last!.scannedBytes,
      recoveryPoint: checkpoint!.recoveryPoint,
      logEndOffset,
      duplicate: baseOffset,
    }
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
    // From the last index entry below the recovery point on: at most an index interval and a batch more.
    const bound = (killed.logEndOffset - killed.recoveryPoint) * batchBytes + 4096 + 2 * batchBytes
    assert.ok(killed.scannedBytes <= bound, `${killed.scannedBytes} bytes were scanned, ${bound} would have done`)
    assert.ok(killed.recoveryPoint > 1000)
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
