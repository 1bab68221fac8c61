/** Charts as SVG text: bars for rates, lines for sweeps, percentile strips for latencies. Pure; colours come from the page's CSS. */
import { figure, tickFigure } from '../format.ts'
import type { Unit } from '../row.ts'

export interface Bar {
  name: string
  value: number
  min: number
  max: number
  /** Behind the figure, such as a ratio. */
  remark: string
}

export interface Series {
  name: string
  points: { x: number; y: number; min: number; max: number }[]
}

export interface Strip {
  name: string
  p50: number
  p99: number
  p999: number
}

const width = 720
const left = 124

/** Class of a system's colour. Names of peers are told apart in the order of `peerClasses`. */
export function colorClass(system: string): string {
  if (system === 'varve' || system === 'limit') return system
  const index = peerNames.indexOf(system)
  return index < 0 ? 'peer-other' : `peer-${index}`
}
const peerNames = ['lmdb', 'lmdb async', 'classic-level', 'better-sqlite3', 'chronicle']

/** Bars from zero on a linear axis, so that lengths compare truly. Whiskers span the rounds. */
export function barChart(bars: Bar[], unit: Unit): string {
  const rowHeight = 30
  const right = 190
  const top = Math.max(...bars.map((bar) => bar.max), 1e-9)
  const scale = (value: number): number => (value / top) * (width - left - right)
  const body = bars.map((bar, index) => {
    const y = index * rowHeight + 4
    const middle = y + 10
    const end = left + scale(bar.value)
    const whisker =
      bar.max > bar.min
        ? `<path class="whisker" d="M${n(left + scale(bar.min))} ${middle}H${n(left + scale(bar.max))}M${n(left + scale(bar.min))} ${middle - 4}v8M${n(left + scale(bar.max))} ${middle - 4}v8"/>`
        : ''
    const labelAt = Math.max(end, left + scale(bar.max)) + 8
    return `<g><title>${escapeHtml(`${bar.name}: ${figure(bar.value, unit)}, rounds from ${figure(bar.min, unit)} to ${figure(bar.max, unit)}`)}</title>
<text class="name ${colorClass(bar.name)}" x="${left - 8}" y="${middle + 4}" text-anchor="end">${escapeHtml(bar.name)}</text>
<rect class="bar ${colorClass(bar.name)}" x="${left}" y="${y}" width="${n(Math.max(1.5, end - left))}" height="20" rx="2"/>${whisker}
<text class="figure" x="${n(labelAt)}" y="${middle + 4}">${figure(bar.value, unit)}<tspan class="remark" dx="8">${escapeHtml(bar.remark)}</tspan></text></g>`
  })
  return svg(bars.length * rowHeight + 2, body.join('\n'))
}

/** Lines on two logarithmic axes, with the names at their right ends. */
export function lineChart(series: Series[], axes: { x: (value: number) => string; unit: Unit }): string {
  const height = 300
  const right = 118
  const top = 10
  const bottom = 34
  const points = series.flatMap((one) => one.points)
  const xs = [...new Set(points.map((point) => point.x))].sort((a, b) => a - b)
  const yRange = decades(Math.min(...points.map((p) => p.min)), Math.max(...points.map((p) => p.max)))
  const xLow = Math.log10(xs[0]!)
  const xSpan = Math.log10(xs.at(-1)!) - xLow || 1
  const x = (value: number): number => left + ((Math.log10(value) - xLow) / xSpan) * (width - left - right)
  const y = logScale(yRange, height - bottom, top)
  const grid = ticks(yRange).map(
    (tick) =>
      `<path class="grid" d="M${left} ${n(y(tick))}H${width - right}"/><text class="tick" x="${left - 8}" y="${n(y(tick) + 4)}" text-anchor="end">${tickFigure(tick, axes.unit)}</text>`,
  )
  const xTicks = xs.map(
    (value) =>
      `<path class="grid" d="M${n(x(value))} ${top}V${height - bottom}"/><text class="tick" x="${n(x(value))}" y="${height - 14}" text-anchor="middle">${axes.x(value)}</text>`,
  )
  const labels = spreadLabels(
    series.map((one) => y(one.points.at(-1)!.y)),
    14,
    top + 4,
    height - bottom,
  )
  const lines = series.map((one, index) => {
    const path = one.points.map((point, i) => `${i === 0 ? 'M' : 'L'}${n(x(point.x))} ${n(y(point.y))}`).join('')
    const marks = one.points.map(
      (point) =>
        `<g><title>${escapeHtml(`${one.name}, ${axes.x(point.x)}: ${figure(point.y, axes.unit)}`)}</title><path class="whisker" d="M${n(x(point.x))} ${n(y(point.min))}V${n(y(point.max))}"/><circle class="dot ${colorClass(one.name)}" cx="${n(x(point.x))}" cy="${n(y(point.y))}" r="3.5"/></g>`,
    )
    const last = one.points.at(-1)!
    return `<path class="line ${colorClass(one.name)}" d="${path}"/>${marks.join('')}<text class="name ${colorClass(one.name)}" x="${n(x(last.x) + 10)}" y="${n(labels[index]! + 4)}">${escapeHtml(one.name)}</text>`
  })
  return svg(height, [...grid, ...xTicks, ...lines].join('\n'))
}

/** One strip for each system from p50 over p99 to p99.9, on a logarithmic axis: short and to the left is good. */
export function percentileChart(strips: Strip[]): string {
  const rowHeight = 34
  const right = 60
  const height = strips.length * rowHeight + 34
  const range = decades(Math.min(...strips.map((s) => s.p50)), Math.max(...strips.map((s) => s.p999)))
  const x = logScale(range, left, width - right)
  const grid = ticks(range).map(
    (tick) =>
      `<path class="grid" d="M${n(x(tick))} 4V${height - 26}"/><text class="tick" x="${n(x(tick))}" y="${height - 10}" text-anchor="middle">${tickFigure(tick, 'ns')}</text>`,
  )
  const body = strips.map((strip, index) => {
    const y = index * rowHeight + 20
    const color = colorClass(strip.name)
    const marks = ([strip.p50, strip.p99, strip.p999] as const).map((value, i) => {
      const at = n(x(value))
      if (i === 0) return `<circle class="dot ${color}" cx="${at}" cy="${y}" r="6"/>`
      if (i === 1) return `<circle class="ring ${color}" cx="${at}" cy="${y}" r="5"/>`
      return `<path class="whisker ${color}" d="M${at} ${y - 7}v14"/>`
    })
    // Figures that would touch stand on the outer sides of their marks.
    const [before, after] = x(strip.p999) - x(strip.p50) < 64 ? ['end', 'start'] : ['middle', 'middle']
    const text = `${strip.name}: p50 ${figure(strip.p50, 'ns')}, p99 ${figure(strip.p99, 'ns')}, p99.9 ${figure(strip.p999, 'ns')}`
    return `<g><title>${escapeHtml(text)}</title><text class="name ${color}" x="${left - 14}" y="${y + 4}" text-anchor="end">${escapeHtml(strip.name)}</text>
<path class="strip ${color}" d="M${n(x(strip.p50))} ${y}H${n(x(strip.p999))}"/>${marks.join('')}
<text class="value" x="${n(x(strip.p50))}" y="${y - 9}" text-anchor="${before}">${figure(strip.p50, 'ns')}</text><text class="value" x="${n(x(strip.p999))}" y="${y - 9}" text-anchor="${after}">${figure(strip.p999, 'ns')}</text></g>`
  })
  return svg(height, [...grid, ...body].join('\n'))
}

interface Range {
  low: number
  high: number
}

/** Whole decades around the values, as exponents of ten. */
function decades(min: number, max: number): Range {
  const low = Math.floor(Math.log10(Math.max(min, 1e-3)))
  const high = Math.ceil(Math.log10(Math.max(max, 1e-3)))
  return { low, high: high === low ? high + 1 : high }
}

const ticks = ({ low, high }: Range): number[] => Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i))

const logScale =
  ({ low, high }: Range, from: number, to: number) =>
  (value: number): number =>
    from + ((Math.log10(Math.max(value, 1e-3)) - low) / (high - low)) * (to - from)

/** Moves labels apart that would overlap, keeping their order, within `[lowest, highest]`. */
export function spreadLabels(wanted: number[], distance: number, lowest: number, highest: number): number[] {
  const order = wanted.map((at, index) => ({ at, index })).sort((a, b) => a.at - b.at)
  let next = lowest
  for (const label of order) {
    label.at = Math.max(label.at, next)
    next = label.at + distance
  }
  let room = highest
  for (const label of order.reverse()) {
    label.at = Math.min(label.at, room)
    room = label.at - distance
  }
  const result: number[] = []
  for (const { at, index } of order) result[index] = at
  return result
}

const svg = (height: number, body: string): string =>
  `<svg viewBox="0 0 ${width} ${height}" role="img" xmlns="http://www.w3.org/2000/svg">\n${body}\n</svg>`

const n = (value: number): string => value.toFixed(1).replace(/\.0$/, '')

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
