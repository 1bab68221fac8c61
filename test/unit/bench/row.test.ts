import assert from 'node:assert/strict'
import { type CaseKey, fastestPeer, notRunRow, type Point, ratio, rowsOf, suffixes } from '../../../bench/macro/row.ts'
import { comparisons, table } from '../../../bench/macro/table.ts'
import { machine, row } from './rows.ts'

const key: CaseKey = {
  suite: 'append',
  case: 'append',
  durability: 'buffered',
  recordBytes: 100,
  batchRecords: 1000,
  writers: 1,
}

describe('bench rows', () => {
  it('carry every column of the report, for what was measured and for what was not', () => {
    const columns = [
      'suite',
      'case',
      'system',
      'durability',
      'recordBytes',
      'batchRecords',
      'writers',
      'unit',
      'median',
      'min',
      'max',
      'p50',
      'p99',
      'p999',
      'bytes',
      'fileSystem',
      'device',
      'kernel',
      'cpu',
      'node',
      'rounds',
      'note',
    ]
    const [measured] = rowsOf(key, 'varve', [[{ suffix: '', unit: 'records/s', value: 1, bytes: 100 }]], machine)
    const missing = notRunRow(key, 'lmdb', 'records/s', 'it is not installed', machine)
    assert.deepEqual(Object.keys(measured!), columns)
    assert.deepEqual(Object.keys(missing), columns)
    assert.equal(missing.note, 'not run: it is not installed')
    assert.equal(missing.median, null)
  })

  it('take the median and the range over the rounds, and percentiles likewise', () => {
    const round = (value: number): Point[] => [
      {
        suffix: '',
        unit: 'ns',
        value,
        bytes: value * 10,
        percentiles: { p50: value, p99: value * 2, p999: value * 3 },
      },
    ]
    const [figures] = rowsOf(key, 'varve', [round(30), round(10), round(20)], machine)
    assert.deepEqual(
      [
        figures!.median,
        figures!.min,
        figures!.max,
        figures!.p50,
        figures!.p99,
        figures!.p999,
        figures!.bytes,
        figures!.rounds,
      ],
      [20, 10, 30, 20, 40, 60, 200, 3],
    )
  })

  it('keep the figures of one round apart by what they are', () => {
    const rounds: Point[][] = [1, 3].map((value) => [
      { suffix: '', unit: 'records/s', value, bytes: 1 },
      { suffix: suffixes.cpu, unit: 's/GB', value: value * 10, bytes: 1 },
      { suffix: suffixes.flushed, unit: 'MB/s', value: value * 100, bytes: 1, durability: 'synced' },
    ])
    const rows = rowsOf(key, 'varve', rounds, machine)
    assert.deepEqual(
      rows.map(({ case: name, unit, durability, median }) => [name, unit, durability, median]),
      [
        ['append', 'records/s', 'buffered', 2],
        ['append, CPU', 's/GB', 'buffered', 20],
        ['append, after a final flush', 'MB/s', 'synced', 200],
      ],
    )
  })

  it('compare so that more is better, for rates and for times', () => {
    assert.equal(ratio(row({ median: 200 }), row({ median: 100 })), 2)
    assert.equal(ratio(row({ unit: 'ns', median: 100 }), row({ unit: 'ns', median: 200 })), 2)
    assert.equal(ratio(row({ median: null }), row({ median: 100 })), null)
    assert.equal(ratio(row({ median: 1 }), undefined), null)
  })

  it('know the fastest peer, which is neither varve nor the limit nor absent', () => {
    const rows = [
      row({ system: 'limit', median: 9 }),
      row({ system: 'varve', median: 8 }),
      row({ system: 'lmdb', median: 2 }),
      row({ system: 'classic-level', median: 3 }),
      row({ system: 'better-sqlite3', median: null }),
    ]
    assert.equal(fastestPeer(rows)?.system, 'classic-level')
    assert.equal(fastestPeer(rows.map((one) => ({ ...one, unit: 'ns' as const })))?.system, 'lmdb')
    assert.equal(fastestPeer(rows.slice(0, 2)), undefined)
  })
})

describe('bench table', () => {
  const rows = [
    row({ system: 'limit', median: 30e6 }),
    row({ system: 'varve', median: 15e6, min: 14e6, max: 16e6 }),
    row({ system: 'varve', case: `append${suffixes.cpu}`, unit: 's/GB', median: 0.5 }),
    row({ system: 'lmdb', median: 3e6 }),
    row({ system: 'better-sqlite3', median: null, note: 'not run: not installed' }),
    row({ system: 'limit', recordBytes: 1000, median: 4e6 }),
  ]

  it('groups what answers the same question, with the other figures beside the main one', () => {
    const groups = comparisons(rows)
    assert.deepEqual(
      groups.map((group) => group.map((line) => line.row.system)),
      [['limit', 'varve', 'lmdb', 'better-sqlite3'], ['limit']],
    )
    assert.equal(groups[0]![1]!.extras.cpu?.median, 0.5)
  })

  it('gives an extra to the latest case before it, where two differ in durability only', () => {
    const flushed = { case: `append${suffixes.flushed}`, unit: 'MB/s', durability: 'synced' } as const
    const groups = comparisons([
      row({ durability: 'buffered' }),
      row({ ...flushed, median: 1 }),
      row({ durability: 'interval' }),
      row({ ...flushed, median: 2 }),
    ])
    assert.deepEqual(
      groups.map(([line]) => [line!.row.durability, line!.extras.flushed?.median]),
      [
        ['buffered', 1],
        ['interval', 2],
      ],
    )
  })

  it('prints durability, median, spread, and the ratios to the limit and to the fastest peer', () => {
    const line = table(rows)
      .split('\n')
      .find((text) => text.includes('varve'))!
    assert.deepEqual(line.trim().split(/\s{2,}/), [
      'varve',
      'buffered',
      '15.0 M/s',
      '+-7 %',
      '0.50x',
      '5.00x',
      '0.50 s/GB',
      '3',
    ])
  })

  it('names what was not run, and why', () => {
    assert.match(table(rows), /better-sqlite3: not run: not installed/)
  })
})
