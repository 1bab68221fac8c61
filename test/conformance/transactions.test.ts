import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BatchBuilder, type Log, openLog, VarveError } from '../../src/doors/log.ts'
import { encodeTransactionMarker } from '../../src/doors/record.ts'
import { temporaryFolder } from './temporary-folder.ts'

const t0 = 1_700_000_000_000

function dataOf(value: string, baseSequence: number, producerId = 7n): Buffer {
  const builder = new BatchBuilder()
  builder.setProducer({ producerId, producerEpoch: 0, baseSequence, transactional: true })
  builder.add({ value, timestamp: t0 })
  return builder.build()
}

function markerOf(type: 'commit' | 'abort', producerId = 7n): Buffer {
  const builder = new BatchBuilder()
  builder.setProducer({ producerId, producerEpoch: 0, baseSequence: -1, transactional: true })
  builder.add({ ...encodeTransactionMarker({ type, coordinatorEpoch: 3 }), timestamp: t0 })
  return builder.build({ control: true })
}

function committed(log: Log): string[] {
  const found: string[] = []
  for (let offset = 0; offset < log.lastStableOffset; ) {
    const run = log.read(offset, { isolation: 'read_committed' })
    for (const batch of run) for (const record of batch) found.push(record.text()!)
    if (run.nextOffset === offset) break
    offset = run.nextOffset
  }
  return found
}

describe('transactions in a live log', () => {
  const folder = temporaryFolder()
  const indexFiles = () => readdirSync(folder()).filter((name) => name.endsWith('.txnindex'))

  it('hold readers of committed records back until their marker, without a restart', async () => {
    const log = await openLog(folder())
    log.append(dataOf('a', 0))
    assert.equal(log.lastStableOffset, 0)
    log.append(markerOf('commit'), 'coordinator')
    assert.equal(log.lastStableOffset, 2)
    assert.deepEqual(committed(log), ['a'])
    assert.deepEqual(indexFiles(), [])
    await log.close()
  })

  it('that are aborted are left out, before and after a restart', async () => {
    const log = await openLog(folder())
    log.append(dataOf('gone', 0))
    log.append(dataOf('kept', 0, 8n))
    log.append(markerOf('abort'), 'coordinator')
    assert.equal(log.lastStableOffset, 1)
    log.append(markerOf('commit', 8n), 'coordinator')
    assert.equal(log.lastStableOffset, 4)
    assert.deepEqual(committed(log), ['kept'])
    assert.equal(indexFiles().length, 1)
    await log.close()
    const again = await openLog(folder())
    assert.equal(again.lastStableOffset, 4)
    assert.deepEqual(committed(again), ['kept'])
    await again.close()
  })

  it('end only by a marker that says so', async () => {
    const log = await openLog(folder())
    log.append(dataOf('a', 0))
    const refused = (error: unknown) => error instanceof VarveError && error.code === 'VARVE_INVALID_RECORD'
    assert.throws(() => log.append(markerOf('commit')), refused, 'from a client')
    const builder = new BatchBuilder()
    builder.setProducer({ producerId: 7n, producerEpoch: 0, baseSequence: -1, transactional: true })
    builder.add({ key: 'x', value: 'y', timestamp: t0 })
    assert.throws(() => log.append(builder.build({ control: true }), 'coordinator'), refused, 'no marker')
    assert.equal(log.lastStableOffset, 0)
    assert.equal(log.logEndOffset, 1)
    await log.close()
  })

  it('stay left out when the index of the aborted ones is damaged: it is made anew', async () => {
    const log = await openLog(folder())
    log.append(dataOf('gone', 0))
    log.append(markerOf('abort'), 'coordinator')
    log.append(dataOf('kept', 1))
    log.append(markerOf('commit'), 'coordinator')
    await log.close()
    const path = join(folder(), indexFiles()[0]!)
    const whole = readFileSync(path)
    writeFileSync(path, whole.subarray(0, whole.length - 1))
    const again = await openLog(folder())
    assert.deepEqual(committed(again), ['kept'])
    await again.close()
    assert.deepEqual(readFileSync(path), whole)
  })
})
