/** What is measured, at three scales. Each suite says its question. */
import { sizeOf } from './format.ts'
import type { Scale } from './options.ts'
import type { Durability, Suite } from './row.ts'
import { suites } from './row.ts'
import type { Task } from './task.ts'

/** What the scales change. `bytes` of the main cases and of the sweeps are upper bounds: `seconds` ends a round earlier. */
interface Plan {
  rounds: number
  seconds: number
  /** Rounds and seconds of the sweeps, of which there are many. */
  sweepRounds: number
  sweepSeconds: number
  mainBytes: number
  sweepBytes: number
  latencyRecords: number
  readBytes: number
  recoverBytes: readonly number[]
  growthSizes: readonly number[]
  idleLogs: number
}

const plans: Record<Scale, Plan> = {
  quick: {
    rounds: 2,
    seconds: 0.5,
    sweepRounds: 1,
    sweepSeconds: 0.15,
    mainBytes: 32e6,
    sweepBytes: 8e6,
    latencyRecords: 50_000,
    readBytes: 16e6,
    recoverBytes: [32e6],
    growthSizes: [1e6, 4e6, 16e6],
    idleLogs: 50,
  },
  default: {
    rounds: 5,
    seconds: 0.8,
    sweepRounds: 3,
    sweepSeconds: 0.25,
    mainBytes: 500e6,
    sweepBytes: 64e6,
    latencyRecords: 500_000,
    readBytes: 100e6,
    recoverBytes: [100e6, 1e9],
    growthSizes: [1e6, 10e6, 100e6, 500e6, 1e9],
    idleLogs: 200,
  },
  long: {
    rounds: 9,
    seconds: 10,
    sweepRounds: 5,
    sweepSeconds: 5,
    mainBytes: 1e9,
    sweepBytes: 256e6,
    latencyRecords: 2_000_000,
    readBytes: 500e6,
    recoverBytes: [100e6, 1e9, 10e9],
    growthSizes: [1e6, 10e6, 100e6, 1e9, 5e9, 10e9, 20e9],
    idleLogs: 1_000,
  },
}

const peers = ['lmdb', 'lmdb async', 'classic-level', 'better-sqlite3'] as const
const embedded = ['limit', 'varve', ...peers] as const
/** The same store read or opened: how it was written makes no difference. */
const stores = ['lmdb', 'classic-level', 'better-sqlite3'] as const
/** Chronicle has no batches: its place is where records come one by one. */
const withChronicle = [...embedded, 'chronicle'] as const
const own = ['limit', 'varve'] as const

/** Bytes that one batch of a size sweep holds: about what a producer's default batch and a socket's read come to. */
const sweepBatchBytes = 100_000

export function casesOf(scale: Scale, wanted: readonly Suite[] = suites): Task[] {
  const plan = plans[scale]
  const tasks: Record<Suite, () => Task[]> = {
    append: () => appendCases(plan),
    latency: () => latencyCases(plan),
    sync: () => syncCases(plan),
    read: () => readCases(plan),
    open: () => openCases(plan),
    readers: () => readerCases(plan),
    growth: () => growthCases(plan),
  }
  return suites.filter((suite) => wanted.includes(suite)).flatMap((suite) => tasks[suite]())
}

/** The bytes that the largest case leaves in the page cache: what has to be warmed. */
export const warmBytes = (scale: Scale): number => plans[scale].mainBytes

type Given = Partial<Task> & Pick<Task, 'suite' | 'case' | 'operation' | 'systems'>

function task(plan: Plan, given: Given): Task {
  return {
    durability: 'buffered',
    recordBytes: 100,
    batchRecords: 1000,
    writers: 1,
    logs: 1,
    unit: 'records/s',
    variant: '',
    records: 0,
    seconds: plan.seconds,
    rounds: plan.rounds,
    perSecond: 0,
    sizes: [],
    costs: false,
    ...given,
  }
}

/** How many records a second are stored, by size of record, size of batch, durability and number of writers? */
function appendCases(plan: Plan): Task[] {
  const append = (name: string, systems: readonly string[], given: Partial<Task>): Task => {
    const recordBytes = given.recordBytes ?? 100
    const bytes = given.costs ? plan.mainBytes : plan.sweepBytes
    const shorter = given.costs ? {} : { rounds: plan.sweepRounds, seconds: plan.sweepSeconds }
    const records = Math.max(1, Math.floor(bytes / recordBytes))
    return task(plan, { suite: 'append', case: name, operation: 'throughput', systems, records, ...shorter, ...given })
  }
  const sizes = [10, 100, 1_000, 10_000, 100_000, 1_000_000]
  const levels: Durability[] = ['buffered', 'interval', 'synced']
  return [
    append('memory copy', ['limit'], { durability: 'memory', costs: true }),
    append('append', embedded, { costs: true }),
    append('append', embedded, { recordBytes: 1_000, batchRecords: 100, costs: true }),
    ...sizes.map((recordBytes) =>
      append('by record size', embedded, {
        recordBytes,
        batchRecords: Math.min(1000, Math.max(1, Math.floor(sweepBatchBytes / recordBytes))),
      }),
    ),
    ...[1, 10, 100, 1_000, 10_000].map((batchRecords) =>
      append('by batch size', batchRecords === 1 ? withChronicle : embedded, { batchRecords }),
    ),
    ...levels.flatMap((durability) =>
      [1, 4, 16, 64].map((writers) =>
        append('by writers, into one log', hasLimit(durability, writers) ? own : ['varve'], {
          durability,
          writers,
          batchRecords: 100,
        }),
      ),
    ),
    ...levels.map((durability) =>
      append('64 writers, into 64 logs', hasLimit(durability, 64) ? own : ['varve'], {
        durability,
        writers: 64,
        logs: 64,
        batchRecords: 100,
      }),
    ),
  ]
}

/** The bare loop knows no timed flush, and more writers mean something to it only where they share one. */
const hasLimit = (durability: Durability, writers: number): boolean =>
  durability === 'synced' || (durability === 'buffered' && writers === 1)

/** How long does one record of 100 bytes take, back to back and at a fixed rate, where a stall counts for all that it delays? */
function latencyCases(plan: Plan): Task[] {
  const one = { suite: 'latency', unit: 'ns', batchRecords: 1, records: plan.latencyRecords } as const
  return [
    task(plan, { ...one, case: 'one record, back to back', operation: 'latency', systems: withChronicle }),
    ...[10_000, 100_000].map((perSecond) =>
      task(plan, {
        ...one,
        case: `one record, ${perSecond / 1000},000 a second`,
        operation: 'paced',
        systems: ['limit', 'varve', 'lmdb', 'better-sqlite3', 'chronicle'],
        perSecond,
        records: Math.floor(perSecond * plan.seconds * 0.9),
      }),
    ),
    task(plan, {
      ...one,
      case: 'batch of 1,000, back to back',
      operation: 'latency',
      systems: embedded,
      batchRecords: 1000,
      records: plan.latencyRecords * 10,
    }),
  ]
}

/** What does it cost to survive a power cut: one writer that waits, 64 that share flushes, and 64 logs of their own? */
function syncCases(plan: Plan): Task[] {
  const sync = { suite: 'sync', durability: 'synced', recordBytes: 100, batchRecords: 1, records: 10_000_000 } as const
  return [
    task(plan, {
      ...sync,
      case: 'one writer',
      operation: 'latency',
      unit: 'ns',
      systems: embedded,
      records: 100_000,
      costs: true,
    }),
    task(plan, {
      ...sync,
      case: 'one writer',
      operation: 'latency',
      unit: 'ns',
      systems: own,
      recordBytes: 16_000,
      records: 100_000,
      costs: true,
    }),
    task(plan, {
      ...sync,
      case: '64 writers, one log',
      operation: 'throughput',
      systems: embedded,
      writers: 64,
      costs: true,
    }),
    task(plan, {
      ...sync,
      case: '64 writers, 64 logs',
      operation: 'throughput',
      systems: own,
      writers: 64,
      logs: 64,
      costs: true,
    }),
    task(plan, {
      ...sync,
      case: '64 files, flushed by 16 threads',
      operation: 'throughput',
      systems: ['limit'],
      writers: 64,
      logs: 64,
      variant: 'parallel',
    }),
  ]
}

/** How fast does it come back from a warm page cache, merely walked, as owned values, and as views? */
function readCases(plan: Plan): Task[] {
  const readers: [string, readonly string[]][] = [
    // Chronicle copies into a buffer that it uses again: no values are made, as in a walk.
    ['walk', [...own, 'chronicle']],
    ['owned', ['varve', ...stores]],
    ['views', ['varve']],
  ]
  return [100, 1_000].flatMap((recordBytes) =>
    readers.map(([variant, systems]) =>
      task(plan, {
        suite: 'read',
        case: `read, ${variant}`,
        operation: 'read',
        systems,
        variant,
        recordBytes,
        batchRecords: recordBytes === 100 ? 1000 : 100,
        records: Math.floor(plan.readBytes / recordBytes / 1000) * 1000,
        costs: true,
      }),
    ),
  )
}

/** How long until a store can be used: a new one, and one whose writer was killed? What does an open log cost that does nothing? */
function openCases(plan: Plan): Task[] {
  return [
    task(plan, {
      suite: 'open',
      case: 'open an empty folder, append one record',
      operation: 'first-append',
      unit: 'ns',
      systems: ['varve', ...stores],
      batchRecords: 1,
      records: 20,
    }),
    ...plan.recoverBytes.map((bytes) =>
      task(plan, {
        suite: 'open',
        case: `open ${sizeOf(bytes)} after kill -9`,
        operation: 'recover',
        unit: 'ns',
        systems: bytes > 100e6 ? ['varve'] : ['varve', ...stores],
        records: bytes / 100,
        rounds: Math.min(plan.rounds, 3),
      }),
    ),
    task(plan, {
      suite: 'open',
      case: 'idle open log',
      operation: 'idle',
      unit: 'bytes',
      systems: ['varve'],
      logs: plan.idleLogs,
      recordBytes: 0,
      batchRecords: 1,
    }),
  ]
}

/** How soon does another process see a record, when it sleeps until it is woken, and when it never sleeps? */
function readerCases(plan: Plan): Task[] {
  const follow = (reader: string, variant: string, systems: readonly string[], perSecond: number): Task =>
    task(plan, {
      suite: 'readers',
      case: `${reader}, ${perSecond / 1000},000 a second`,
      operation: 'follow',
      unit: 'ns',
      systems,
      variant,
      batchRecords: 1,
      perSecond,
      records: Math.ceil(perSecond * plan.seconds),
    })
  return [1_000, 10_000].flatMap((perSecond) => [
    follow('another process that waits', 'wait', own, perSecond),
    follow('another process that spins', 'spin', ['varve'], perSecond),
    follow('another process that spins, in C++', 'native', ['varve'], perSecond),
  ])
}

/** Do appends and seeks cost the same when the log is large? */
function growthCases(plan: Plan): Task[] {
  return [
    task(plan, {
      suite: 'growth',
      case: 'growing log',
      operation: 'growth',
      unit: 'ns',
      systems: plan.growthSizes.at(-1)! > 1e9 ? own : ['limit', 'varve', 'lmdb'],
      batchRecords: 100,
      sizes: plan.growthSizes,
      rounds: plan.growthSizes.at(-1)! > 1e9 ? 2 : Math.min(plan.rounds, 3),
    }),
  ]
}
