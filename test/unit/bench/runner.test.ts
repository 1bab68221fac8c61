import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { casesOf } from '../../../bench/macro/cases.ts'
import type { Row } from '../../../bench/macro/row.ts'
import { runCase } from '../../../bench/macro/runner.ts'
import type { Task } from '../../../bench/macro/task.ts'
import { machine } from './rows.ts'

describe('bench runner', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'varve-bench-test-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const [example] = casesOf('quick', ['append'])
  const tiny: Task = {
    ...example!,
    case: 'tiny',
    systems: ['limit'],
    records: 10,
    batchRecords: 5,
    seconds: 5,
    rounds: 2,
  }
  const rounds: string[] = []
  const runTiny = (given: Partial<Task>): Promise<Row[]> => {
    rounds.length = 0
    const onRound = (system: string, round: number): void => void rounds.push(`${system} ${round}`)
    return runCase({ ...tiny, ...given }, { folder, machine, onRound })
  }

  it('discards the first round and removes what was written', async () => {
    const [row] = await runTiny({ durability: 'buffered', costs: false })
    assert.deepEqual(rounds, ['limit 0', 'limit 1', 'limit 2'])
    assert.equal(row!.rounds, 2)
    assert.ok(row!.median! > 0)
    assert.equal(row!.bytes, 1000)
    assert.deepEqual(readdirSync(folder), [])
  })

  it('turns the order of the systems with every round', async () => {
    await runTiny({ durability: 'buffered', systems: ['limit', 'varve'], costs: false })
    assert.deepEqual(rounds, ['limit 0', 'varve 0', 'varve 1', 'limit 1', 'limit 2', 'varve 2'])
  })

  it('makes a row of a system that cannot do what is asked, and goes on with the others', async () => {
    const rows = await runTiny({ operation: 'idle', systems: ['limit', 'varve'], logs: 2, rounds: 1 })
    assert.equal(rows[0]!.note, 'not run: limit has no "idle"')
    assert.equal(rows[0]!.median, null)
    assert.ok(rows.some((row) => row.system === 'varve' && row.median !== null))
  })

  it('opens what a killed process left', async () => {
    const [row] = await runTiny({
      operation: 'recover',
      durability: 'buffered',
      unit: 'ns',
      systems: ['varve'],
      rounds: 1,
    })
    assert.equal(row!.note, '')
    assert.ok(row!.median! > 0)
    assert.ok(!existsSync(join(folder, 'varve')))
  })
})
