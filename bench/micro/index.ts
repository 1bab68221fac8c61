/**
 * `node dist/bench/micro/index.js [part of a name]`: times single functions and prints a line for each.
 *
 * benchmark.js runs a case for some seconds, in cycles; the error is of its mean over these. On a machine that does
 * other things at the same time, the fastest cycle says more than the mean, so both are printed.
 */
import Benchmark from 'benchmark'
import { codecCases } from './codecs.ts'
import type { MicroCase } from './micro-case.ts'
import { numberCases } from './numbers.ts'
import { recordCases } from './records.ts'

const wanted = process.argv[2] ?? ''
const cases = [...recordCases, ...numberCases, ...codecCases].filter(({ name }) => name.includes(wanted))

let sink: unknown

/** Seconds that a case takes: enough for some thirty cycles. */
const maxTime = 1

function measure({ name, count, unit, run }: MicroCase): string {
  const benchmark = new Benchmark(
    name,
    () => {
      sink = run()
    },
    { maxTime },
  )
  benchmark.run({ async: false })
  const { mean, rme, sample } = benchmark.stats
  const nanoseconds = (seconds: number): string => ((seconds * 1e9) / count).toFixed(2).padStart(9)
  const rate = count / Math.min(...sample) / 1e6
  return `${name.padEnd(38)}${nanoseconds(mean)} ns/${unit.padEnd(6)} ±${rme.toFixed(1).padStart(5)} %   fastest${nanoseconds(Math.min(...sample))} ns   ${rate.toFixed(1).padStart(7)} M ${unit}s/s`
}

if (cases.length === 0) {
  console.error(`No case has "${wanted}" in its name.`)
  process.exitCode = 1
}
for (const one of cases) console.log(measure(one))
void sink
