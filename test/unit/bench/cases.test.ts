import assert from 'node:assert/strict'
import { casesOf } from '../../../bench/macro/cases.ts'
import { run } from '../../../bench/macro/main.ts'
import { parseOptions, UsageError } from '../../../bench/macro/options.ts'
import { batchBytes, Payload } from '../../../bench/macro/payload.ts'
import { comparisonKey, suites } from '../../../bench/macro/row.ts'
import { systems } from '../../../bench/macro/systems/index.ts'
import { BatchBuilder } from '../../../src/doors/record.ts'
import { row } from './rows.ts'

describe('bench cases', () => {
  for (const scale of ['quick', 'default', 'long'] as const) {
    const tasks = casesOf(scale)

    it(`${scale}: every suite has some, of systems that exist`, () => {
      assert.deepEqual([...new Set(tasks.map((task) => task.suite))], [...suites])
      for (const task of tasks) for (const name of task.systems) assert.ok(systems.has(name), `${task.case}: ${name}`)
    })

    it(`${scale}: no two cases would give rows that cannot be told apart`, () => {
      const keys = tasks.flatMap((task) =>
        task.systems.map((system) => `${system}|${comparisonKey(row({ ...task, system }))}`),
      )
      assert.deepEqual(
        keys.filter((one, index) => keys.indexOf(one) !== index),
        [],
      )
    })

    it(`${scale}: every case can be sent to another process and ends by itself`, () => {
      for (const task of tasks) {
        assert.deepEqual(JSON.parse(JSON.stringify(task)), task)
        assert.ok(task.seconds > 0 && task.rounds > 0)
      }
    })
  }
})

describe('bench payload', () => {
  it('makes the limit write as many bytes as a log does', () => {
    for (const [recordBytes, batchRecords] of [
      [10, 1000],
      [100, 1],
      [100, 1000],
      [1000, 100],
      [10_000, 10],
      [100_000, 1],
    ] as const) {
      const payload = new Payload(recordBytes)
      const builder = new BatchBuilder({ now: () => 1 })
      for (let i = 0; i < batchRecords; i++) builder.addKeyValue(null, payload.next())
      assert.equal(batchBytes(recordBytes, batchRecords), builder.finish(), `${recordBytes} B x ${batchRecords}`)
    }
  })

  it('gives values of the asked size that differ, the same in every run', () => {
    for (const size of [1, 10, 100, 1_000_000, 5_000_000]) {
      const values = new Payload(size)
      const [first, second] = [values.next(), values.next()]
      assert.equal(first.length, size)
      assert.equal(second.length, size)
      if (size > 1) assert.notDeepEqual(first, second)
      assert.deepEqual(new Payload(size).next(), first)
    }
  })
})

describe('bench command line', () => {
  it('takes its options', () => {
    const options = parseOptions(['--quick', '--suite', 'append', '--suite', 'read', '--json', 'rows.json'])
    assert.deepEqual(
      [options.scale, options.suites, options.json, options.html],
      ['quick', ['append', 'read'], 'rows.json', undefined],
    )
    assert.deepEqual(parseOptions([]).suites, [...suites])
  })

  it('refuses what it does not know, naming it', () => {
    const wrong: [string[], RegExp][] = [
      [['--fast'], /--fast/],
      [['--suite', 'speed'], /--suite speed: there is append/],
      [['--quick', '--long'], /--quick and --long/],
      [['--json'], /--json/],
      [['extra'], /extra/],
    ]
    for (const [args, message] of wrong)
      assert.throws(
        () => parseOptions(args),
        (error: Error) => error instanceof UsageError && message.test(error.message),
      )
  })

  it('ends with 2 for a wrong command line, and measures nothing', async () => {
    assert.equal(await silently(() => run(['--nonsense'])), 2)
  })

  it('refuses a memory file system', async function () {
    if (process.platform !== 'linux') return this.skip()
    assert.equal(await silently(() => run(['--data', '/dev/shm/varve-bench-test', '--case', 'none'])), 1)
  })
})

async function silently<T>(work: () => Promise<T>): Promise<T> {
  const write = process.stderr.write
  process.stderr.write = () => true
  try {
    return await work()
  } finally {
    process.stderr.write = write
  }
}
