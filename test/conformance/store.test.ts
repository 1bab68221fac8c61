/**
 * A store as an application embeds it.
 *
 * Seen to fail with the topic id left out of the look at a folder (a topic made anew then finds the old records), with a
 * deleted topic's checkpoint kept, with settings that are not told to open logs, and with `expectedOffset` ignored.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type OpenStoreOptions, open, type Store } from '../../src/index.ts'
import { Actor } from '../actors/actor.ts'
import { valueAt } from '../actors/contents.ts'
import { temporaryFolder } from './temporary-folder.ts'

describe('a store', () => {
  const stores: Store[] = []
  // Before the folder's own hook: it removes what open stores still write to.
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close().catch(() => {})
  })
  const folder = temporaryFolder()
  const openStore = async (options: OpenStoreOptions = {}): Promise<Store> => {
    const store = await open(folder(), options)
    stores.push(store)
    return store
  }
  async function texts(store: Store, topic: string): Promise<string[]> {
    const found: string[] = []
    for await (const batch of store.reader({ topic })) {
      for (const record of batch) found.push(`${record.partition}/${record.offset}=${record.text()}`)
    }
    return found.sort()
  }

  it('keeps topics, settings and records over a close', async () => {
    const first = await openStore()
    const made = await first.createTopic('orders', { partitions: 3, retentionMs: 60_000 })
    const ack = await first.send('orders', { key: 'u1', value: 'paid', partition: 2 })
    assert.deepEqual([ack.topic, ack.partition, ack.offset, ack.durability], ['orders', 2, 0, 'synced'])
    await first.close()
    const second = await openStore()
    assert.deepEqual(second.listTopics(), [made])
    const { settings, partitions } = second.describeTopic('orders')
    assert.deepEqual(
      settings.filter(({ source }) => source !== 'default').map(({ name, value, source }) => [name, value, source]),
      [['retentionMs', 60_000, 'topic']],
    )
    assert.deepEqual(
      partitions.map(({ highWatermark }) => highWatermark),
      [0, 0, 1],
    )
    assert.deepEqual(await texts(second, 'orders'), ['2/0=paid'])
  })

  it('sends what shares a key to one partition, in order', async () => {
    const store = await openStore({ durability: 'buffered' })
    await store.createTopic('orders', { partitions: 4 })
    const acks = await Promise.all(
      Array.from({ length: 40 }, (_, i) => store.send('orders', { key: `u${i % 5}`, value: String(i) })),
    )
    for (let user = 0; user < 5; user++) {
      const own = acks.filter((_, i) => i % 5 === user)
      assert.equal(new Set(own.map(({ partition }) => partition)).size, 1)
      const offsets = own.map(({ offset }) => offset)
      assert.deepEqual(
        offsets,
        [...offsets].sort((a, b) => a - b),
      )
    }
    assert.equal((await texts(store, 'orders')).length, 40)
  })

  it('gives a topic that is made anew another id and no old records, though its folder was left', async () => {
    const first = await openStore()
    const old = await first.createTopic('orders')
    await first.send('orders', { value: 'old' })
    await first.close()
    const kept = join(folder(), 'kept')
    renameSync(join(folder(), 'orders-0'), kept)
    mkdirSync(join(folder(), 'orders-0'))
    const second = await openStore()
    await second.deleteTopic('orders')
    assert.deepEqual(second.listTopics(), [])
    const fresh = await second.createTopic('orders')
    assert.notEqual(fresh.topicId, old.topicId)
    // As after a crash between the metadata and the rename: the old topic's folder stands under the name.
    renameSync(kept, join(folder(), 'orders-0'))
    assert.deepEqual(await texts(second, 'orders'), [])
    assert.equal((await second.send('orders', { value: 'new' })).offset, 0)
    assert.deepEqual(await texts(second, 'orders'), ['0/0=new'])
  })

  it('frees the name and the space of a deleted topic', async () => {
    const store = await openStore()
    await store.createTopic('orders', { partitions: 2 })
    await store.send('orders', { value: 'a', partition: 0 })
    await store.send('orders', { value: 'b', partition: 1 })
    await store.deleteTopic('orders')
    await assert.rejects(store.send('orders', { value: 'c' }), { code: 'VARVE_UNKNOWN_TOPIC' })
    await store.createTopic('orders')
    assert.deepEqual(await texts(store, 'orders'), [])
    await store.close()
    assert.deepEqual(
      readdirSync(folder()).filter((name) => name.endsWith('-delete')),
      [],
    )
    assert.equal(existsSync(join(folder(), 'orders-1')), false)
    assert.equal(readFileSync(join(folder(), 'recovery-point-offset-checkpoint'), 'utf8'), '0\n1\norders 0 0\n')
  })

  it('never appends to a topic that is being deleted what was meant for the next one of its name', async () => {
    const store = await openStore()
    for (let round = 0; round < 20; round++) {
      await store.createTopic('orders')
      await store.send('orders', { value: 'old' })
      const deleting = store.deleteTopic('orders')
      let acknowledged = 0
      const again = (async () => {
        for (;;) {
          try {
            await store.createTopic('orders')
            break
          } catch (failure) {
            assert.equal((failure as { code: string }).code, 'VARVE_TOPIC_EXISTS')
            await new Promise((resolve) => setImmediate(resolve))
          }
        }
        while (acknowledged === 0) {
          await store.send('orders', { value: 'new' }, { durability: 'buffered' }).then(
            () => acknowledged++,
            (failure: { code: string; retriable: boolean }) => assert.ok(failure.retriable, failure.code),
          )
          await new Promise((resolve) => setImmediate(resolve))
        }
      })()
      await Promise.all([deleting, again])
      assert.deepEqual(await texts(store, 'orders'), ['0/0=new'])
      await store.deleteTopic('orders')
    }
  })

  it('does not make a partition anew whose folder was taken away', async () => {
    const first = await openStore()
    await first.createTopic('orders')
    await first.send('orders', { value: 'a' })
    await first.close()
    renameSync(join(folder(), 'orders-0'), `${folder()}-aside`)
    const second = await openStore()
    assert.throws(() => second.describeTopic('orders'), { code: 'VARVE_CORRUPT' })
    renameSync(`${folder()}-aside`, join(folder(), 'orders-0'))
    assert.deepEqual(await texts(second, 'orders'), ['0/0=a'])
  })

  it('changes settings and partitions of a topic while it is in use', async () => {
    const store = await openStore()
    await store.createTopic('orders')
    await store.send('orders', { value: 'x'.repeat(500) })
    await store.alterTopic('orders', { 'max.message.bytes': 200, partitions: 2 })
    await assert.rejects(store.send('orders', { value: 'x'.repeat(500) }), { code: 'VARVE_RECORD_TOO_LARGE' })
    assert.equal((await store.send('orders', { value: 'y', partition: 1 })).partition, 1)
    await store.alterTopic('orders', { maxMessageBytes: null })
    assert.equal((await store.send('orders', { value: 'x'.repeat(500), partition: 0 })).offset, 1)
    await assert.rejects(store.alterTopic('orders', { partitions: 1 }), { code: 'VARVE_INVALID_PARTITIONS' })
  })

  it('appends on condition, or changes nothing', async () => {
    const store = await openStore()
    await store.createTopic('orders')
    await store.send('orders', { value: 'a' }, { expectedOffset: 0 })
    await assert.rejects(store.send('orders', { value: 'b' }, { expectedOffset: 0 }), {
      code: 'VARVE_OFFSET_MISMATCH',
      details: { topic: 'orders', partition: 0, expectedOffset: 0, logEndOffset: 1 },
    })
    assert.deepEqual(await texts(store, 'orders'), ['0/0=a'])
  })

  it('takes a level that was set for store or topic for the least', async () => {
    const store = await openStore({ durability: 'synced' })
    await store.createTopic('orders')
    assert.equal((await store.send('orders', { value: 'a' }, { durability: 'buffered' })).durability, 'synced')
    await store.close()
    const unset = await openStore()
    assert.equal((await unset.send('orders', { value: 'a' }, { durability: 'buffered' })).durability, 'buffered')
    assert.equal((await unset.send('orders', { value: 'a' })).durability, 'synced')
    await unset.alterTopic('orders', { durability: 'interval' })
    assert.equal((await unset.send('orders', { value: 'a' }, { durability: 'buffered' })).durability, 'interval')
  })

  it('tells Kafka of its topics in the files of Kafka, and not of its metadata', async () => {
    const store = await openStore()
    await store.createTopic('orders')
    await store.send('orders', [{ value: 'a' }, { value: 'b' }])
    await store.close()
    const file = (name: string): string => readFileSync(join(folder(), name), 'utf8')
    assert.equal(file('recovery-point-offset-checkpoint'), '0\n1\norders 0 2\n')
    assert.equal(file('replication-offset-checkpoint'), '0\n1\norders 0 2\n')
    const { topicId } = (await openStore()).describeTopic('orders')
    assert.equal(file('orders-0/partition.metadata'), `version: 0\ntopic_id: ${topicId}`)
  })

  it('leaves Kafka its sign of a clean close, unless some log may be in need of a recovery', async () => {
    const sign = join(folder(), '.kafka_cleanshutdown')
    const first = await openStore()
    assert.equal(existsSync(sign), false)
    await first.createTopic('orders')
    await first.close()
    assert.match(readFileSync(sign, 'utf8'), /^\{"version":0,"brokerEpoch":\d+\}$/)
    const second = await openStore()
    assert.equal(existsSync(sign), false, 'a crash from here on must look like one')
    await second.close()
    assert.equal(existsSync(sign), true)
    // As after a kill: what was not opened since may have any end.
    rmSync(sign)
    const third = await openStore()
    await third.send('orders', { value: 'a' })
    await third.close()
    assert.equal(existsSync(sign), false)
  })

  it('follows what is sent, and ends its loops when it is closed', async () => {
    const store = await openStore()
    await store.createTopic('orders', { partitions: 2 })
    const found: string[] = []
    const loop = (async () => {
      for await (const batch of store.reader({ topic: 'orders', follow: true })) {
        for (const record of batch) found.push(record.text()!)
        if (found.length === 20) void store.close()
      }
    })()
    for (let i = 0; i < 20; i++) await store.send('orders', { value: String(i) }, { durability: 'buffered' })
    await loop
    assert.equal(new Set(found).size, 20)
  })

  it('is followed live by another process, partition by partition', async () => {
    const store = await openStore({ durability: 'buffered', internalSegmentBytes: 4096 })
    await store.createTopic('orders', { partitions: 2 })
    await store.send('orders', { value: valueAt(0, 1), partition: 1 })
    const reader = Actor.process()
    try {
      await reader.call('attach', join(folder(), 'orders-1'))
      await reader.call('follow', 0, false)
      for (let offset = 1; offset < 200; offset++) {
        await store.send('orders', { value: valueAt(offset, 1), partition: 1 })
        if (offset % 10 === 0) await store.send('orders', { value: 'elsewhere', partition: 0 })
      }
      const { records, jumps, failure } = await reader.call('seenTo', 200)
      assert.deepEqual({ records, jumps, failure }, { records: 200, jumps: [], failure: '' })
    } finally {
      await reader.kill()
    }
  })

  it('has one writer', async () => {
    await openStore()
    await assert.rejects(open(folder()), { code: 'VARVE_LOCKED' })
  })

  const refused: [what: string, run: (store: Store) => unknown, code: string][] = [
    ['a topic that exists', (s) => s.createTopic('orders'), 'VARVE_TOPIC_EXISTS'],
    ['a name that no topic can have', (s) => s.createTopic('a/../b'), 'VARVE_INVALID_TOPIC'],
    ['a name that differs by . and _ alone', (s) => s.createTopic('or.ders_x'), 'VARVE_INVALID_TOPIC'],
    ['no partitions', (s) => s.createTopic('other', { partitions: 0 }), 'VARVE_INVALID_PARTITIONS'],
    ['a setting out of bounds', (s) => s.createTopic('other', { retentionMs: -7 }), 'VARVE_INVALID_ARGUMENT'],
    ['a mistyped setting', (s) => s.createTopic('other', { retentionMS: 7 } as never), 'VARVE_INVALID_ARGUMENT'],
    ['to describe what is not there', async (s) => s.describeTopic('nobody'), 'VARVE_UNKNOWN_TOPIC'],
    ['to delete what is not there', (s) => s.deleteTopic('nobody'), 'VARVE_UNKNOWN_TOPIC'],
    ['a partition that is not there', (s) => s.send('orders', { value: 'a', partition: 1 }), 'VARVE_UNKNOWN_TOPIC'],
    ['a record without a value', (s) => s.send('orders', {} as never), 'VARVE_INVALID_ARGUMENT'],
  ]
  for (const [what, run, code] of refused) {
    it(`refuses ${what}`, async () => {
      const store = await openStore()
      await store.createTopic('orders')
      await store.createTopic('or_ders.x')
      await assert.rejects(async () => run(store), { code })
      assert.deepEqual(
        store.listTopics().map(({ name }) => name),
        ['or_ders.x', 'orders'],
      )
    })
  }

  it('refuses folders that are none, or hold something else', async () => {
    writeFileSync(join(folder(), 'notes.txt'), 'mine')
    await assert.rejects(open(folder()), { code: 'VARVE_FOREIGN_FOLDER' })
    assert.deepEqual(readdirSync(folder()), ['notes.txt'])
    await assert.rejects(open(join(folder(), 'notes.txt')), { code: 'VARVE_NOT_A_FOLDER' })
    await assert.rejects(open(''), { code: 'VARVE_INVALID_ARGUMENT' })
    await assert.rejects(open(join(folder(), 'x'), { retention: 1 } as never), { code: 'VARVE_INVALID_ARGUMENT' })
  })

  it('says so when it is closed', async () => {
    const store = await openStore()
    await store.close()
    await store.close()
    await assert.rejects(store.createTopic('orders'), { code: 'VARVE_CLOSED' })
    await assert.rejects(store.send('orders', { value: 'a' }), { code: 'VARVE_CLOSED' })
    assert.throws(() => store.listTopics(), { code: 'VARVE_CLOSED' })
  })
})
