/**
 * Seen to fail with a write that calls back while more records are on their way than allowed, with one that calls back
 * before its durability is reached, with an end that does not wait, and with a failure that nobody is told of.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { crc32c } from '../../../src/base/crc32c.ts'
import { compressionCodecs } from '../../../src/env/node/codecs/index.ts'
import { VarveError } from '../../../src/errors.ts'
import { Producer } from '../../../src/producer/producer.ts'
import { FakeTarget, valuesOf } from './fake-target.ts'
import { ManualClock } from './manual-clock.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a writable of a topic', () => {
  let target: FakeTarget
  let producer: Producer
  beforeEach(() => {
    target = new FakeTarget()
    producer = new Producer({
      target,
      clock: new ManualClock(),
      codecs: compressionCodecs,
      crc32c,
      random: () => 0,
    })
  })
  const values = (): string => target.taken.map(({ batch }) => valuesOf(batch)).join(' ')

  it('takes a stream of records, in order', async () => {
    const records = Array.from({ length: 5000 }, (_, i) => ({ value: String(i) }))
    await pipeline(Readable.from(records), producer.writable('orders', { highWaterMark: 100 }))
    assert.equal(values(), records.map(({ value }) => value).join(' '))
  })

  it('lets as many records be on their way as it may hold, and takes no more', async () => {
    target.held = []
    const writable = producer.writable('orders', { highWaterMark: 3 })
    let called = 0
    for (let i = 0; i < 8; i++) {
      writable.write({ value: String(i) }, () => {
        called++
      })
      await turn()
    }
    // Three on their way and called back, one on its way that waits for its turn, four in the stream.
    assert.deepEqual([called, target.taken.length, writable.writableNeedDrain], [3, 4, true])
    target.held[0]!.answer()
    await turn()
    await turn()
    assert.equal(called, 4)
    assert.equal(values(), '0 1 2 3 4 5 6 7', 'what was in the stream goes together')
  })

  it('calls back once the durability is reached that was asked for', async () => {
    target.held = []
    const writable = producer.writable('orders', { durability: 'synced' })
    let called = 0
    for (const value of ['a', 'b', 'c']) {
      writable.write({ value }, () => {
        called++
      })
    }
    await turn()
    assert.deepEqual([called, values()], [0, 'a'])
    target.held[0]!.answer()
    await turn()
    await turn()
    assert.deepEqual([called, values()], [1, 'a b c'])
    assert.equal(target.taken[0]!.request.durability, 'synced')
    target.held[1]!.answer()
    await turn()
    assert.equal(called, 3)
  })

  it('finishes when everything is acknowledged', async () => {
    target.held = []
    const writable = producer.writable('orders')
    let finished = false
    writable.on('finish', () => {
      finished = true
    })
    writable.end({ value: 'a' })
    await turn()
    assert.equal(finished, false)
    target.held[0]!.answer()
    await once(writable, 'close')
    assert.equal(finished, true)
  })

  it('is destroyed by the first failure, also one of a record that was called back', async () => {
    target.held = []
    const writable = producer.writable('orders')
    writable.write({ value: 'a' })
    await turn()
    const failure = new VarveError('VARVE_FAILED', 'offline')
    target.held[0]!.fail(failure)
    assert.deepEqual(await once(writable, 'error'), [failure])
    assert.equal(writable.destroyed, true)
  })

  it('calls back with the failure where it calls back for a durability', async () => {
    const failure = new VarveError('VARVE_FAILED', 'offline')
    target.faults.push(failure)
    const writable = producer.writable('orders', { durability: 'synced' })
    writable.on('error', () => {})
    const error = await new Promise((resolve) => {
      writable.write({ value: 'a' }, resolve)
    })
    assert.equal(error, failure)
  })

  it('tells a pipeline of a record that is refused', async () => {
    const records = Readable.from([{ value: 'a' }, { value: 7 }])
    await assert.rejects(pipeline(records, producer.writable('orders')), { code: 'VARVE_INVALID_ARGUMENT' })
  })

  it('is destroyed by its signal, and the producer goes on', async () => {
    const controller = new AbortController()
    const writable = producer.writable('orders', { signal: controller.signal })
    controller.abort()
    const [error] = await once(writable, 'error')
    assert.equal(error.name, 'AbortError')
    await producer.send('orders', { value: 'a' })
  })

  for (const options of [{ highWaterMark: 0 }, { durability: 'all' }, { signal: 1 }, { highWatermark: 5 }]) {
    it(`refuses the options ${JSON.stringify(options)}`, () => {
      assert.throws(() => producer.writable('orders', options as never), { code: 'VARVE_INVALID_ARGUMENT' })
    })
  }
})
