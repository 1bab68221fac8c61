import assert from 'node:assert/strict'
import { spreadLabels } from '../../../bench/macro/report/charts.ts'
import { reportPage } from '../../../bench/macro/report/page.ts'
import { row } from './rows.ts'

const about = { scale: 'quick', date: new Date(0) }

describe('bench report', () => {
  it('is one page without scripts or requests', () => {
    const page = reportPage([row({ system: 'limit' }), row({})], about)
    assert.match(page, /^<!doctype html>/)
    assert.doesNotMatch(page, /<script|<link|src=|@import|url\(/)
  })

  it('shows a bar for each system, and names what was not run', () => {
    const page = reportPage(
      [row({ system: 'limit', median: 2e6 }), row({ system: 'lmdb', median: null, note: 'not run: no package' })],
      about,
    )
    assert.match(page, /2\.00 M\/s/)
    assert.match(page, /<li>lmdb: not run: no package<\/li>/)
  })

  it('draws a sweep as lines over what changes', () => {
    const sweep = [10, 100, 1000].map((recordBytes) => row({ case: 'by record size', recordBytes, median: 1e6 }))
    const page = reportPage(sweep, about)
    assert.match(page, /class="line varve" d="M124 [\d.]+L[\d.]+ [\d.]+L602 [\d.]+"/)
  })

  it('draws latencies as strips', () => {
    const page = reportPage([row({ suite: 'latency', unit: 'ns', median: 500, p50: 500, p99: 900, p999: 4000 })], about)
    assert.match(page, /class="strip varve"/)
    assert.match(page, /varve: p50 500 ns, p99 900 ns, p99\.9 4\.00 us/)
  })

  it('lets no text of a row become markup', () => {
    const page = reportPage([row({ case: '<img src=x>', device: '"><b>', note: '<i>' })], about)
    assert.doesNotMatch(page, /<img|"><b>|<i><\/td>/)
  })

  it('does not fail on a run that measured nothing', () => {
    assert.match(reportPage([], about), /varve bench/)
  })

  it('moves labels apart within their bounds, in order', () => {
    assert.deepEqual(spreadLabels([10, 50], 14, 0, 100), [10, 50])
    assert.deepEqual(spreadLabels([10, 10, 12], 14, 0, 100), [10, 24, 38])
    assert.deepEqual(spreadLabels([99, 98], 14, 0, 100), [100, 86])
  })
})
