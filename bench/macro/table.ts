/** The table that `varve bench` prints: a heading for each question, a line for each system. Pure. */
import { figure, percent, sizeOf, times } from './format.ts'
import { comparisonKey, fastestPeer, isPeer, ratio, type Row } from './row.ts'
import { spread } from './statistics.ts'

/** Rows that answer the same question, in the order in which they came. */
export function comparisons(rows: Row[]): Row[][] {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const key = comparisonKey(row)
    const group = groups.get(key)
    if (group) group.push(row)
    else groups.set(key, [row])
  }
  return [...groups.values()]
}

const headings = ['', 'system', 'durability', 'median', 'spread', 'p50', 'p99', 'p99.9', 'of limit', 'of best peer', 'rounds']

export function table(rows: Row[]): string {
  const lines: string[][] = []
  const notes: string[] = []
  let suite = ''
  for (const group of comparisons(rows)) {
    const first = group[0]!
    if (first.suite !== suite) {
      suite = first.suite
      lines.push([`== ${suite} ==`], headings)
    }
    lines.push([title(first)])
    const limit = group.find((row) => row.system === 'limit')
    const best = fastestPeer(group)
    for (const row of group) {
      lines.push(cells(row, limit, best))
      if (row.note && row.median !== null) notes.push(`${row.system}, ${row.case}: ${row.note}`)
    }
  }
  return layOut(lines) + (notes.length > 0 ? `\n${[...new Set(notes)].join('\n')}\n` : '')
}

export function title(row: Row): string {
  const parts = [row.case, sizeOf(row.recordBytes)]
  if (row.batchRecords > 1) parts.push(`batches of ${row.batchRecords.toLocaleString('en-US')}`)
  if (row.writers > 1) parts.push(`${row.writers} writers`)
  return parts.join(', ')
}

function cells(row: Row, limit: Row | undefined, best: Row | undefined): string[] {
  if (row.median === null) return ['', row.system, row.durability, row.note]
  const { median, min, max } = row
  const percentiles = row.p50 === null ? ['', '', ''] : [row.p50, row.p99, row.p999].map((value) => figure(value, row.unit))
  return [
    '',
    row.system,
    row.durability,
    figure(median, row.unit),
    `+-${percent(spread({ median, min: min!, max: max! }))}`,
    ...percentiles,
    row.system === 'limit' ? '' : times(ratio(row, limit)),
    isPeer(row.system) && row === best ? 'best' : times(ratio(row, best)),
    String(row.rounds),
  ]
}

/** Columns as wide as their widest cell; a line of one or two texts (headings, reasons) does not widen them. */
function layOut(lines: string[][]): string {
  const widths: number[] = []
  for (const line of lines)
    if (line.length === headings.length)
      line.forEach((cell, column) => {
        widths[column] = Math.max(widths[column] ?? 0, cell.length)
      })
  widths[0] = 1
  return `${lines
    .map((line) => line.map((cell, column) => pad(cell, widths[column] ?? 0, column)).join('  ').trimEnd())
    .join('\n')}\n`
}

/** Names to the left, figures to the right. */
const pad = (cell: string, width: number, column: number): string => (column < 3 ? cell.padEnd(width) : cell.padStart(width))
