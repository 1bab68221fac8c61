import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Log, openLog, VarveError, type WriteOptions } from '../../src/doors/log.ts'
import { checkNumbered, drawRecordCount, numberedBatch } from './numbered-records.ts'
import { Random } from './random.ts'
import { eachStep, type FaultRow, type RowOptions } from './row.ts'

const startMs = 1_700_000_000_000
const commandLine = fileURLToPath(new URL('../../../bin/varve.js', import.meta.url))

async function fill(folder: string, random: Random): Promise<Log> {
  const settings: WriteOptions = { internalSegmentBytes: 20_000, indexIntervalBytes: random.pick([0, 500]) }
  const log = await openLog(folder, settings)
  while (log.stats().segmentCount < 4) {
    const recordCount = drawRecordCount(random)
    log.append(numberedBatch(log.logEndOffset, recordCount, startMs))
  }
  await log.flush()
  return log
}

/** Reads the whole log. @returns the failure that it met, null when there was none. */
function readUntilFailure(log: Log): VarveError | null {
  try {
    checkNumbered(log)
    return null
  } catch (failure) {
    if (failure instanceof VarveError) return failure
    throw failure
  }
}

/** Somebody else cuts a log file of a log that is open, while another log of the process goes on. */
async function cutOnce(step: number, folder: string): Promise<void> {
  const random = new Random(step)
  const log = await fill(join(folder, 'cut'), random)
  const other = await fill(join(folder, 'other'), random)
  try {
    const names = readdirSync(log.folder).filter((name) => name.endsWith('.log'))
    const active = names.length - 1
    const index = random.oneIn(2) ? active : random.below(names.length)
    const path = join(log.folder, names[index]!)
    const fileBytes = statSync(path).size
    const cutTo = random.oneIn(4) ? 0 : random.below(fileBytes)
    if (random.oneIn(2)) checkNumbered(log)
    truncateSync(path, cutTo)

    // Reads: what is left, and then a coded failure that names the place; never a wrong record, never a signal.
    const failure = readUntilFailure(log)
    const activeEnd = log.stats().sizeBytes
    if (failure !== null) {
      assert.ok(['VARVE_CORRUPT', 'VARVE_IO'].includes(failure.code), failure.code)
      assert.equal(failure.details.path, path)
      assert.ok(Number.isInteger(failure.details.position), 'the failure names no position')
    } else assert.ok(index === active && cutTo > 0, `nothing of ${activeEnd} bytes is missing`)

    // Appends: they fail with a code, or the page that they store to is still there.
    for (let i = 0; i < 20; i++) {
      try {
        log.append(numberedBatch(log.logEndOffset, random.between(1, 30), startMs))
      } catch (refused) {
        assert.ok(refused instanceof VarveError, String(refused))
        assert.ok(['VARVE_IO', 'VARVE_FAILED', 'VARVE_CORRUPT'].includes(refused.code), refused.code)
        assert.equal(refused.details.path, path)
      }
    }
    // `verify` of the folder as it is: it reads files only, so the lock is nothing to it.
    const verified = spawnSync(process.execPath, [commandLine, 'verify', log.folder, '--json'], { encoding: 'utf8' })
    assert.equal(verified.signal, null)
    assert.ok(verified.status === 0 || verified.status === 1, `verify: ${verified.status} ${verified.stderr}`)
    if (failure !== null && index !== active) assert.equal(verified.status, 1, 'verify found nothing')

    // The other log knows nothing of it.
    other.append(numberedBatch(other.logEndOffset, 3, startMs))
    await other.flush()
    checkNumbered(other)
  } finally {
    await log.close().catch(() => {})
    await other.close()
  }
  rmSync(join(folder, 'cut'), { recursive: true })
  rmSync(join(folder, 'other'), { recursive: true })
}

async function run(options: RowOptions): Promise<void> {
  await eachStep(options, (step) => cutOnce(step, options.folder))
}

export const row: FaultRow = {
  id: 'F9',
  title: 'a file cut by somebody else',
  unit: 'cuts',
  gate: 20,
  long: 200,
  seenToFailOn: 'a bus error during a guarded copy handed on to whoever had the signal before',
  run,
}
