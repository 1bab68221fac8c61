/**
 * Seen to fail with records encoded only when their batch goes off, with an offset counted from the call instead of the
 * batch, with a builder used again before its batch was answered, with the first error of a divided call taken for all,
 * with a call half encoded when a record of it is refused, with a batch sent while an older one is being compressed,
 * with a lookup that lets later sends pass, with a condition that takes a sequence, with events handled in the middle
 * of another's effects, with a listener, a timer or a hold that stays, and with records that waited believed unchanged.
 */
import assert from 'node:assert/strict'
import { crc32c } from '../../../src/base/crc32c.ts'
import { compressionCodecs } from '../../../src/env/node/codecs/index.ts'
import { type ErrorCode, VarveError } from '../../../src/errors.ts'
import { Producer } from '../../../src/producer/producer.ts'
import type { ProducerOptions, SendOptions } from '../../../src/producer/producer-options.ts'
import type { Ack } from '../../../src/producer/sent-records.ts'
import { FakeTarget, valuesOf } from './fake-target.ts'
import { ManualClock } from './manual-clock.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a producer', () => {
  let target: FakeTarget
  let clock: ManualClock
  let randoms: number[]
  beforeEach(() => {
    target = new FakeTarget()
    clock = new ManualClock()
    randoms = []
  })
  const make = (options: ProducerOptions = {}): Producer =>
    new Producer({ target, clock, codecs: compressionCodecs, crc32c, random: () => randoms.shift() ?? 0 }, options)
  const offsets = (acks: readonly Ack[]): string[] => acks.map(({ partition, offset }) => `${partition}/${offset}`)
  /** The code of what a promise was rejected with; 'none' when it was not. */
  const codeOf = (promise: Promise<unknown>): Promise<ErrorCode | 'none'> =>
    promise.then(
      () => 'none',
      (error: VarveError) => error.code,
    )

  for (const late of [false, true]) {
    describe(late ? 'of a target that describes topics later' : 'of a target that describes topics at once', () => {
      beforeEach(() => {
        target.late = late
      })

      it('acknowledges a record with where it is', async () => {
        const ack = await make().send('orders', { key: 'k', value: 'v' })
        assert.deepEqual(ack, {
          topic: 'orders',
          partition: 0,
          offset: 0,
          timestamp: 1_700_000_000_000,
          durability: 'buffered',
        })
      })

      it('puts what is sent in one burst into one batch', async () => {
        const producer = make()
        const acks = await Promise.all(['a', 'b', 'c'].map((value) => producer.send('orders', { value })))
        assert.deepEqual(offsets(acks), ['0/0', '0/1', '0/2'])
        assert.deepEqual(target.batches(), ['0: a b c'])
      })

      it('keeps the order of the sends, also of single records and lists', async () => {
        const producer = make({ batchBytes: 120 })
        const sends = [
          producer.send('orders', { value: 'a' }),
          producer.send('orders', [{ value: 'b' }, { value: 'c' }, { value: 'd' }, { value: 'e' }]),
          producer.send('orders', { value: 'f' }),
        ]
        const acks = (await Promise.all(sends as Promise<Ack | Ack[]>[])).flat()
        assert.deepEqual(offsets(acks), ['0/0', '0/1', '0/2', '0/3', '0/4', '0/5'])
        assert.equal(target.batches().join(' ').replaceAll('0: ', ''), 'a b c d e f')
        assert.ok(target.batches().includes('0: b c d e'))
      })

      it('refuses what goes to a topic that is not there', async () => {
        const producer = make()
        assert.equal(await codeOf(producer.send('nobody', { value: 'v' })), 'VARVE_UNKNOWN_TOPIC')
        assert.equal(await codeOf(producer.send('orders', { value: 'v', partition: 1 })), 'VARVE_UNKNOWN_TOPIC')
        assert.equal(await codeOf(producer.send('orders', { value: 'v' })), 'none')
      })

      it('is closed once everything is settled', async () => {
        const producer = make({ lingerMs: 1000 })
        const sent = producer.send('orders', { value: 'a' })
        let closed = false
        const closing = producer.close().then(() => {
          closed = true
        })
        await sent
        assert.equal(closed, false)
        await closing
        assert.equal(producer.close(), producer.close(), 'closing again is the same')
        assert.equal(await codeOf(producer.send('orders', { value: 'b' })), 'VARVE_CLOSED')
        assert.equal(await codeOf(producer.flush()), 'VARVE_CLOSED')
        assert.deepEqual(target.batches(), ['0: a'])
        assert.deepEqual([clock.holds, clock.timers], [0, 0])
      })

      it('keeps the process alive while something is under way, and no longer', async () => {
        const producer = make()
        assert.equal(clock.holds, 0)
        target.held = []
        const sent = producer.send('orders', { value: 'a' })
        await turn()
        await turn()
        assert.equal(clock.holds, 1)
        target.held[0]!.answer()
        await sent
        await turn()
        assert.equal(clock.holds, 0)
        const lingering = make({ lingerMs: 10 })
        const lingers = lingering.send('orders', { value: 'b' })
        await turn()
        assert.equal(clock.holds, 1)
        clock.advance(10)
        await turn()
        await turn()
        target.held[1]!.answer()
        await lingers
        await turn()
        assert.equal(clock.holds, 0)
        for (const wrong of [
          () => producer.send('nobody', { value: 'a' }),
          () => producer.send('orders', { value: 'a', partition: 9 }),
        ]) {
          await codeOf(wrong())
          await turn()
          assert.equal(clock.holds, 0)
        }
      })
    })
  }

  it('copies records when they are sent: their memory is the caller’s again', async () => {
    const producer = make()
    const value = Buffer.from('before')
    const headers: [string, string][] = [['h', 'before']]
    const sent = producer.send('orders', { value, headers })
    value.write('after!')
    headers[0]![1] = 'after!'
    await sent
    const [record] = [...target.taken[0]!.batch]
    assert.equal(record!.text(), 'before')
    assert.equal(record!.headers[0]![1]!.toString(), 'before')
  })

  it('gives the time of the record, else of its batch, else the log’s', async () => {
    const producer = make()
    const own = await producer.send('orders', [{ value: 'a', timestamp: 5 }, { value: 'b' }])
    assert.deepEqual(
      own.map(({ timestamp }) => timestamp),
      [5, clock.wallMs()],
    )
    assert.equal((await producer.send('orders', { value: 'c', timestamp: 7 })).timestamp, 7)
    target.appendTimestamp = 99
    assert.equal((await producer.send('orders', { value: 'd', timestamp: 7 })).timestamp, 99)
  })

  it('asks for the durability of the call, else of the producer, and tells what was reached', async () => {
    const producer = make({ durability: 'interval' })
    const acks = await Promise.all([
      producer.send('orders', { value: 'a' }),
      producer.send('orders', { value: 'b' }, { durability: 'synced' }),
      producer.send('orders', { value: 'c' }, { durability: undefined }),
    ])
    assert.deepEqual(
      acks.map(({ durability }) => durability),
      ['interval', 'synced', 'interval'],
    )
    await make().send('orders', { value: 'd' })
    assert.equal(target.taken.at(-1)!.request.durability, undefined)
  })

  it('answers each send from its own batch, whichever is answered first', async () => {
    target.held = []
    const producer = make()
    const a = producer.send('orders', { value: 'a' })
    await turn()
    const b = producer.send('orders', { value: 'b' })
    await turn()
    const c = producer.send('orders', { value: 'c' })
    await turn()
    const [first, second, third] = target.held
    third!.answer()
    assert.deepEqual(offsets([await c]), ['0/2'])
    first!.answer()
    second!.answer()
    assert.deepEqual(offsets(await Promise.all([a, b])), ['0/0', '0/1'])
  })

  it('does not use the memory of a batch again before it is answered', async () => {
    target.held = []
    const builders = new Set<unknown>()
    const produce = target.produce.bind(target)
    target.produce = (request, builder) => {
      builders.add(builder)
      return produce(request, builder)
    }
    const producer = make()
    for (const value of ['a', 'b']) {
      void producer.send('orders', { value })
      await turn()
    }
    assert.equal(builders.size, 2)
    for (const { answer } of target.held) answer()
    await turn()
    void producer.send('orders', { value: 'c' })
    await turn()
    assert.equal(builders.size, 2)
  })

  it('sends no more batches of a partition at a time than the target takes', async () => {
    target.held = []
    target.inFlightMax = 2
    const producer = make({ batchBytes: 100 })
    const sends = Promise.all(
      Array.from({ length: 5 }, (_, i) => producer.send('orders', { value: 'x'.repeat(90) + i })),
    )
    await turn()
    assert.equal(target.held.length, 2)
    for (let i = 0; i < 5; i++) {
      target.held[i]!.answer()
      await turn()
      assert.ok(target.held.length <= i + 3)
    }
    assert.deepEqual(offsets(await sends), ['0/0', '0/1', '0/2', '0/3', '0/4'])
  })

  it('sends lists without records', async () => {
    assert.deepEqual(await make().send('orders', []), [])
    assert.deepEqual(target.taken, [])
  })

  describe('of a topic with several partitions', () => {
    beforeEach(() => {
      target.topics.orders!.partitionCount = 3
    })

    it('divides a call among them, and gives the acks in the order of its records', async () => {
      const producer = make()
      const acks = await producer.send('orders', [
        { value: 'a', partition: 2 },
        { value: 'b', partition: 0 },
        { value: 'c', partition: 2 },
        { value: 'd', partition: 2, timestamp: 4 },
      ])
      assert.deepEqual(offsets(acks), ['2/0', '0/0', '2/1', '2/2'])
      assert.equal(acks[3]!.timestamp, 4)
      assert.deepEqual(target.batches(), ['2: a c d', '0: b'])
    })

    it('stays with one of them for a batch of records without a key, then goes to another', async () => {
      randoms = [0.5, 0.9]
      const producer = make()
      await Promise.all(['a', 'b'].map((value) => producer.send('orders', { value })))
      await producer.send('orders', { value: 'c' })
      assert.deepEqual(target.batches(), ['1: a b', '2: c'])
    })

    it('says of a call that partly failed what became of each record', async () => {
      const producer = make()
      const fault = new VarveError('VARVE_NO_SPACE', 'full')
      target.faults.push(fault)
      const sent = producer.send('orders', [
        { value: 'a', partition: 1 },
        { value: 'b', partition: 0 },
        { value: 'c', partition: 1 },
      ])
      const error: VarveError = await sent.then(
        () => assert.fail('it was taken'),
        (reason) => reason,
      )
      assert.equal(error.code, 'VARVE_PARTIAL_SEND')
      const results = error.details.results as (Ack | VarveError)[]
      assert.deepEqual([results[0], results[2]], [fault, fault])
      assert.deepEqual(offsets([results[1] as Ack]), ['0/0'])
    })

    it('rejects a call that failed everywhere for one reason with that reason', async () => {
      target.faults.push(new VarveError('VARVE_NO_SPACE', 'full'), new VarveError('VARVE_NO_SPACE', 'full'))
      const sent = make().send('orders', [
        { value: 'a', partition: 1 },
        { value: 'b', partition: 0 },
      ])
      assert.equal(await codeOf(sent), 'VARVE_NO_SPACE')
    })

    it('tells different reasons apart', async () => {
      target.faults.push(new VarveError('VARVE_NO_SPACE', 'full'), new VarveError('VARVE_NOT_LEADER', 'elsewhere'))
      const sent = make().send('orders', [
        { value: 'a', partition: 1 },
        { value: 'b', partition: 0 },
      ])
      assert.equal(await codeOf(sent), 'VARVE_PARTIAL_SEND')
    })
  })

  describe('with an expected offset', () => {
    it('appends only where the log ends there, and changes nothing else', async () => {
      const producer = make()
      await producer.send('orders', { value: 'a' })
      assert.deepEqual(offsets([await producer.send('orders', { value: 'b' }, { expectedOffset: 1 })]), ['0/1'])
      const error: VarveError = await producer
        .send('orders', [{ value: 'c' }, { value: 'd' }], { expectedOffset: 1 })
        .then(
          () => assert.fail('it was taken'),
          (reason) => reason,
        )
      assert.equal(error.code, 'VARVE_OFFSET_MISMATCH')
      assert.deepEqual(error.details, { expectedOffset: 1, logEndOffset: 2 })
      await producer.send('orders', { value: 'e' })
      assert.deepEqual(target.batches(), ['0: a', '0: b', '0: e'])
      // The refused batch had no part in the sequence.
      assert.deepEqual(
        target.taken.map(({ batch }) => batch.baseSequence),
        [0, -1, 1],
      )
    })

    it('is a batch of its own', async () => {
      const producer = make()
      await Promise.all([
        producer.send('orders', { value: 'a' }),
        producer.send('orders', { value: 'b' }, { expectedOffset: 1 }),
        producer.send('orders', { value: 'c' }),
      ])
      assert.deepEqual(target.batches(), ['0: a', '0: b', '0: c'])
    })

    it('takes records of one partition only, and at least one', async () => {
      target.topics.orders!.partitionCount = 2
      const producer = make()
      const records = [0, 1].map((partition) => ({ value: 'v', partition }))
      assert.equal(await codeOf(producer.send('orders', records, { expectedOffset: 0 })), 'VARVE_INVALID_ARGUMENT')
      assert.equal(await codeOf(producer.send('orders', [], { expectedOffset: 0 })), 'VARVE_INVALID_ARGUMENT')
      assert.deepEqual(target.taken, [])
    })
  })

  describe('that is idempotent', () => {
    it('numbers the records of each partition under one producer id', async () => {
      target.topics.orders!.partitionCount = 2
      const producer = make()
      for (const partition of [0, 1, 0]) {
        await producer.send(
          'orders',
          [{ value: 'a' }, { value: 'b' }].map((record) => ({ ...record, partition })),
        )
      }
      assert.deepEqual(
        target.taken.map(({ batch: { producerId, producerEpoch, baseSequence } }) => [
          producerId,
          producerEpoch,
          baseSequence,
        ]),
        [
          [1001n, 0, 0],
          [1001n, 0, 0],
          [1001n, 0, 2],
        ],
      )
      assert.equal(target.idCount, 1)
    })

    it('begins a new epoch after a batch that failed', async () => {
      const producer = make()
      await producer.send('orders', { value: 'a' })
      target.faults.push(new VarveError('VARVE_FAILED', 'offline'))
      assert.equal(await codeOf(producer.send('orders', { value: 'b' })), 'VARVE_FAILED')
      await producer.send('orders', { value: 'c' })
      const { producerEpoch, baseSequence } = target.taken.at(-1)!.batch
      assert.deepEqual([producerEpoch, baseSequence], [1, 0])
    })

    it('fails what waits for a producer id that cannot be had, and asks again', async () => {
      const producer = make()
      target.idFault = new VarveError('VARVE_IO', 'no disk')
      assert.equal(await codeOf(producer.send('orders', { value: 'a' })), 'VARVE_IO')
      target.idFault = null
      assert.equal(await codeOf(producer.send('orders', { value: 'b' })), 'none')
    })

    it('or is not, when it is told so', async () => {
      await make({ idempotent: false }).send('orders', { value: 'a' })
      assert.equal(target.taken[0]!.batch.producerId, -1n)
      assert.equal(target.idCount, 0)
    })
  })

  for (const { name: compression } of compressionCodecs.filter(({ id, canCompress }) => id > 0 && canCompress)) {
    it(`compresses with ${compression}, and keeps the order while large batches are compressed elsewhere`, async () => {
      const producer = make({ compression })
      const large = 'large '.repeat(10_000)
      const acks = await Promise.all([
        producer.send('orders', { value: large }),
        producer.send('orders', { value: 'small' }, { durability: 'synced' }),
        producer.send('orders', { value: large }),
      ])
      assert.deepEqual(offsets(acks), ['0/0', '0/1', '0/2'])
      assert.deepEqual(
        target.taken.map(({ batch }) => [batch.compression, batch.bytes.length < 10_000]),
        [
          [compression, true],
          [compression, true],
          [compression, true],
        ],
      )
      const values = target.taken.map(({ batch }) => valuesOf(batch))
      assert.deepEqual(values, [large, 'small', large])
    })
  }

  it('compresses large batches elsewhere, and small ones at once', async () => {
    const calls: string[] = []
    const codecs = compressionCodecs.map((codec) => ({
      ...codec,
      compress(bytes: Uint8Array) {
        calls.push('at once')
        return codec.compress(bytes)
      },
      compressAsync(bytes: Uint8Array) {
        calls.push('elsewhere')
        return codec.compressAsync(bytes)
      },
    }))
    const producer = new Producer({ target, clock, codecs, crc32c, random: () => 0 }, { compression: 'gzip' })
    await producer.send('orders', { value: 'x'.repeat(16_000) })
    await producer.send('orders', { value: 'x'.repeat(17_000) })
    assert.deepEqual(calls, ['at once', 'elsewhere'])
  })

  it('keeps the memory of batches for later ones, but not of one that was much larger', async () => {
    const sizes: number[] = []
    const produce = target.produce.bind(target)
    target.produce = (request, builder) => {
      sizes.push(builder.bytes.length)
      return produce(request, builder)
    }
    const producer = make({ batchBytes: 8192 })
    for (const length of [1, 6000, 1, 100_000, 1]) await producer.send('orders', { value: 'x'.repeat(length) })
    assert.equal(sizes[2], sizes[1])
    assert.ok(sizes[4]! < sizes[2]!)
  })

  describe('whose buffer is full', () => {
    const large = 'x'.repeat(900)
    const full = (options: ProducerOptions = {}): Producer => {
      target.held = []
      return make({ bufferBytes: 1024, ...options })
    }

    it('lets sends wait, and goes on when there is room', async () => {
      const producer = full()
      const sends = Promise.all(['a', 'b', 'c'].map((letter) => producer.send('orders', { value: letter + large })))
      for (let i = 0; i < 3; i++) {
        await turn()
        assert.equal(target.held!.length, i + 1)
        target.held![i]!.answer()
      }
      assert.deepEqual(offsets(await sends), ['0/0', '0/1', '0/2'])
      assert.deepEqual(
        target.taken.map(({ batch }) => valuesOf(batch)[0]),
        ['a', 'b', 'c'],
      )
    })

    it('refuses a send that waited too long', async () => {
      const producer = full({ maxBlockMs: 500 })
      const first = producer.send('orders', { value: large })
      const second = codeOf(producer.send('orders', { value: large }))
      await turn()
      clock.advance(499)
      assert.equal(await Promise.race([second, turn()]), undefined)
      clock.advance(1)
      assert.equal(await second, 'VARVE_BUFFER_FULL')
      target.held![0]!.answer()
      await first
    })

    it('does not send what was cancelled while it waited', async () => {
      const producer = full({ bufferBytes: 1200 })
      const controller = new AbortController()
      const first = producer.send('orders', { value: large }, { signal: controller.signal })
      const second = producer.send('orders', { value: large }, { signal: controller.signal })
      await turn()
      controller.abort(new Error('enough'))
      await assert.rejects(first, { message: 'enough' })
      await assert.rejects(second, { message: 'enough' })
      const third = producer.send('orders', { value: 'small' })
      await turn()
      assert.equal(target.held!.length, 2, 'nobody is in line any more')
      for (const { answer } of target.held!) answer()
      await third
      await producer.flush()
      assert.equal(target.taken.length, 2, 'the first was handed over already')
    })

    it('refuses records that were changed while they waited', async () => {
      const producer = full()
      void producer.send('orders', { value: large })
      const record = { value: `small${large.slice(0, 300)}` }
      const records = [{ value: 'b' }, { value: 'c' }]
      const changed = codeOf(producer.send('orders', record))
      const shorter = codeOf(producer.send('orders', records))
      record.value = large
      records.pop()
      await turn()
      target.held![0]!.answer()
      assert.equal(await changed, 'VARVE_INVALID_ARGUMENT')
      assert.equal(await shorter, 'VARVE_INVALID_ARGUMENT')
      await producer.flush()
      assert.equal(target.taken.length, 1)
    })

    it('refuses at once what could never fit', async () => {
      assert.equal(await codeOf(full().send('orders', { value: 'x'.repeat(1024) })), 'VARVE_RECORD_TOO_LARGE')
    })

    it('is flushed once those who waited are settled', async () => {
      const producer = full({ lingerMs: 1000 })
      const sends = ['a', 'b'].map((letter) => producer.send('orders', { value: letter + large }))
      let flushed = false
      const flushing = producer.flush().then(() => {
        flushed = true
      })
      await turn()
      target.held![0]!.answer()
      await sends[0]
      await turn()
      assert.equal(flushed, false)
      target.held![1]!.answer()
      await flushing
      await Promise.all(sends)
    })
  })

  it('lingers as long as it was told', async () => {
    const producer = make({ lingerMs: 20 })
    const sends = [producer.send('orders', { value: 'a' })]
    await turn()
    clock.advance(19)
    sends.push(producer.send('orders', { value: 'b' }))
    await turn()
    assert.deepEqual(target.taken, [])
    clock.advance(1)
    await Promise.all(sends)
    assert.deepEqual(target.batches(), ['0: a b'])
  })

  it('rejects at once with the reason of a signal that is aborted already', async () => {
    await assert.rejects(make().send('orders', { value: 'v' }, { signal: AbortSignal.abort(new Error('no')) }), {
      message: 'no',
    })
    assert.deepEqual(target.taken, [])
  })

  it('does not send what was cancelled while its topic was looked up', async () => {
    target.late = true
    const producer = make()
    const controller = new AbortController()
    const cancelled = producer.send('orders', { value: 'a' }, { signal: controller.signal })
    const other = producer.send('orders', { value: 'b' })
    controller.abort(new Error('enough'))
    await assert.rejects(cancelled, { message: 'enough' })
    await other
    assert.deepEqual(target.batches(), ['0: b'])
    const again = new AbortController()
    const alone = codeOf(producer.send('orders', { value: 'c' }, { signal: again.signal }))
    again.abort()
    await alone
    await turn()
    await turn()
    assert.equal(clock.holds, 0)
  })

  it('fails with what the target says later, and goes on', async () => {
    target.held = []
    const producer = make()
    const sends = ['a', 'b'].map((value) => producer.send('orders', { value }))
    await turn()
    const failure = new VarveError('VARVE_FAILED', 'offline')
    target.held[0]!.fail(failure)
    assert.deepEqual(
      (await Promise.allSettled(sends)).map((result) => result.status === 'rejected' && result.reason),
      [failure, failure],
    )
    const next = producer.send('orders', { value: 'c' })
    await turn()
    target.held[1]!.answer()
    assert.equal((await next).offset, 2)
  })

  it('leaves no listener at a signal', async () => {
    let listeners = 0
    const signal = new AbortController().signal
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
    signal.addEventListener = ((...args: Parameters<typeof add>) => {
      listeners++
      add(...args)
    }) as typeof signal.addEventListener
    signal.removeEventListener = ((...args: Parameters<typeof remove>) => {
      listeners--
      remove(...args)
    }) as typeof signal.removeEventListener
    const producer = make()
    await producer.send('orders', { value: 'v' }, { signal })
    await codeOf(producer.send('orders', { value: 'v', partition: 9 }, { signal }))
    await codeOf(producer.send('nobody', { value: 'v' }, { signal }))
    assert.equal(listeners, 0)
  })

  it('sends nothing of a call in which one record is wrong', async () => {
    const producer = make()
    const good = producer.send('orders', { value: 'good' })
    const bad = producer.send('orders', [{ value: 'a' }, { value: 7 as never }, { value: 'c' }])
    // One that shows its other face once it is measured.
    let looks = 0
    const twoFaced = {
      get value(): string {
        looks++
        return looks === 1 ? 'b' : (7 as never)
      },
    }
    const worse = producer.send('orders', [{ value: 'a' }, twoFaced, { value: 'c' }])
    const after = producer.send('orders', { value: 'after' })
    assert.deepEqual(await Promise.all([codeOf(bad), codeOf(worse)]), [
      'VARVE_INVALID_ARGUMENT',
      'VARVE_INVALID_ARGUMENT',
    ])
    assert.deepEqual(offsets(await Promise.all([good, after])), ['0/0', '0/1'])
    assert.deepEqual(target.batches(), ['0: good after'])
    await producer.send('orders', { value: 'next' })
    assert.equal(target.taken.at(-1)!.batch.baseSequence, 2, 'what was taken out does not count')
  })

  const wrongSends: [string, unknown[]][] = [
    ['no topic', [undefined, { value: 'v' }]],
    ['an empty topic', ['', { value: 'v' }]],
    ['no record', ['orders', undefined]],
    ['a record that is a text', ['orders', 'v']],
    ['a value that is missing', ['orders', {}]],
    ['a timestamp that is none', ['orders', { value: 'v', timestamp: -2 }]],
    ['an unknown option', ['orders', { value: 'v' }, { durabilty: 'synced' }]],
    ['a durability that is none', ['orders', { value: 'v' }, { durability: 'all' }]],
    ['an expected offset that is none', ['orders', { value: 'v' }, { expectedOffset: -1 }]],
    ['a signal that is none', ['orders', { value: 'v' }, { signal: {} }]],
    ['options that are none', ['orders', { value: 'v' }, null]],
  ]
  for (const [name, args] of wrongSends) {
    it(`refuses ${name}`, async () => {
      const producer = make()
      const [topic, records, options] = args as [string, { value: string }, SendOptions]
      assert.equal(await codeOf(producer.send(topic, records, options)), 'VARVE_INVALID_ARGUMENT')
      await producer.flush()
      assert.deepEqual(target.taken, [])
    })
  }

  const wrongOptions: [object, RegExp][] = [
    [{ linger: 5 }, /"linger".*"lingerMs"/],
    [{ lingerMs: -1 }, /"lingerMs"/],
    [{ batchBytes: 61 }, /"batchBytes"/],
    [{ bufferBytes: 1.5 }, /"bufferBytes"/],
    [{ maxBlockMs: '5' }, /"maxBlockMs"/],
    [{ idempotent: 1 }, /"idempotent"/],
    [{ compression: 'brotli' }, /"compression"/],
    [{ durability: 'all' }, /"durability"/],
    [{ partitioner: 'random' }, /"partitioner"/],
  ]
  for (const [options, message] of wrongOptions) {
    it(`refuses the options ${JSON.stringify(options)}`, () => {
      assert.throws(
        () => make(options as never),
        (error) =>
          error instanceof VarveError && error.code === 'VARVE_INVALID_ARGUMENT' && message.test(error.message),
      )
    })
  }

  it('refuses a codec that this system cannot compress with', () => {
    const codecs = compressionCodecs.map((codec) => ({ ...codec, canCompress: false }))
    const parts = { target, clock, codecs, crc32c, random: () => 0 }
    assert.throws(() => new Producer(parts, { compression: 'zstd' }), { code: 'VARVE_UNSUPPORTED' })
  })
})
