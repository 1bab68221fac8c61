/**
 * Seen to fail with the end taken anew at each fetch (a busy writer then keeps a reader going for ever), with records
 * below the asked offset delivered, with a partition read until it is empty before the next has its turn, and with a
 * wake that came while a fetch was under way lost.
 */
import assert from 'node:assert/strict'
import { Reader, type ReaderOptions } from '../../../src/consumer/reader.ts'
import { systemClock } from '../../../src/env/node/clock.ts'
import { FakeSource } from './fake-source.ts'

const open = (source: FakeSource, options: Omit<ReaderOptions, 'topic'> = {}): Reader =>
  new Reader(source, systemClock, { topic: 'orders', ...options })

async function texts(reader: Reader): Promise<string[]> {
  const found: string[] = []
  for await (const batch of reader) for (const r of batch) found.push(`${r.partition}/${r.offset}=${r.text()}`)
  return found
}

describe('a reader', () => {
  for (const late of [false, true]) {
    describe(late ? 'of a source that answers later' : 'of a source that answers at once', () => {
      let source: FakeSource
      beforeEach(() => {
        source = new FakeSource(2)
        source.late = late
      })

      it('delivers what there was when it began, and ends though more comes', async () => {
        source.append(0, 'a', 'b')
        const found: string[] = []
        for await (const batch of open(source)) {
          for (const record of batch) found.push(record.text()!)
          assert.ok(found.length < 10, 'it would go on for ever')
          source.append(0, 'later')
        }
        assert.deepEqual(found, ['a', 'b'])
      })

      it('lets partitions take turns, a batch of at most maxBytes each', async () => {
        for (const value of ['a', 'b', 'c']) source.append(0, value)
        for (const value of ['x', 'y']) source.append(1, value)
        assert.deepEqual(await texts(open(source, { maxBytes: 1 })), ['0/0=a', '1/0=x', '0/1=b', '1/1=y', '0/2=c'])
      })

      it('leaves out what lies below the start and from the end on, also within a stored batch', async () => {
        source.append(0, 'a', 'b', 'c', 'd')
        source.append(0, 'e', 'f')
        assert.deepEqual(await texts(open(source, { from: 1, to: { 0: 3 }, partitions: [0] })), ['0/1=b', '0/2=c'])
        assert.deepEqual(await texts(open(source, { from: { 0: 3 }, to: 5 })), ['0/3=d', '0/4=e'])
      })

      it('starts at the first record, behind the last, or at a time', async () => {
        source.append(0, 'a', 'b', 'c')
        source.partitions[0]!.logStartOffset = 1
        assert.deepEqual(await texts(open(source, { from: 'earliest' })), ['0/1=b', '0/2=c'])
        assert.deepEqual(await texts(open(source, { from: 'latest' })), [])
        assert.deepEqual(await texts(open(source, { from: { timestamp: 1002 } })), ['0/2=c'])
        assert.deepEqual(await texts(open(source, { from: { timestamp: 5000 } })), [])
      })

      it('follows what comes, until it is closed', async () => {
        source.append(0, 'a')
        const reader = open(source, { follow: true })
        const found: string[] = []
        const done = (async () => {
          for await (const batch of reader)
            for (const record of batch) {
              found.push(record.text()!)
              if (found.length === 3) reader.close()
            }
        })()
        await new Promise((resolve) => setImmediate(resolve))
        source.append(1, 'b')
        await new Promise((resolve) => setImmediate(resolve))
        source.append(0, 'c')
        await done
        assert.deepEqual(found.sort(), ['a', 'b', 'c'])
        assert.equal(source.watchers.size, 0)
      })

      it('rejects with the reason of its signal, also while it waits', async () => {
        const controller = new AbortController()
        const reading = texts(open(source, { follow: true, signal: controller.signal }))
        await new Promise((resolve) => setImmediate(resolve))
        controller.abort(new Error('enough'))
        await assert.rejects(reading, { message: 'enough' })
        assert.equal(source.watchers.size, 0)
      })

      it('skips nothing in silence: what retention took is an error', async () => {
        source.append(0, 'a', 'b', 'c')
        source.partitions[0]!.logStartOffset = 2
        await assert.rejects(texts(open(source, { from: 1, partitions: [0] })), { code: 'VARVE_OFFSET_OUT_OF_RANGE' })
      })

      it('stops at the last stable offset for committed records', async () => {
        source.append(0, 'a')
        source.append(0, 'open')
        source.partitions[0]!.lastStableOffset = 1
        assert.deepEqual(await texts(open(source, { isolation: 'read_committed' })), ['0/0=a'])
      })

      it('says where it stands, so that another one can go on there', async () => {
        source.append(0, 'a', 'b')
        source.append(1, 'x')
        const first = open(source)
        for await (const batch of first) {
          assert.equal(batch.nextOffset, 2)
          break
        }
        const positions = first.positions()
        assert.deepEqual(positions, [
          { topic: 'orders', partition: 0, offset: 2 },
          { topic: 'orders', partition: 1, offset: 0 },
        ])
        const from = Object.fromEntries(positions.map(({ partition, offset }) => [partition, offset]))
        assert.deepEqual(await texts(open(source, { from })), ['1/0=x'])
      })
    })
  }

  it('misses nothing that comes while a fetch is under way', async () => {
    const source = new FakeSource(1)
    source.late = true
    source.append(0, 'a')
    const fetch = source.fetch.bind(source)
    source.fetch = (request) => {
      const answer = fetch(request)
      // The second one finds nothing; this comes before its answer.
      if (source.fetches === 2) source.append(0, 'b')
      return answer
    }
    const found: string[] = []
    for await (const batch of open(source, { follow: true, signal: AbortSignal.timeout(5000) })) {
      for (const record of batch) found.push(record.text()!)
      if (found.length === 2) break
    }
    assert.deepEqual(found, ['a', 'b'])
  })

  it('gives batches that tell their place and length', async () => {
    const source = new FakeSource(1)
    source.append(0, 'a', 'b')
    source.append(0, 'c')
    for await (const batch of open(source, { from: 1 })) {
      const { topic, partition, baseOffset, nextOffset, leaderEpoch, highWatermark, length } = batch
      assert.deepEqual(
        { topic, partition, baseOffset, nextOffset, leaderEpoch, highWatermark, length },
        { topic: 'orders', partition: 0, baseOffset: 1, nextOffset: 3, leaderEpoch: 7, highWatermark: 3, length: 2 },
      )
      assert.deepEqual(
        [...batch].map((record) => record.text()),
        ['b', 'c'],
      )
      assert.deepEqual([...batch].length, 2, 'it may be iterated again')
    }
  })

  it('keeps topic and partition in a copy of a record', async () => {
    const source = new FakeSource(2)
    source.append(1, 'a')
    for await (const record of open(source).records()) {
      const copy = record.copy()
      assert.deepEqual([copy.topic, copy.partition, copy.offset, copy.text()], ['orders', 1, 0, 'a'])
    }
  })

  it('is a Node stream and a web stream, which read no more than is asked for', async () => {
    const source = new FakeSource(1)
    for (let i = 0; i < 50; i++) source.append(0, String(i))
    const stream = open(source, { maxBytes: 1 }).readable()
    const first = await stream[Symbol.asyncIterator]().next()
    assert.equal(first.value.text(), '0')
    assert.ok(source.fetches < 6, `${source.fetches} fetches for one record`)
    stream.destroy()
    const found: string[] = []
    for await (const record of open(source).readable()) found.push((record as { text(): string }).text())
    assert.equal(found.length, 50)
    const web = open(source).toWeb().getReader()
    assert.equal((await web.read()).value!.text(), '0')
    await web.cancel()
  })

  it('ends with its stream, also while it waits', async () => {
    const source = new FakeSource(1)
    const stream = open(source, { follow: true }).readable()
    stream.read()
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(source.watchers.size, 1)
    stream.destroy()
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(source.watchers.size, 0)
  })

  const refused: [string, object][] = [
    ['an unknown option, naming the one that was meant', { form: 'earliest' }],
    ['a start that is none', { from: 'oldest' }],
    ['a negative offset', { from: -1 }],
    ['a time that is no number', { from: { timestamp: 'now' } }],
    ['partitions that are no list', { partitions: 3 }],
    ['an isolation that is none', { isolation: 'snapshot' }],
    ['no bytes at all', { maxBytes: 0 }],
  ]
  for (const [name, options] of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(() => open(new FakeSource(1), options as never), { code: 'VARVE_INVALID_ARGUMENT' })
    })
  }

  it('refuses topics and partitions that are not there when it begins', async () => {
    const source = new FakeSource(2)
    await assert.rejects(texts(open(source, { partitions: [2] })), { code: 'VARVE_UNKNOWN_TOPIC' })
    await assert.rejects(texts(new Reader(source, systemClock, { topic: 'nobody' })), { code: 'VARVE_UNKNOWN_TOPIC' })
  })
})
