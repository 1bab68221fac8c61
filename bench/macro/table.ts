/** The table that `varve bench` prints: a heading for each question, a line for each system. Pure. */
import { figure, percent, sizeOf, times } from './format.ts'
import { comparisonKey, type Extra, fastestPeer, isPeer, type Row, ratio, suffixes } from './row.ts'
import { spread } from './statistics.ts'

/** A main figure with what else was measured of the same system in the same case. */
export interface Line {
  row: Row
  extras: Partial<Record<Extra, Row>>
}

/** Lines that answer the same question, in the order in which their rows came. */
export function comparisons(rows: Row[]): Line[][] {
  const groups = new Map<string, Line[]>()
  const lines = new Map<string, Line>()
  for (const row of rows) {
    const extra = extraOf(row)
    if (extra) {
      const line = lines.get(lineKey(row, row.case.slice(0, -suffixes[extra].length)))
      if (line) line.extras[extra] = row
      continue
    }
    const line: Line = { row, extras: {} }
    lines.set(lineKey(row, row.case), line)
    const key = comparisonKey(row)
    const group = groups.get(key)
    if (group) group.push(line)
    else groups.set(key, [line])
  }
  return [...groups.values()]
}

/** Which figure a row holds beside the main one; undefined for the main one. */
export function extraOf(row: Row): Extra | undefined {
  return (Object.keys(suffixes) as Extra[]).find((extra) => row.case.endsWith(suffixes[extra]))
}

/** An extra belongs to the latest main figure before it with this key. Durability is no part of it: a final flush raises that. */
const lineKey = (row: Row, name: string): string =>
  [row.suite, name, row.system, row.recordBytes, row.batchRecords, row.writers].join('|')

interface Column {
  heading: string
  left?: boolean
  cell(line: Line, limit: Row | undefined, best: Row | undefined): string
}

const extraColumn = (extra: Extra, heading: string): Column => ({
  heading,
  cell: ({ extras }) => figure(extras[extra]?.median ?? null, extras[extra]?.unit ?? 'bytes'),
})

const percentileColumn = (name: 'p50' | 'p99' | 'p999', heading: string): Column => ({
  heading,
  cell: ({ row }) => figure(row[name], row.unit),
})

const columns: Column[] = [
  { heading: 'system', left: true, cell: ({ row }) => row.system },
  { heading: 'durability', left: true, cell: ({ row }) => row.durability },
  { heading: 'median', cell: ({ row }) => figure(row.median, row.unit) },
  {
    heading: 'spread',
    cell: ({ row: { median, min, max } }) => `+-${percent(spread({ median: median!, min: min!, max: max! }))}`,
  },
  percentileColumn('p50', 'p50'),
  percentileColumn('p99', 'p99'),
  percentileColumn('p999', 'p99.9'),
  { heading: 'of limit', cell: ({ row }, limit) => (row.system === 'limit' ? '' : times(ratio(row, limit))) },
  {
    heading: 'of best peer',
    cell: ({ row }, _limit, best) => (isPeer(row.system) && row === best ? 'best' : times(ratio(row, best))),
  },
  extraColumn('flushed', 'with final flush'),
  extraColumn('cpu', 'CPU'),
  extraColumn('memory', 'memory'),
  extraColumn('collections', 'full GCs'),
  extraColumn('disk', 'disk per append'),
  { heading: 'rounds', cell: ({ row }) => String(row.rounds) },
]

export function table(rows: Row[]): string {
  const text: string[] = []
  for (const suite of new Set(rows.map((row) => row.suite)))
    text.push(suiteTable(rows.filter((row) => row.suite === suite)))
  const notes = rows
    .filter((row) => row.note && row.median !== null)
    .map((row) => `${row.system}, ${row.case}: ${row.note}`)
  return `${text.join('\n')}${notes.length > 0 ? `\n${[...new Set(notes)].join('\n')}\n` : ''}`
}

function suiteTable(rows: Row[]): string {
  const lines: (string | string[])[] = [`== ${rows[0]!.suite} ==`, columns.map((column) => column.heading)]
  for (const group of comparisons(rows)) {
    const measured = group.map((line) => line.row)
    const limit = measured.find((row) => row.system === 'limit')
    const best = fastestPeer(measured)
    lines.push(title(measured[0]!))
    for (const line of group) {
      const { row } = line
      if (row.median === null) lines.push(`  ${row.system}: ${row.note}`)
      else lines.push(columns.map((column) => column.cell(line, limit, best)))
    }
  }
  return layOut(lines)
}

export function title(row: Row): string {
  const parts = [row.case]
  if (row.recordBytes > 0) parts.push(sizeOf(row.recordBytes))
  if (row.batchRecords > 1) parts.push(`batches of ${row.batchRecords.toLocaleString('en-US')}`)
  if (row.writers > 1) parts.push(`${row.writers} writers`)
  return parts.join(', ')
}

/** Columns as wide as their widest cell, those without a figure left out; lines that are one text stay as they are. */
function layOut(lines: (string | string[])[]): string {
  const cells = lines.filter((line) => typeof line !== 'string')
  const widths = columns.map((_, index) => {
    const [heading, ...values] = cells.map((line) => line[index]!)
    const used = values.some((value) => value !== '' && value !== '-')
    return used ? Math.max(heading!.length, ...values.map((value) => value.length)) : 0
  })
  const lay = (line: string[]): string =>
    columns
      .map(({ left }, index) => {
        const width = widths[index]!
        if (width === 0) return undefined
        const cell = line[index] === '-' ? '' : line[index]!
        return left ? cell.padEnd(width) : cell.padStart(width)
      })
      .filter((cell) => cell !== undefined)
      .join('  ')
      .trimEnd()
  return `${lines.map((line) => (typeof line === 'string' ? line : `  ${lay(line)}`)).join('\n')}\n`
}
