/**
 * The loops that measure, the same for every system. They run in a process of their own for each system, which stays
 * for all rounds of a case (so the compiler is warm after the discarded round) and sleeps while others are measured.
 */
import { readFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { constants, type NodeGCPerformanceDetail, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import { sizeOf } from './format.ts'
import { diskBytesWritten } from './machine.ts'
import { type Percentiles, type Point, suffixes } from './row.ts'
import { percentiles } from './statistics.ts'
import type { ReadMode, Subject, System } from './subject.ts'
import { NotRun } from './subject.ts'
import type { Task } from './task.ts'
import { nanoseconds } from './timer.ts'

/** Facts of this round that a task does not hold. */
export interface Round {
  /** This system's own folder, empty at the first round; kept between the rounds of `read`, else made anew. */
  folder: string
  /** `/sys/block/<disk>/stat`, or ''. */
  blockStatPath: string
}

type Driver = (system: System, task: Task, round: Round) => Promise<Point[]>

/** Runs one round of a task. */
export async function runRound(system: System, task: Task, round: Round): Promise<Point[]> {
  const own = system.operations?.[task.operation]
  await mkdir(round.folder, { recursive: true })
  if (own) return own(round.folder, task)
  const driver = drivers[task.operation]
  if (!driver) throw new NotRun(`${system.name} has no "${task.operation}"`)
  return driver(system, task, round)
}

const drivers: Partial<Record<Task['operation'], Driver>> = {
  throughput,
  latency: (system, task, round) => latency(system, task, round, false),
  paced: (system, task, round) => latency(system, task, round, true),
  read,
  recover,
  'first-append': firstAppend,
  growth,
}

async function throughput(system: System, task: Task, round: Round): Promise<Point[]> {
  const subject = await system.open(round.folder, task)
  const costs = await Costs.start(round.blockStatPath)
  const start = nanoseconds()
  const { records, cut } = await appendLoops(subject, task, start + task.seconds * 1e9)
  if (subject.drain) await subject.drain()
  const elapsed = nanoseconds() - start
  const bytes = records * task.recordBytes
  const points: Point[] = [{ suffix: '', unit: 'records/s', value: (records / elapsed) * 1e9, bytes, note: cut }]
  if (task.costs) points.push(...(await costs.points(bytes)))
  if (task.durability === 'synced' && task.costs) points.push(...costs.diskPoints(records / task.batchRecords, bytes))
  if (task.durability !== 'synced' && task.durability !== 'memory') {
    await subject.flush()
    const flushed = nanoseconds() - start
    points.push({ suffix: suffixes.flushed, unit: 'MB/s', value: (bytes / flushed) * 1e3, bytes, durability: 'synced' })
  }
  await subject.close()
  return points
}

/**
 * Bytes of values after which a loop of synchronous appends lets the event loop turn once, as it would in a program that
 * gets its records from somewhere: an engine's background work answers there. The microsecond that it takes is in the
 * figures, and at these distances nowhere to be seen.
 */
const turnBytes = 4 << 20

/** Appends from all loops at once until the records or the time are used up. */
async function appendLoops(subject: Subject, task: Task, deadline: number): Promise<{ records: number; cut: string }> {
  const { recordsPerAppend } = subject
  // Looking at the clock costs 60 ns: after small batches only now and then.
  const every = Math.max(1, Math.ceil(100 / recordsPerAppend))
  let records = 0
  let late = false
  const turnRecords = Math.max(recordsPerAppend, Math.floor(turnBytes / task.recordBytes))
  let nextTurn = turnRecords
  const loop = async (index: number): Promise<void> => {
    for (let i = 1; records < task.records && !late; i++) {
      records += recordsPerAppend
      const done = subject.append(index)
      if (done) await done
      if (i % every === 0) late = nanoseconds() > deadline
      if (records >= nextTurn) {
        nextTurn += turnRecords
        await turn()
      }
    }
  }
  await Promise.all(Array.from({ length: subject.loops }, (_, index) => loop(index)))
  // A synced round is meant to last its time, however many records that makes.
  const cut = records < task.records && task.durability !== 'synced'
  return { records, cut: cut ? `rounds end after ${task.seconds} s` : '' }
}

/** Appends after which the loops of single appends let the event loop turn. */
const turnAppends = 1024

/**
 * @param paced Appends fall due at a fixed rate and are timed from then on. Otherwise each starts when the one before is
 * done, which hides how many would have waited through a stall: the back-to-back figure is a service time.
 */
async function latency(system: System, task: Task, round: Round, paced: boolean): Promise<Point[]> {
  const subject = await system.open(round.folder, task)
  const appends = Math.ceil(task.records / subject.recordsPerAppend)
  const samples = new Float64Array(appends)
  const intervalNs = paced ? (1e9 / task.perSecond) * subject.recordsPerAppend : 0
  const costs = await Costs.start(round.blockStatPath)
  const first = nanoseconds()
  const deadline = first + task.seconds * 1e9
  let count = 0
  let end = first
  while (count < appends && end < deadline) {
    let start: number
    if (paced) {
      start = first + count * intervalNs
      while (nanoseconds() < start);
    } else {
      start = nanoseconds()
    }
    const done = subject.append(0)
    if (done) await done
    end = nanoseconds()
    samples[count++] = end - start
    // Between two service times, or at the cost of the next record that is due.
    if (count % turnAppends === 0) await turn()
  }
  const records = count * subject.recordsPerAppend
  const bytes = records * task.recordBytes
  const figures = percentiles(samples.subarray(0, count))
  const few = count < 1000 ? 'fewer than 1,000 samples: p99.9 is the largest' : ''
  const points: Point[] = [{ suffix: '', unit: 'ns', value: figures.p50, percentiles: figures, bytes, note: few }]
  if (task.costs && task.durability === 'synced') points.push(...costs.diskPoints(count, bytes))
  await subject.close()
  return points
}

async function read(system: System, task: Task, round: Round): Promise<Point[]> {
  const subject = await readable(system, task, round)
  if (!subject.read) throw new NotRun(`${system.name} has no "${task.variant}" read`)
  const costs = await Costs.start('')
  const start = nanoseconds()
  const records = await subject.read(task.variant as ReadMode)
  const elapsed = nanoseconds() - start
  const bytes = records * task.recordBytes
  if (records < task.records) throw new Error(`read ${records} records of ${task.records}`)
  const points: Point[] = [{ suffix: '', unit: 'records/s', value: (records / elapsed) * 1e9, bytes }]
  if (task.costs) points.push(...(await costs.points(bytes)))
  await subject.close()
  return points
}

/** Opens what the first round filled; the first round fills it. */
async function readable(system: System, task: Task, round: Round): Promise<Subject> {
  if (!filled.has(round.folder)) {
    const subject = await system.open(round.folder, task)
    await appendLoops(subject, task, Number.POSITIVE_INFINITY)
    if (subject.drain) await subject.drain()
    await subject.flush()
    await subject.close()
    filled.add(round.folder)
  }
  return system.open(round.folder, task)
}

const filled = new Set<string>()

/** Appends a task's records and dies at once, as by `kill -9`, leaving everything open. */
export async function fillAndDie(system: System, task: Task, round: Round): Promise<never> {
  await mkdir(round.folder, { recursive: true })
  const subject = await system.open(round.folder, task)
  await appendLoops(subject, task, Number.POSITIVE_INFINITY)
  if (subject.drain) await subject.drain()
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => {})
}

async function recover(system: System, task: Task, round: Round): Promise<Point[]> {
  const start = nanoseconds()
  const subject = await system.open(round.folder, task)
  const elapsed = nanoseconds() - start
  // Whoever opens fast by forgetting has not recovered.
  if (subject.seek) await subject.seek(task.records - 1)
  await subject.close()
  return [{ suffix: '', unit: 'ns', value: elapsed, bytes: task.records * task.recordBytes }]
}

async function firstAppend(system: System, task: Task, round: Round): Promise<Point[]> {
  const samples = new Float64Array(task.records)
  for (let i = 0; i < samples.length; i++) {
    const folder = join(round.folder, String(i))
    await mkdir(folder)
    const start = nanoseconds()
    const subject = await system.open(folder, task)
    const done = subject.append(0)
    if (done) await done
    samples[i] = nanoseconds() - start
    await subject.close()
    await rm(folder, { recursive: true })
  }
  const figures = percentiles(samples)
  return [{ suffix: '', unit: 'ns', value: figures.p50, percentiles: figures, bytes: task.records * task.recordBytes }]
}

/** Appends that are timed at every size, and seeks likewise. */
const growthSamples = 2_000

async function growth(system: System, task: Task, round: Round): Promise<Point[]> {
  const subject = await system.open(round.folder, task)
  const points: Point[] = []
  let records = 0
  const append = async (): Promise<void> => {
    records += subject.recordsPerAppend
    const done = subject.append(0)
    if (done) await done
  }
  for (const size of task.sizes) {
    for (let i = 1; records * task.recordBytes < size; i++) {
      await append()
      if (i % turnAppends === 0) await turn()
    }
    const appends = await timed(growthSamples, append)
    const at = ` at ${sizeOf(size)}`
    points.push({ suffix: `, append${at}`, unit: 'ns', value: appends.p50, percentiles: appends, bytes: size })
    if (subject.seek) {
      // The same pseudo-random walk over the log for everyone.
      let state = 12_345
      const seeks = await timed(growthSamples, () => {
        state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
        return subject.seek!(Math.floor((state / 2_147_483_648) * records))
      })
      points.push({ suffix: `, seek${at}`, unit: 'ns', value: seeks.p50, percentiles: seeks, bytes: size })
    }
  }
  await subject.close()
  return points
}

async function timed(count: number, step: () => undefined | Promise<unknown>): Promise<Percentiles> {
  const samples = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const start = nanoseconds()
    const done = step()
    if (done) await done
    samples[i] = nanoseconds() - start
  }
  return percentiles(samples)
}

/** CPU, memory, full collections and disk writes from `start` on, of this process with all its threads. */
class Costs {
  readonly #cpu = process.cpuUsage()
  readonly #anonymousBytes = anonymousBytes()
  readonly #statPath: string
  readonly #diskBytes: number
  readonly #since = performance.now()
  #fullCollections = 0
  readonly #observer: PerformanceObserver

  private constructor(statPath: string) {
    this.#statPath = statPath
    this.#diskBytes = diskBytesWritten(statPath)
    this.#observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const { detail } = entry as PerformanceEntry & { detail?: NodeGCPerformanceDetail }
        if (entry.startTime >= this.#since && detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR)
          this.#fullCollections++
      }
    })
    this.#observer.observe({ entryTypes: ['gc'] })
  }

  static async start(statPath: string): Promise<Costs> {
    globalThis.gc?.()
    // The collection just made is reported a turn later; `#since` leaves it out in any case.
    await turn()
    return new Costs(statPath)
  }

  async points(bytes: number): Promise<Point[]> {
    const cpu = process.cpuUsage(this.#cpu)
    const memory = anonymousBytes() - this.#anonymousBytes
    // Entries of collections are handed out by the event loop.
    await turn()
    await turn()
    this.#observer.disconnect()
    return [
      { suffix: suffixes.cpu, unit: 's/GB', value: (cpu.user + cpu.system) / 1e6 / (bytes / 1e9), bytes },
      { suffix: suffixes.memory, unit: 'bytes', value: Math.max(0, memory), bytes },
      { suffix: suffixes.collections, unit: 'GCs/GiB', value: this.#fullCollections / (bytes / 2 ** 30), bytes },
    ]
  }

  /** What the whole disk wrote meanwhile, so a quiet machine is asked for. */
  diskPoints(appends: number, bytes: number): Point[] {
    const written = diskBytesWritten(this.#statPath) - this.#diskBytes
    this.#observer.disconnect()
    if (Number.isNaN(written)) return []
    return [{ suffix: suffixes.disk, unit: 'bytes', value: written / appends, bytes }]
  }
}

/** Memory of this process that is no file's: mapped files are the page cache's, not ours. Elsewhere than on Linux: all of it. */
export function anonymousBytes(): number {
  try {
    const found = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))
    if (found) return Number(found[1]) * 1024
  } catch {}
  return process.memoryUsage.rss()
}
