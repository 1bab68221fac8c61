import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BatchBuilder, type Log, openLog, VarveError } from '../../src/doors/log.ts'
import { checkNumbered, numberedBatch } from './numbered-records.ts'
import { Random } from './random.ts'
import { eachStep, type FaultRow, NotRun, type RowOptions } from './row.ts'

const startMs = 1_700_000_000_000
const mib = 1024 * 1024
const scarceCodes: ReadonlySet<string> = new Set([
  'VARVE_TOO_MANY_FILES',
  'VARVE_NO_MEMORY',
  'VARVE_IO',
  'VARVE_FAILED',
])

interface ScarceTask {
  readonly folder: string
  readonly seed: number
  readonly kind: 'files' | 'memory'
}

/** What the process under its limit reports: per log, what it acknowledged. */
interface ScarceReport {
  readonly refused: readonly string[]
  readonly logs: readonly { readonly folder: string; readonly syncedEnd: number; readonly appendedEnd: number }[]
}

/** Runs a step in a process of its own that has few file descriptors, or little memory, and reads back what it left. */
async function scarceOnce(step: number, folder: string): Promise<void> {
  const random = new Random(step)
  const kind = step % 2 === 0 ? 'files' : 'memory'
  const task: ScarceTask = { folder: join(folder, `step-${step}`), seed: step, kind }
  // Where the limit of memory is not reached by the engine's own, it is by records that the caller keeps.
  const limit = kind === 'files' ? `ulimit -n ${random.between(64, 256)}` : 'true'
  const heap = kind === 'memory' ? ['--max-old-space-size=256'] : []
  const args = [...heap, fileURLToPath(import.meta.url), JSON.stringify(task)]
  const quoted = [process.execPath, ...args].map((arg) => `'${arg.replaceAll("'", "'\\''")}'`).join(' ')
  const child = spawnSync('/bin/sh', ['-c', `${limit} && exec ${quoted}`], {
    encoding: 'utf8',
    maxBuffer: 64 * mib,
    timeout: 60_000,
  })
  if (child.error !== undefined) throw new NotRun(`no shell to set limits with: ${child.error.message}`)
  assert.equal(child.status, 0, `the process ended by ${child.signal ?? child.status}: ${child.stderr}`)
  const report = JSON.parse(child.stdout) as ScarceReport
  for (const code of report.refused) assert.ok(scarceCodes.has(code), `refused with ${code}`)
  if (kind === 'files') assert.ok(report.refused.length > 0, 'the limit was never met')
  for (const { folder: path, syncedEnd, appendedEnd } of report.logs) {
    const log = await openLog(path)
    try {
      assert.ok(log.logEndOffset >= Math.max(syncedEnd, appendedEnd), `acknowledged to ${appendedEnd} in ${path}`)
      checkNumbered(log)
    } finally {
      await log.close()
    }
  }
}

const codeOf = (failure: unknown): string => {
  if (failure instanceof VarveError) return failure.code
  throw failure
}

/** Opens logs until no descriptor is left, and works with all that could be opened. */
async function fewFiles({ folder, seed }: ScarceTask): Promise<ScarceReport> {
  const random = new Random(seed)
  const refused: string[] = []
  const logs: Log[] = []
  for (let i = 0; i < 300 && refused.length < 3; i++) {
    try {
      logs.push(await openLog(join(folder, `log-${i}`), { internalSegmentBytes: 8192, fileDeleteDelayMs: 0 }))
    } catch (failure) {
      refused.push(codeOf(failure))
    }
  }
  const acknowledged = logs.map((log) => ({ folder: log.folder, syncedEnd: 0, appendedEnd: 0 }))
  for (let i = 0; i < 400; i++) {
    const index = random.below(logs.length)
    const log = logs[index]!
    const end = log.logEndOffset
    try {
      const ack = await log.appendDurable(numberedBatch(end, 5, startMs), random.pick(['buffered', 'synced'] as const))
      acknowledged[index]!.appendedEnd = ack.lastOffset + 1
      if (ack.durability === 'synced') acknowledged[index]!.syncedEnd = ack.lastOffset + 1
      if (random.oneIn(5)) checkNumbered(log, Math.max(0, end - 50))
    } catch (failure) {
      refused.push(codeOf(failure))
    }
  }
  for (const log of logs) await log.close().catch((failure: unknown) => refused.push(codeOf(failure)))
  return { refused, logs: acknowledged }
}

/** Appends and reads many times what the heap could hold. */
async function littleMemory({ folder, seed }: ScarceTask): Promise<ScarceReport> {
  const random = new Random(seed)
  const path = join(folder, 'log')
  const log = await openLog(path, { internalSegmentBytes: 16 * mib })
  const builder = new BatchBuilder()
  const value = Buffer.alloc(500_000, seed & 0xff)
  for (let bytes = 0; bytes < 300 * mib; bytes += value.byteLength) {
    builder.reset()
    builder.add({ value, timestamp: startMs })
    log.append(builder)
    if (random.oneIn(4))
      for (const batch of log.read(random.below(log.logEndOffset))) for (const record of batch) record.value
  }
  const residentBytes = process.memoryUsage().rss - log.stats().mappedBytes
  assert.ok(residentBytes < 512 * mib, `${residentBytes} bytes of memory are in use`)
  await log.truncateFully(0)
  log.append(numberedBatch(0, 10, startMs))
  await log.close()
  return { refused: [], logs: [{ folder: path, syncedEnd: 10, appendedEnd: 10 }] }
}

async function run(options: RowOptions): Promise<void> {
  if (process.platform === 'win32') throw new NotRun('no limits of this kind on Windows')
  await eachStep(options, (step) => scarceOnce(step, options.folder))
}

export const row: FaultRow = {
  id: 'F14',
  title: 'few file descriptors, little memory',
  unit: 'processes',
  gate: 4,
  long: 100,
  variants: ['mapped', 'pwrite'],
  seenToFailOn: 'a refused roll whose append is acknowledged all the same: the process waits for ever',
  run,
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const task = JSON.parse(process.argv[2]!) as ScarceTask
  const report = task.kind === 'files' ? await fewFiles(task) : await littleMemory(task)
  process.stdout.write(JSON.stringify(report))
}
