/**
 * Opens a log and appends numbered records until it is killed; its progress goes to a file. Prints `ready` once it has
 * opened. Started by the rows that kill it, or its disk: `startAppending`.
 *
 * An error ends it, unless it was told that its disk will fail: then it says nothing more, and waits for its end.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Durability, openLog, type WriteOptions } from '../../src/doors/log.ts'
import { drawRecordCount, numberedBatch } from './numbered-records.ts'
import { ProgressFile } from './progress-file.ts'
import { Random } from './random.ts'

const startMs = 1_700_000_000_000
const mib = 1024 * 1024

export interface AppendingTask {
  readonly folder: string
  readonly progressFile: string
  readonly seed: number
  /** What appends ask for; 'mixed': each something else. */
  readonly durability: Durability | 'mixed'
  readonly settings: WriteOptions
  /** Errors of the disk are expected. */
  readonly diskMayFail?: boolean
}

/** Settings under which rolls, index pages and checkpoints come often, or seldom. */
export function killableSettings(random: Random): WriteOptions {
  return {
    internalSegmentBytes: random.pick([64 * 1024, mib, 64 * mib]),
    indexIntervalBytes: random.pick([0, 4096]),
    checkpointIntervalBytes: random.pick([64 * 1024, mib, 64 * mib]),
    flushIntervalMs: 5,
  }
}

/** Started, and perhaps not ready. What it prints on standard error is shown. */
export function startAppending(task: AppendingTask): ChildProcess {
  const stderr = task.diskMayFail ? 'ignore' : 'inherit'
  const args = [fileURLToPath(import.meta.url), JSON.stringify(task)]
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', stderr] })
}

/** Resolves when the process has opened its log. Rejects when it ended before. */
export async function untilReady(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the appending process ended before it was ready: ${code ?? signal}`)
  })
  await Promise.race([once(child.stdout!, 'data'), ended])
}

/** Kills the process, and waits until it is gone. */
export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

async function append(task: AppendingTask): Promise<void> {
  const random = new Random(task.seed)
  const log = await openLog(task.folder, task.settings)
  const progress = new ProgressFile(task.progressFile, log.logEndOffset, log.recoveryPoint)
  process.stdout.write('ready')
  for (;;) {
    const durability =
      task.durability === 'mixed' ? random.pick<Durability>(['buffered', 'interval', 'synced']) : task.durability
    const waiting: Promise<void>[] = []
    for (let burst = random.between(1, 60); burst > 0; burst--) {
      const baseOffset = log.logEndOffset
      const end = baseOffset + drawRecordCount(random)
      const batch = numberedBatch(baseOffset, end - baseOffset, startMs)
      progress.attempt(end)
      const acknowledged = log.appendDurable(batch, durability)
      if (log.logEndOffset === end) progress.appended(end)
      waiting.push(
        acknowledged.then((ack) => {
          if (ack.durability === 'synced') progress.synced(end)
        }),
      )
    }
    await Promise.all(waiting)
    if (random.oneIn(20)) log.roll()
    if (random.oneIn(10)) await new Promise((resolve) => setImmediate(resolve))
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const task = JSON.parse(process.argv[2]!) as AppendingTask
  try {
    await append(task)
  } catch (failure) {
    if (!task.diskMayFail) throw failure
    setInterval(() => {}, 1000)
  }
}
