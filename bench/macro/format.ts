/** Figures for people: three digits and a unit that fits. Pure. */
import type { Unit } from './row.ts'

const steps: Record<Unit, readonly [number, string][]> = {
  'records/s': [
    [1e9, 'G/s'],
    [1e6, 'M/s'],
    [1e3, 'k/s'],
    [1, '/s'],
  ],
  'MB/s': [
    [1e3, 'GB/s'],
    [1, 'MB/s'],
  ],
  ns: [
    [1e9, 's'],
    [1e6, 'ms'],
    [1e3, 'us'],
    [1, 'ns'],
  ],
  's/GB': [[1, 's/GB']],
  bytes: [
    [1e9, 'GB'],
    [1e6, 'MB'],
    [1e3, 'KB'],
    [1, 'B'],
  ],
  'GCs/GiB': [[1, 'per GiB']],
  maps: [[1, 'maps']],
}

export function figure(value: number | null, unit: Unit): string {
  if (value === null || Number.isNaN(value)) return '-'
  const options = steps[unit]
  const [size, name] = options.find(([step]) => Math.abs(value) >= step) ?? options.at(-1)!
  return `${threeDigits(value / size)} ${name}`
}

/** An axis value: a power of ten, without decimals. */
export function tickFigure(value: number, unit: Unit): string {
  const options = steps[unit]
  const [size, name] = options.find(([step]) => value >= step * 0.999) ?? options.at(-1)!
  return `${Number((value / size).toPrecision(3)).toLocaleString('en-US')} ${name}`
}

export function threeDigits(value: number): string {
  const magnitude = Math.abs(value)
  if (magnitude >= 1000) return Math.round(value).toLocaleString('en-US')
  if (magnitude >= 100) return value.toFixed(0)
  if (magnitude >= 10) return value.toFixed(1)
  return magnitude === 0 ? '0' : value.toFixed(2)
}

export const times = (value: number | null): string => (value === null ? '' : `${threeDigits(value)}x`)

export const percent = (share: number): string => `${Math.round(share * 100)} %`

export const sizeOf = (bytes: number): string =>
  bytes >= 1e9
    ? `${bytes / 1e9} GB`
    : bytes >= 1e6
      ? `${bytes / 1e6} MB`
      : bytes >= 1e3
        ? `${bytes / 1e3} KB`
        : `${bytes} B`
