/**
 * Consumer groups of a store.
 *
 * Seen to fail with a batch committed as it is handed out, with positions
 * that are taken from the start instead of from what is committed, with `onRevoked` not awaited, and with new topics not
 * looked for.
 */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { type Consumer, type ConsumerOptions, open, type Store } from '../../src/index.ts'
import { StillClock } from '../faults/still-clock.ts'
import { temporaryFolder } from './temporary-folder.ts'

describe('consumer groups', () => {
  let store: Store
  afterEach(() => store.close())
  const folder = temporaryFolder()
  beforeEach(async () => {
    store = await open(folder(), { durability: 'buffered' })
    await store.createTopic('orders', { partitions: 4 })
  })

  const send = async (count: number, topic = 'orders'): Promise<void> => {
    await store.send(
      topic,
      Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: `${topic} ${i}` })),
    )
  }
  const join = (options: Partial<ConsumerOptions> = {}): Consumer =>
    store.consumer({ group: 'billing', topics: ['orders'], heartbeatIntervalMs: 10, ...options })

  /** Reads until `enough` says so, or for ever; what it got, by partition and offset. */
  async function readAll(consumer: Consumer, into: string[], enough: () => boolean): Promise<void> {
    for await (const batch of consumer) {
      for (const { topic, partition, offset } of batch) into.push(`${topic}-${partition}@${offset}`)
      if (enough()) break
    }
  }

  it('give each record to one member of a group, and all of them to every group', async () => {
    await send(100)
    const got: string[][] = [[], [], []]
    const done = () => got[0]!.length + got[1]!.length === 100
    const members = [join(), join()]
    const audit = join({ group: 'audit' })
    const loops = [
      ...members.map((member, index) => readAll(member, got[index]!, done)),
      readAll(audit, got[2]!, () => got[2]!.length === 100),
    ]
    await loops[2]
    while (!done()) await delay(5)
    await Promise.all(members.map((member) => member.close()))
    await Promise.all(loops)
    assert.equal(new Set([...got[0]!, ...got[1]!]).size, 100)
    assert.equal(new Set(got[2]).size, 100)
  })

  it('share the partitions among members that come and go, and keep what can be kept', async () => {
    const assigned: string[][] = [[], []]
    const changes: string[] = []
    const track = (who: number): Partial<ConsumerOptions> => ({
      onAssigned: (partitions) => {
        changes.push(`${who}+${partitions.length}`)
        assigned[who] = [...assigned[who]!, ...partitions.map(({ partition }) => String(partition))]
      },
      onRevoked: (partitions) => {
        changes.push(`${who}-${partitions.length}`)
        const gone = new Set(partitions.map(({ partition }) => String(partition)))
        assigned[who] = assigned[who]!.filter((partition) => !gone.has(partition))
      },
    })
    const first = join(track(0))
    const firstLoop = readAll(first, [], () => false)
    while (assigned[0]!.length < 4) await delay(5)
    const second = join(track(1))
    const secondLoop = readAll(second, [], () => false)
    while (assigned[1]!.length < 2) await delay(5)
    assert.deepEqual([...assigned[0]!, ...assigned[1]!].sort(), ['0', '1', '2', '3'])
    // Cooperative: the first one gave up two, not all.
    assert.deepEqual(
      changes.filter((change) => change.startsWith('0')),
      ['0+4', '0-2'],
    )
    await second.close()
    while (assigned[0]!.length < 4) await delay(5)
    assert.deepEqual(await store.groups.describe('billing').then(({ members }) => members.length), 1)
    await first.close()
    await Promise.all([firstLoop, secondLoop])
  })

  it('commit a batch only when the next one is asked for', async () => {
    await store.createTopic('one')
    await send(10, 'one')
    const got: string[] = []
    // One stored batch is one batch here, so each send is one.
    await store.send('one', { value: 'last' })
    for await (const batch of join({ topics: 'one', maxBytes: 1 })) {
      got.push(`${batch.baseOffset}..${batch.nextOffset - 1}`)
      if (got.length === 2) break
    }
    assert.deepEqual(got, ['0..9', '10..10'])
    assert.deepEqual(
      (await store.groups.lag('billing')).map(({ committedOffset, lag }) => [committedOffset, lag]),
      [[10, 1]],
    )
    const again: string[] = []
    await readAll(join({ topics: 'one' }), again, () => true)
    assert.deepEqual(again, ['one-0@10'])
  })

  it('leave the batch in hand uncommitted when the loop throws, and after close()', async () => {
    await store.createTopic('one')
    await send(3, 'one')
    const failing = join({ topics: 'one' })
    await assert.rejects(async () => {
      for await (const _ of failing) throw new Error('mine')
    }, /mine/)
    const closing = join({ topics: 'one' })
    for await (const batch of closing) {
      assert.equal(batch.baseOffset, 0)
      await closing.close()
    }
    assert.deepEqual((await store.groups.describe('billing')).offsets, [])
  })

  it('commit by hand where they are asked to', async () => {
    await store.createTopic('one')
    await send(3, 'one')
    for await (const batch of join({ topics: 'one', autoCommit: false })) {
      await batch.commit()
      break
    }
    assert.deepEqual(
      (await store.groups.lag('billing')).map(({ committedOffset }) => committedOffset),
      [3],
    )
    await send(2, 'one')
    const consumer = join({ topics: 'one', autoCommit: false })
    for await (const batch of consumer) if (batch.nextOffset === 5) setImmediate(() => void consumer.close())
    assert.deepEqual(
      (await store.groups.lag('billing')).map(({ committedOffset }) => committedOffset),
      [3],
    )
  })

  it('go on where they were, over a close of the store', async () => {
    await send(40)
    const got: string[] = []
    const consumer = join()
    const loop = readAll(consumer, got, () => false)
    while (got.length < 40) await delay(5)
    await consumer.close()
    await loop
    await store.close()
    store = await open(folder(), { durability: 'buffered' })
    await send(5)
    await readAll(join(), got, () => got.length === 45)
    assert.equal(new Set(got).size, 45)
    assert.equal(got.length, 45)
  })

  it('start at the end where that is asked for, and nothing is committed', async () => {
    await send(10)
    const got: string[] = []
    const consumer = join({ from: 'latest' })
    const loop = readAll(consumer, got, () => got.length === 3)
    while (consumer.assignment().length < 4) await delay(5)
    await send(3)
    await loop
    assert.equal(got.length, 3)
    assert.ok((await consumer.lag()).length >= 0)
  })

  it('notice topics that match their pattern later, and partitions that are added', async () => {
    const got: string[] = []
    const consumer = join({ topics: /^or/ })
    const loop = readAll(consumer, got, () => got.length === 3)
    while (consumer.assignment().length < 4) await delay(5)
    await store.createTopic('oranges')
    await store.createTopic('lemons')
    await store.alterTopic('orders', { partitions: 5 })
    await store.send('oranges', { value: 'a' })
    await store.send('lemons', { value: 'b' })
    await store.send('orders', { value: 'c', partition: 4 })
    await store.send('orders', { value: 'd', partition: 0 })
    await loop
    assert.deepEqual(got.sort(), ['oranges-0@0', 'orders-0@0', 'orders-4@0'])
  })

  it('seek, pause and resume', async () => {
    await store.createTopic('one', { partitions: 2 })
    await store.send('one', [
      { value: 'a', partition: 0 },
      { value: 'b', partition: 0 },
    ])
    const got: string[] = []
    const consumer = join({ topics: 'one', onAssigned: () => consumer.pause('one', 1) })
    const loop = readAll(consumer, got, () => got.length === 5)
    while (got.length < 2) await delay(5)
    await store.send('one', { value: 'c', partition: 1 })
    consumer.seek('one', 0, 0)
    while (got.length < 4) await delay(5)
    assert.deepEqual(got, ['one-0@0', 'one-0@1', 'one-0@0', 'one-0@1'])
    consumer.resume('one', 1)
    await loop
    assert.deepEqual(got.at(-1), 'one-1@0')
    assert.throws(() => consumer.seek('orders', 0, 0), { code: 'VARVE_INVALID_ARGUMENT' })
  })

  it('end the loop with what a callback throws, and commit nothing of it', async () => {
    await send(10)
    const failing = join({
      onAssigned: () => {
        throw new Error('mine')
      },
    })
    await assert.rejects(
      readAll(failing, [], () => false),
      /mine/,
    )
    assert.equal((await store.groups.describe('billing')).members.length, 0)
  })

  it('await onRevoked before another member gets what is given up', async () => {
    await send(40)
    const order: string[] = []
    const first = join({
      onRevoked: async () => {
        await delay(50)
        order.push('given up')
      },
    })
    const firstLoop = readAll(first, [], () => false)
    while (first.assignment().length < 4) await delay(5)
    const second = join({ onAssigned: ({ length }) => void (length > 0 && order.push('got')) })
    const secondLoop = readAll(second, [], () => false)
    while (second.assignment().length < 2) await delay(5)
    assert.deepEqual(order, ['given up', 'got'])
    await Promise.all([first.close(), second.close()])
    await Promise.all([firstLoop, secondLoop])
  })

  it('are reset to other offsets while nobody is in them', async () => {
    await store.createTopic('one')
    for (let i = 0; i < 6; i++) await store.send('one', { value: String(i), timestamp: 1_700_000_000_000 + i * 1000 })
    const { groups } = store
    const at = async (): Promise<number[]> =>
      (await groups.lag('billing')).map(({ committedOffset }) => committedOffset)
    await groups.resetOffsets('billing', 'one', 'latest')
    assert.deepEqual(await at(), [6])
    await groups.resetOffsets('billing', 'one', { shiftBy: -2 })
    assert.deepEqual(await at(), [4])
    await groups.resetOffsets('billing', 'one', { timestamp: 1_700_000_001_500 })
    assert.deepEqual(await at(), [2])
    await groups.resetOffsets('billing', 'one', { 0: 5 })
    assert.deepEqual(await at(), [5])
    await groups.resetOffsets('billing', 'one', 999)
    assert.deepEqual(await at(), [6])
    await groups.resetOffsets('billing', 'one', { durationMs: 1000 })
    assert.deepEqual(await at(), [6])
    await assert.rejects(groups.resetOffsets('billing', 'one', 'first' as never), { code: 'VARVE_INVALID_ARGUMENT' })
    const member = join({ topics: 'one' })
    const loop = readAll(member, [], () => false)
    while (member.assignment().length === 0) await delay(5)
    await assert.rejects(groups.resetOffsets('billing', 'one', 'earliest'), { name: 'VarveError' })
    await assert.rejects(groups.delete('billing'), { code: 'VARVE_GROUP_NOT_EMPTY' })
    await member.close()
    await loop
    await groups.delete('billing')
    assert.deepEqual(groups.list(), [])
    await assert.rejects(groups.describe('billing'), { code: 'VARVE_GROUP_NOT_FOUND' })
  })

  it('keep a member that waits, however long nothing comes', async () => {
    await store.close()
    const clock = new StillClock(1_700_000_000_000)
    store = await open(folder(), { durability: 'buffered', clock })
    const lost: number[] = []
    const consumer = join({ onLost: ({ length }) => void lost.push(length) })
    const loop = readAll(consumer, [], () => true)
    const turns = async (): Promise<void> => {
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
    }
    // The first member makes the topic of commits, and a disk takes its time.
    while (consumer.assignment().length < 4) await delay(5)
    const before = await store.groups.describe('billing')
    // Three times maxPollIntervalMs, in steps within which heartbeats are answered.
    for (let second = 0; second < 900; second += 20) {
      clock.advance(20_000)
      await turns()
    }
    const after = await store.groups.describe('billing')
    assert.deepEqual([after.generation, after.members.length, lost], [before.generation, 1, []])
    await send(1)
    await loop
  })

  it('pass by a topic that is deleted under them', async () => {
    await store.createTopic('oranges')
    const got: string[] = []
    const consumer = join({ topics: /^or/ })
    const loop = readAll(consumer, got, () => got.length === 2)
    await store.send('oranges', { value: 'a' })
    while (got.length < 1) await delay(5)
    await store.deleteTopic('oranges')
    await delay(20)
    await store.send('orders', { value: 'b', partition: 1 })
    await loop
    assert.deepEqual(got, ['oranges-0@0', 'orders-1@0'])
  })

  it('make nothing before their loop begins, and fail nobody who closes the store then', async () => {
    join()
    await store.close()
    store = await open(folder())
    assert.deepEqual(
      store.listTopics({ internal: true }).map(({ name }) => name),
      ['orders'],
    )
  })

  it('reject with the reason of the signal, and leave', async () => {
    const controller = new AbortController()
    const consumer = join({ signal: controller.signal })
    const loop = readAll(consumer, [], () => false)
    while (consumer.assignment().length < 4) await delay(5)
    controller.abort(new Error('enough'))
    await assert.rejects(loop, /enough/)
    assert.equal((await store.groups.describe('billing')).members.length, 0)
  })

  it('end with the store', async () => {
    const loop = readAll(join(), [], () => false)
    await delay(20)
    await store.close()
    await loop
  })

  const refused: [string, Partial<ConsumerOptions>][] = [
    ['a group without a name', { group: '' }],
    ['no topics', { topics: [] }],
    ['an assignor that there is not', { assignor: 'fair' as never }],
    ['a start that is none', { from: 'middle' as never }],
    ['a callback that is none', { onAssigned: 'me' as never }],
    ['a mistyped option', { autocommit: false } as never],
    ['a negative interval', { autoCommitIntervalMs: -1 }],
  ]
  for (const [what, options] of refused) {
    it(`refuse ${what}`, () => {
      assert.throws(() => join(options), { code: 'VARVE_INVALID_ARGUMENT' })
    })
  }

  it('refuse topics that are not there when the loop begins', async () => {
    await assert.rejects(
      readAll(join({ topics: 'nobody' }), [], () => true),
      { code: 'VARVE_UNKNOWN_TOPIC' },
    )
  })
})
