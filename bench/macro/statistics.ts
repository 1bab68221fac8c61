/** Exact statistics over arrays of samples. Pure. */
import type { Percentiles } from './row.ts'

export interface Summary {
  median: number
  min: number
  max: number
}

/** Median of an even count is the mean of the two in the middle. NaN for an empty list. */
export function summarize(values: readonly number[]): Summary {
  const sorted = Float64Array.from(values).sort()
  const count = sorted.length
  if (count === 0) return { median: Number.NaN, min: Number.NaN, max: Number.NaN }
  const middle = count >> 1
  const median = count % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median, min: sorted[0]!, max: sorted[count - 1]! }
}

/**
 * The smallest sample that at least `fraction` of all samples do not exceed (nearest rank): always a value that was
 * really measured.
 * @param sorted Ascending, at least one.
 */
export function percentile(sorted: Float64Array, fraction: number): number {
  // The subtraction keeps products such as 0.999 * 1000 = 999.0000000000001 from skipping a rank.
  const rank = Math.ceil(fraction * sorted.length - 1e-9)
  return sorted[Math.min(sorted.length, Math.max(1, rank)) - 1]!
}

/** Sorts `samples` in place. Fewer than 1,000 samples have no 99.9th percentile of their own: it is then the largest. */
export function percentiles(samples: Float64Array): Percentiles {
  if (samples.length === 0) return { p50: Number.NaN, p99: Number.NaN, p999: Number.NaN }
  samples.sort()
  return { p50: percentile(samples, 0.5), p99: percentile(samples, 0.99), p999: percentile(samples, 0.999) }
}

/** Half the distance between the best and the worst round, as a share of the median. */
export function spread({ median, min, max }: Summary): number {
  return median === 0 ? 0 : (max - min) / 2 / median
}
