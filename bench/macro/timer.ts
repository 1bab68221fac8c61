/**
 * The clock of every figure. `performance.now` reads CLOCK_MONOTONIC and is the cheapest that Node has (about 60 ns;
 * `process.hrtime.bigint` about 90). Its cost is measured and printed with every run and *included* in every latency:
 * nothing is subtracted.
 */
import { percentiles } from './statistics.ts'

/** Nanoseconds since this process started. Differences are exact to about a nanosecond. */
export const nanoseconds = (): number => performance.now() * 1e6

/** Nanoseconds on a clock that all processes of a machine share (CLOCK_MONOTONIC since boot). Dearer than `nanoseconds`. */
export function sharedNanoseconds(): number {
  const [seconds, rest] = process.hrtime()
  return seconds * 1e9 + rest
}

/** What lies between two readings with nothing between them. */
export function timerCost(): { p50: number; p99: number; p999: number } {
  const samples = new Float64Array(200_000)
  // The first passes warm the compiler; the last one counts.
  for (let pass = 0; pass < 3; pass++) {
    for (let i = 0; i < samples.length; i++) {
      const start = nanoseconds()
      samples[i] = nanoseconds() - start
    }
  }
  return percentiles(samples)
}
