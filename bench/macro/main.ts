/** `varve bench`: measures, prints the table, writes the JSON rows and the HTML report. */
import { mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { casesOf, warmBytes } from './cases.ts'
import { figure } from './format.ts'
import { type MachineFacts, machineFacts, memoryFileSystem } from './machine.ts'
import { type BenchOptions, parseOptions, UsageError, usage } from './options.ts'
import { compileSpinReader, installPeers } from './prepare.ts'
import { reportPage } from './report/page.ts'
import { isPeer, type Row, rowsOf } from './row.ts'
import { runCase } from './runner.ts'
import { table } from './table.ts'
import type { Task } from './task.ts'
import { timerCost } from './timer.ts'

/** Runs the command with its arguments (without `bench`) and answers the exit code. */
export async function run(args: string[]): Promise<number> {
  let options: BenchOptions
  try {
    options = parseOptions(args)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`varve bench: ${error.message}\nSee varve bench --help.\n`)
    return 2
  }
  if (options.help) {
    process.stdout.write(usage)
    return 0
  }
  const data = resolve(options.data)
  const made = mkdirSync(data, { recursive: true }) !== undefined
  const folder = join(data, `run-${process.pid}`)
  const removeFiles = (): void => {
    // Processes that are ending may still make a file meanwhile.
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    if (made && readdirSync(data).length === 0) rmdirSync(data)
  }
  const inMemory = memoryFileSystem(data)
  if (inMemory) {
    removeFiles()
    process.stderr.write(
      `varve bench: ${data} lies on ${inMemory}, which is memory: name a folder on a disk with --data\n`,
    )
    return 1
  }
  const interrupted = (): never => {
    removeFiles()
    process.exit(130)
  }
  process.once('SIGINT', interrupted)
  process.once('SIGTERM', interrupted)
  try {
    mkdirSync(folder)
    const rows = await measure(options, folder)
    process.stdout.write(table(rows))
    if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, null, 1)}\n`)
    if (options.html) writeFileSync(options.html, reportPage(rows, { scale: options.scale, date: new Date() }))
    return 0
  } finally {
    removeFiles()
    process.removeListener('SIGINT', interrupted)
    process.removeListener('SIGTERM', interrupted)
  }
}

async function measure(options: BenchOptions, folder: string): Promise<Row[]> {
  const tasks = chosen(options)
  const machine = machineFacts(folder)
  const say = (text: string): void => void process.stderr.write(`${text}\n`)
  const measures = (wanted: (name: string) => boolean): boolean => tasks.some((task) => task.systems.some(wanted))
  if (measures(isPeer))
    installPeers(
      say,
      measures((name) => name === 'chronicle'),
    )
  if (tasks.some((task) => task.variant === 'native')) compileSpinReader(say)
  say(`${machine.cpu}, ${machine.kernel}, Node ${machine.node}, ${machine.fileSystem} on ${machine.device}`)
  const rows = options.suites.includes('latency') && options.caseFilter === '' ? timerRows(machine) : []
  if (tasks.length > 0) await warmMemory(folder, warmBytes(options.scale), machine, say)
  for (const [index, task] of tasks.entries()) {
    const progress = progressLine(`${index + 1}/${tasks.length} ${task.suite}: ${task.case}`)
    rows.push(...(await runCase(task, { folder: join(folder, `case-${index}`), machine, onRound: progress })))
  }
  progressLine('')('', 0, 0)
  return rows
}

function chosen(options: BenchOptions): Task[] {
  return casesOf(options.scale, options.suites)
    .filter((task) => `${task.suite} ${task.case}`.includes(options.caseFilter))
    .map((task) => ({
      ...task,
      systems:
        options.systems.length === 0 ? task.systems : task.systems.filter((name) => options.systems.includes(name)),
    }))
    .filter((task) => task.systems.length > 0)
}

/** What each latency contains of the clock itself. */
function timerRows(machine: MachineFacts): Row[] {
  const cost = timerCost()
  const key = {
    suite: 'latency',
    case: 'clock, included in every latency',
    durability: 'memory',
    recordBytes: 0,
    batchRecords: 1,
    writers: 1,
  } as const
  return rowsOf(key, 'limit', [[{ suffix: '', unit: 'ns', value: cost.p50, percentiles: cost, bytes: 0 }]], machine)
}

/**
 * Writes a file of the run's size and deletes it. The first touch of a page that a virtual machine's guest has not used
 * yet costs many times a later one; without this the system that is measured first pays for all.
 */
async function warmMemory(
  folder: string,
  bytes: number,
  machine: MachineFacts,
  say: (text: string) => void,
): Promise<void> {
  const share = machine.dirtyBackgroundBytes
  if (share > 0 && bytes > share)
    say(
      `note: runs of ${figure(bytes, 'bytes')} pass the ${figure(share, 'bytes')} at which the kernel writes in the background`,
    )
  const path = join(folder, 'warm')
  const block = Buffer.alloc(1 << 20, 1)
  const file = await open(path, 'w')
  for (let written = 0; written < bytes; written += block.length) await file.write(block)
  await file.close()
  await rm(path)
}

/** One line on a terminal that is rewritten; nothing where standard error is a file. */
function progressLine(label: string): (system: string, round: number, rounds: number) => void {
  if (!process.stderr.isTTY) return () => {}
  return (system, round, rounds) => {
    const text = label === '' ? '' : `${label} - ${system}, ${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}`
    process.stderr.write(`\r\x1b[K${text}`)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  run(process.argv.slice(2)).then((code) => {
    process.exitCode = code
  })
