import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { openLog } from '../../src/doors/log.ts'
import { type AppendingTask, kill, killableSettings, startAppending, untilReady } from './appending-process.ts'
import { waitMicroseconds } from './moments.ts'
import { checkNumbered } from './numbered-records.ts'
import { readProgress } from './progress-file.ts'
import { Random } from './random.ts'
import { eachStep, type FaultRow, type RowOptions } from './row.ts'

/** Kills of one folder, one after the other: what a recovery leaves is what the next one finds. */
const killsPerFolder = 5
/** Kills one process, and in one of four steps another that is recovering from that. Groups of steps share a folder. */
async function killOnce(step: number, folder: string): Promise<void> {
  const group = step - (step % killsPerFolder)
  const settings = killableSettings(new Random(group))
  const random = new Random(step)
  const task: AppendingTask = {
    folder: join(folder, 'log'),
    progressFile: join(folder, 'progress'),
    seed: step,
    durability: random.pick(['buffered', 'interval', 'synced', 'mixed']),
    settings,
  }
  const child = startAppending(task)
  await untilReady(child)
  await waitMicroseconds(random.below(30_000))
  await kill(child)
  const progress = [readProgress(task.progressFile)!]
  if (random.oneIn(4)) {
    const second = startAppending({ ...task, progressFile: `${task.progressFile}-2`, seed: ~step })
    await waitMicroseconds(random.between(30_000, 120_000))
    await kill(second)
    const more = readProgress(`${task.progressFile}-2`)
    if (more !== null) progress.push(more)
    await rm(`${task.progressFile}-2`, { force: true })
  }

  const acknowledgedEnd = Math.max(...progress.map(({ appendedEnd }) => appendedEnd))
  const attemptedEnd = Math.max(...progress.map((one) => one.attemptedEnd))
  let scannedBytes = 0
  const startedAt = performance.now()
  const log = await openLog(task.folder, { ...settings, onProgress: (now) => (scannedBytes = now.scannedBytes) })
  const elapsedMs = performance.now() - startedAt
  try {
    const { logEndOffset } = log
    if (logEndOffset < acknowledgedEnd) throw new Error(`acknowledged to ${acknowledgedEnd}, back to ${logEndOffset}`)
    if (logEndOffset > attemptedEnd) throw new Error(`attempted to ${attemptedEnd}, and there is ${logEndOffset}`)
    const boundMs = 1000 + (2000 * scannedBytes) / 2 ** 30
    if (elapsedMs > boundMs) throw new Error(`opening took ${elapsedMs} ms, and the bound is ${boundMs} ms`)
    checkNumbered(log)
  } finally {
    await log.close()
  }
}

async function run(options: RowOptions): Promise<void> {
  const folder = join(options.folder, 'group')
  let next = -1
  await eachStep(options, async (step) => {
    const group = step - (step % killsPerFolder)
    if (step !== next || step === group) {
      // A step that is run again alone needs those of its group that came before it.
      await rm(folder, { recursive: true, force: true })
      await mkdir(folder)
      next = group
    }
    for (; next <= step; next++) await killOnce(next, folder)
  })
}

export const row: FaultRow = {
  id: 'F1',
  title: 'kill -9 while appending',
  unit: 'kills',
  gate: 200,
  long: 10_000,
  variants: ['mapped', 'pwrite'],
  seenToFailOn: 'the active segment mapped privately; recovery that takes the recovery point for the log end',
  run,
}
