import assert from 'node:assert/strict'
import fc from 'fast-check'
import { percentile, percentiles, spread, summarize } from '../../../bench/macro/statistics.ts'

describe('bench statistics', () => {
  it('takes the middle of an odd count, and the mean of the two middles of an even one', () => {
    assert.deepEqual(summarize([5]), { median: 5, min: 5, max: 5 })
    assert.deepEqual(summarize([3, 1, 2]), { median: 2, min: 1, max: 3 })
    assert.deepEqual(summarize([10, 1, 3, 2]), { median: 2.5, min: 1, max: 10 })
    assert.ok(Number.isNaN(summarize([]).median))
  })

  it('orders figures as numbers, not as text', () => {
    assert.equal(summarize([100, 20, 3]).median, 20)
  })

  it('answers a percentile with the smallest sample that so many do not exceed', () => {
    const thousand = Float64Array.from({ length: 1000 }, (_, i) => i + 1)
    const cases: [Float64Array, number, number][] = [
      [Float64Array.of(7), 0.999, 7],
      [Float64Array.of(1, 2), 0.5, 1],
      [Float64Array.of(1, 2, 3), 0.5, 2],
      [thousand, 0.5, 500],
      [thousand, 0.99, 990],
      [thousand, 0.999, 999],
      [thousand, 1, 1000],
    ]
    for (const [samples, fraction, expected] of cases) assert.equal(percentile(samples, fraction), expected)
  })

  it('gives fewer than 1,000 samples their largest as p99.9', () => {
    assert.deepEqual(percentiles(Float64Array.of(3, 1, 2)), { p50: 2, p99: 3, p999: 3 })
  })

  it('never leaves more than its share of samples above a percentile', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (list, fraction) => {
          const sorted = Float64Array.from(list).sort()
          const value = percentile(sorted, fraction)
          const notAbove = sorted.filter((sample) => sample <= value).length
          assert.ok(notAbove >= fraction * sorted.length - 1e-6)
          const below = sorted.filter((sample) => sample < value).length
          assert.ok(below < fraction * sorted.length + 1e-6)
        },
      ),
    )
  })

  it('states the spread as half the range over the median', () => {
    assert.equal(spread({ median: 100, min: 90, max: 110 }), 0.1)
    assert.equal(spread({ median: 0, min: 0, max: 0 }), 0)
  })
})
