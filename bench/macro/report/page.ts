/** The HTML report: one file, no scripts, no requests. Pure: rows in, text out. */
import { figure, percent, sizeOf, times } from '../format.ts'
import { fastestPeer, higherIsBetter, isPeer, type Row, ratio, type Suite } from '../row.ts'
import { spread } from '../statistics.ts'
import { comparisons, extraOf, type Line, title } from '../table.ts'
import { barChart, escapeHtml, lineChart, percentileChart, type Series } from './charts.ts'
import { style } from './style.ts'

export interface About {
  scale: string
  date: Date
}

export function reportPage(rows: Row[], about: About): string {
  const first = rows[0]
  const facts = first
    ? [first.cpu, first.kernel, `Node ${first.node}`, `${first.fileSystem} on ${first.device}`, `${about.scale} run`]
    : []
  const missing = [...new Set(rows.filter((row) => row.median === null).map((row) => `${row.system}: ${row.note}`))]
  const measured = [...new Set(rows.map((row) => row.suite))]
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>varve bench</title><style>${style}</style></head><body>
<header><h1>varve bench</h1><p class="facts">${facts.map((fact) => `<span>${escapeHtml(fact)}</span>`).join('')}<span>${about.date.toISOString().slice(0, 10)}</span></p>
<p class="key"><b class="varve">varve</b><b class="limit">limit: what this machine can do with nothing on top</b><b class="peer-0">peers</b> &mdash; all measured in this one run, in interleaved rounds; the first round is discarded; whiskers span the rounds. In latencies the dot is p50, the ring p99, the end p99.9.</p></header>
${scoreboard(rows)}
${measured
  .map((suite) =>
    section(
      suite,
      rows.filter((row) => row.suite === suite),
    ),
  )
  .join('\n')}
${missing.length > 0 ? `<section><h2>Not run</h2><ul>${missing.map((text) => `<li>${escapeHtml(text)}</li>`).join('')}</ul></section>` : ''}
<footer><p>Latencies contain the clock's own cost (its row stands in <i>latency</i>). Percentiles are the median over the rounds of each round's. CPU is this process with all its threads, user and kernel; the kernel's own writers are not in it. Memory is what one round added beyond mapped files. <i>With final flush</i>: the same run, timed until all of it survives a power cut.</p></footer>
</body></html>
`
}

const questions: Record<Suite, string> = {
  append: 'How many records a second are stored?',
  latency: 'How long does one record take?',
  sync: 'What does it cost to survive a power cut?',
  read: 'How fast do records come back from a warm page cache?',
  open: 'How long until a store can be used, also after a crash, and what does an idle log cost?',
  readers: 'How soon does another process see a record?',
  growth: 'Does the cost stay the same while the log grows?',
}

interface Headline {
  label: string
  suite: Suite
  case: string
  recordBytes: number
  figure: 'median' | 'p99'
}

const headlines: Headline[] = [
  { label: 'append, 100 B, batches of 1,000', suite: 'append', case: 'append', recordBytes: 100, figure: 'median' },
  { label: 'read back, keys and values', suite: 'read', case: 'read, owned', recordBytes: 100, figure: 'median' },
  { label: 'one record, p50', suite: 'latency', case: 'one record, back to back', recordBytes: 100, figure: 'median' },
  { label: 'synced, one writer, p50', suite: 'sync', case: 'one writer', recordBytes: 100, figure: 'median' },
  {
    label: 'synced, 64 writers, one log',
    suite: 'sync',
    case: '64 writers, one log',
    recordBytes: 100,
    figure: 'median',
  },
  {
    label: 'open 1 GB after kill -9',
    suite: 'open',
    case: 'open 1 GB after kill -9',
    recordBytes: 100,
    figure: 'median',
  },
  {
    label: 'seen by another process, p99',
    suite: 'readers',
    case: 'another process that waits, 1,000 a second',
    recordBytes: 100,
    figure: 'p99',
  },
]

/** A tile for each headline that varve has a figure for. */
function scoreboard(rows: Row[]): string {
  const groups = comparisons(rows)
  const tiles = headlines.flatMap((headline) => {
    const group = groups
      .map((lines) => lines.map((line) => line.row))
      .find(
        ([row]) =>
          row!.suite === headline.suite && row!.case === headline.case && row!.recordBytes === headline.recordBytes,
      )
    const row = group?.find(({ system }) => system === 'varve')
    if (!group || !row || row.median === null) return []
    const best = fastestPeer(group)
    const toLimit = ratio(
      row,
      group.find(({ system }) => system === 'limit'),
    )
    const remarks = [
      best ? `${times(ratio(row, best))} the fastest peer (${best.system})` : '',
      toLimit === null ? '' : againstLimit(toLimit, row),
    ].filter(Boolean)
    return `<div class="tile"><div class="label">${escapeHtml(headline.label)}</div><div class="big">${figure(row[headline.figure], row.unit)}</div><div class="remark">${escapeHtml(remarks.join(' · '))}</div><div class="durability">${row.durability}</div></div>`
  })
  return tiles.length > 0 ? `<section class="tiles">${tiles.join('')}</section>` : ''
}

function section(suite: Suite, rows: Row[]): string {
  const groups = comparisons(rows)
  const sweeps = sweepsOf(suite, groups)
  const single = groups.filter((group) => !sweeps.some((sweep) => sweep.groups.includes(group)))
  return `<section><h2>${suite}</h2><p class="question">${questions[suite]}</p>
${single.map(groupChart).join('\n')}
${sweeps.map(({ heading, chart }) => `<figure><figcaption>${escapeHtml(heading)}</figcaption>${chart}</figure>`).join('\n')}
<details><summary>all figures</summary>${fullTable(rows)}</details></section>`
}

/** One comparison as a chart; '' where nobody has a figure, or only one has and it is none of ours. */
function groupChart(group: Line[]): string {
  const rows = group.map((line) => line.row).filter((row) => row.median !== null)
  const first = rows[0]
  if (!first) return ''
  const best = fastestPeer(rows)
  const durability = first.durability === 'memory' ? '' : `, ${first.durability}`
  const caption = `<figcaption>${escapeHtml(title(first))}${durability}</figcaption>`
  if (rows.every((row) => row.p50 !== null)) {
    const strips = rows.map(({ system, p50, p99, p999 }) => ({ name: system, p50: p50!, p99: p99!, p999: p999! }))
    return `<figure>${caption}${percentileChart(strips)}</figure>`
  }
  const limit = rows.find((row) => row.system === 'limit')
  const bars = rows.map((row) => ({
    name: row.system,
    value: row.median!,
    min: row.min!,
    max: row.max!,
    remark: row.system === 'varve' ? remarkOf(row, limit, best) : '',
  }))
  return `<figure>${caption}${barChart(bars, first.unit)}${extraCharts(group)}</figure>`
}

/** What else was measured of at least two systems, as small charts below the main one. */
function extraCharts(group: Line[]): string {
  const headings = {
    flushed: 'the same run until all of it survives a power cut',
    cpu: 'CPU time for 1 GB of values',
  } as const
  return (Object.keys(headings) as (keyof typeof headings)[])
    .map((extra) => {
      const rows = group.flatMap(({ extras }) => extras[extra] ?? [])
      if (rows.length < 2) return ''
      const bars = rows.map(({ system, median, min, max }) => ({
        name: system,
        value: median!,
        min: min!,
        max: max!,
        remark: '',
      }))
      return `<p class="extra">${headings[extra]}</p>${barChart(bars, rows[0]!.unit)}`
    })
    .join('')
}

function remarkOf(row: Row, limit: Row | undefined, best: Row | undefined): string {
  const parts = []
  if (best) parts.push(`${times(ratio(row, best))} ${best.system}`)
  const toLimit = ratio(row, limit)
  if (toLimit !== null) parts.push(againstLimit(toLimit, row))
  return parts.join(', ')
}

/** A share of the limit's rate, or a multiple of its time. */
const againstLimit = (toLimit: number, row: Row): string =>
  higherIsBetter(row.unit)
    ? toLimit > 1
      ? `${times(toLimit)} the limit`
      : `${percent(toLimit)} of the limit`
    : `${times(1 / toLimit)} the limit's time`

interface Sweep {
  heading: string
  groups: Line[][]
  chart: string
}

/** Cases that differ in one number become lines over it. */
function sweepsOf(suite: Suite, groups: Line[][]): Sweep[] {
  const named = (name: string): Line[][] => groups.filter((group) => group[0]!.row.case === name)
  const sweeps: Sweep[] = []
  const add = (heading: string, chosen: Line[][], x: (row: Row) => number, label: (value: number) => string): void => {
    const series = seriesOf(chosen, x)
    if (new Set(series.flatMap((one) => one.points.map((point) => point.x))).size < 2) return
    const { unit } = chosen[0]![0]!.row
    sweeps.push({ heading, groups: chosen, chart: lineChart(series, { x: label, unit }) })
  }
  if (suite === 'append') {
    add('by record size, batches of about 100 KB, buffered', named('by record size'), (row) => row.recordBytes, sizeOf)
    add('by records in a batch, 100 B, buffered', named('by batch size'), (row) => row.batchRecords, String)
    for (const durability of ['buffered', 'interval', 'synced']) {
      const chosen = named('by writers, into one log').filter((group) => group[0]!.row.durability === durability)
      add(`by writers into one log, 100 B, batches of 100, ${durability}`, chosen, (row) => row.writers, String)
    }
  }
  if (suite === 'growth')
    for (const verb of ['append', 'seek']) {
      const chosen = groups.filter((group) => group[0]!.row.case.includes(`, ${verb} at `))
      add(`${verb}, p50, by size of the log`, chosen, (row) => row.bytes ?? 1, sizeOf)
    }
  return sweeps
}

function seriesOf(groups: Line[][], x: (row: Row) => number): Series[] {
  const series = new Map<string, Series>()
  for (const { row } of groups.flat()) {
    if (row.median === null) continue
    const one = series.get(row.system) ?? { name: row.system, points: [] }
    one.points.push({ x: x(row), y: row.median, min: row.min!, max: row.max! })
    series.set(row.system, one)
  }
  for (const one of series.values()) one.points.sort((a, b) => a.x - b.x)
  return [...series.values()]
}

function fullTable(rows: Row[]): string {
  const heads = [
    'case',
    'system',
    'durability',
    'median',
    'spread',
    'p50',
    'p99',
    'p99.9',
    'of limit',
    'of best peer',
    'rounds',
    'note',
  ]
  const mains = new Map(comparisons(rows).flatMap((group) => group.map((line) => [line.row, group] as const)))
  const body = rows.map((row) => {
    const group = mains.get(row)?.map((line) => line.row) ?? []
    const best = fastestPeer(group)
    const limit = group.find((other) => other.system === 'limit')
    const { median, min, max } = row
    const cells = [
      title(row),
      row.system,
      row.durability,
      figure(median, row.unit),
      median === null ? '' : percent(spread({ median, min: min!, max: max! })),
      ...[row.p50, row.p99, row.p999].map((value) => (value === null ? '' : figure(value, row.unit))),
      row.system === 'limit' ? '' : times(ratio(row, limit)),
      isPeer(row.system) && row === best ? 'best' : times(ratio(row, best)),
      row.rounds ? String(row.rounds) : '',
      row.note,
    ]
    return `<tr${row.system === 'varve' ? ' class="own"' : extraOf(row) ? ' class="extra"' : ''}>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`
  })
  return `<table><thead><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr></thead><tbody>${body.join('\n')}</tbody></table>`
}
