/**
 * One line of a report: one case, one system, one figure. The JSON file is an array of these and nothing else, so that
 * anything that reads JSON can compare two runs.
 */
import type { MachineFacts } from './machine.ts'
import { summarize } from './statistics.ts'

/** `records/s` and `MB/s` are better when higher, all others when lower. `s/GB` is CPU time per 10^9 bytes of records; `bytes` is memory or disk; `GCs/GiB` counts full collections, `maps` ranges of mapped memory. */
export type Unit = 'records/s' | 'MB/s' | 'ns' | 's/GB' | 'bytes' | 'GCs/GiB' | 'maps'

export const suites = ['append', 'latency', 'sync', 'read', 'open', 'readers', 'growth'] as const
export type Suite = (typeof suites)[number]

/** What an acknowledged record survives: the process (`buffered`), the power cut after the next background flush (`interval`), every power cut (`synced`). `memory` is the memcpy limit, which reaches no file. */
export type Durability = 'memory' | 'buffered' | 'interval' | 'synced'

/** What a case is, without who ran it. Two rows with equal keys are comparable. */
export interface CaseKey {
  suite: Suite
  case: string
  durability: Durability
  /** Bytes of a record's value. */
  recordBytes: number
  /** Records that become one batch, one transaction, one write. */
  batchRecords: number
  /** Loops that append at the same time and wait for their own acknowledgement. */
  writers: number
}

export interface Row extends CaseKey {
  /** `varve`, `limit` (what the machine can do at all), or the peer's name. */
  system: string
  unit: Unit
  /** Over the counted rounds; null when the case was not run. */
  median: number | null
  min: number | null
  max: number | null
  /** Of single operations: each the median, over the rounds, of that round's percentile. Null where only a total was timed. */
  p50: number | null
  p99: number | null
  p999: number | null
  /** Bytes of records that one round handled (median). */
  bytes: number | null
  fileSystem: string
  device: string
  kernel: string
  cpu: string
  node: string
  /** Rounds counted, without the discarded first. */
  rounds: number
  /** `not run: <reason>`, or a remark such as that rounds were cut short; empty otherwise. */
  note: string
}

/** What a case's name ends with where a row holds something else than its main figure. */
export const suffixes = {
  flushed: ', after a final flush',
  cpu: ', CPU',
  memory: ', memory',
  collections: ', full collections',
  disk: ', disk bytes per append',
} as const
export type Extra = keyof typeof suffixes

/** One figure of one round, as a system measured it. */
export interface Point {
  /** Appended to the case's name: '' for the main figure, one of `suffixes` for others. */
  suffix: string
  unit: Unit
  value: number
  percentiles?: Percentiles
  bytes: number
  /** Where the figure was reached with another durability than the case's (a final flush). */
  durability?: Durability
  recordBytes?: number
  note?: string
}

export interface Percentiles {
  p50: number
  p99: number
  p999: number
}

/** The rows of one system in one case: one for each suffix and unit that its rounds reported. */
export function rowsOf(key: CaseKey, system: string, rounds: Point[][], machine: MachineFacts): Row[] {
  const groups = new Map<string, Point[]>()
  for (const points of rounds)
    for (const point of points) {
      const id = `${point.suffix}|${point.unit}`
      const group = groups.get(id)
      if (group) group.push(point)
      else groups.set(id, [point])
    }
  return [...groups.values()].map((points) => {
    const first = points[0]!
    const { median, min, max } = summarize(points.map((point) => point.value))
    const percentile = (name: keyof Percentiles): number | null =>
      first.percentiles ? summarize(points.map((point) => point.percentiles?.[name] ?? Number.NaN)).median : null
    return {
      suite: key.suite,
      case: key.case + first.suffix,
      system,
      durability: first.durability ?? key.durability,
      recordBytes: first.recordBytes ?? key.recordBytes,
      batchRecords: key.batchRecords,
      writers: key.writers,
      unit: first.unit,
      median,
      min,
      max,
      p50: percentile('p50'),
      p99: percentile('p99'),
      p999: percentile('p999'),
      bytes: summarize(points.map((point) => point.bytes)).median,
      ...machineColumns(machine),
      rounds: points.length,
      note: [...new Set(points.map((point) => point.note ?? '').filter(Boolean))].join('; '),
    }
  })
}

/** The row of a system that could not take part: never a silent gap. */
export function notRunRow(key: CaseKey, system: string, unit: Unit, reason: string, machine: MachineFacts): Row {
  return {
    suite: key.suite,
    case: key.case,
    system,
    durability: key.durability,
    recordBytes: key.recordBytes,
    batchRecords: key.batchRecords,
    writers: key.writers,
    unit,
    median: null,
    min: null,
    max: null,
    p50: null,
    p99: null,
    p999: null,
    bytes: null,
    ...machineColumns(machine),
    rounds: 0,
    note: `not run: ${reason}`,
  }
}

function machineColumns(machine: MachineFacts): Pick<Row, 'fileSystem' | 'device' | 'kernel' | 'cpu' | 'node'> {
  const { fileSystem, device, kernel, cpu, node } = machine
  return { fileSystem, device, kernel, cpu, node }
}

/** Equal for rows that answer the same question. */
export function comparisonKey(row: Row): string {
  return [row.suite, row.case, row.durability, row.recordBytes, row.batchRecords, row.writers, row.unit].join('|')
}

export const higherIsBetter = (unit: Unit): boolean => unit === 'records/s' || unit === 'MB/s'

/** How many times better than `other` this is: 2 is twice the rate, or half the time. Null where either is missing. */
export function ratio(row: Row, other: Row | undefined): number | null {
  if (!other || row.median === null || other.median === null || other.median === 0 || row.median === 0) return null
  return higherIsBetter(row.unit) ? row.median / other.median : other.median / row.median
}

export const isPeer = (system: string): boolean => system !== 'varve' && system !== 'limit'

/** The best of the peers among rows of one comparison. */
export function fastestPeer(rows: Row[]): Row | undefined {
  let best: Row | undefined
  for (const row of rows)
    if (isPeer(row.system) && row.median !== null && (best === undefined || ratio(row, best)! > 1)) best = row
  return best
}
