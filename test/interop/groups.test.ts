/**
 * Consumer groups of one data folder change hands between varve and a real Kafka: each goes on where the other has
 * committed, and Kafka's dump tool reads what varve writes into `__consumer_offsets`. The tests are steps of one story.
 *
 * Seen to fail with commits that are written as tombstones.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open, type Store } from '../../src/index.ts'
import { KafkaBroker } from './kafka-broker.ts'
import { kafkaPeer } from './kafka-peer.ts'
import { describeWithKafka } from './needs-kafka.ts'

const group = 'billing'
const topic = 'orders'

describeWithKafka('the groups of a data folder that varve and Kafka share', function () {
  this.timeout(120_000)
  let root = ''
  let broker: KafkaBroker
  let store: Store | undefined

  before(() => {
    root = mkdtempSync(join(tmpdir(), 'varve-groups-'))
    mkdirSync(join(root, 'kafka'))
    broker = KafkaBroker.over(join(root, 'kafka'))
  })
  after(async () => {
    await store?.close().catch(() => {})
    await broker?.kill()
    if (root !== '') rmSync(root, { recursive: true, force: true })
  })

  /** Reads so many records as a member, and commits exactly them. */
  async function read(count: number): Promise<string[]> {
    const got: string[] = []
    const consumer = store!.consumer({ group, topics: topic, autoCommit: false, maxBytes: 1 })
    for await (const batch of consumer) {
      for (const record of batch) got.push(`${record.topic}-${record.partition}@${record.offset}`)
      await batch.commit()
      if (got.length >= count) break
    }
    return got
  }
  const send = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await store!.send(topic, { value: `v${i}`, partition: i % 2 })
  }
  const committed = async (): Promise<Record<string, number>> =>
    Object.fromEntries(
      (await store!.groups.lag(group)).map(({ partition, committedOffset }) => [
        `${topic}-${partition}`,
        committedOffset,
      ]),
    )
  let offsets: Record<string, number> = {}
  const seen: string[] = []

  it('Kafka reads what a group of varve has committed, and so does its dump tool', async () => {
    store = await open(broker.data)
    await store.createTopic(topic, { partitions: 2 })
    await send(20)
    seen.push(...(await read(7)))
    offsets = await committed()
    await store.close()
    store = undefined
    const file = join(broker.data, '__consumer_offsets-0', '00000000000000000000.log')
    const dumped = await kafkaPeer.dump('--files', file, '--offsets-decoder', '--print-data-log')
    for (const [name, offset] of Object.entries(offsets)) {
      const [index] = /\d+$/.exec(name)!
      assert.match(
        dumped,
        new RegExp(`"group":"${group}","topic":"${topic}","partition":${index}[^\\n]*"offset":${offset}`),
      )
    }
    assert.match(dumped, new RegExp(`"group":"${group}"[^\\n]*"protocolType":"consumer"`))
    await broker.start()
    assert.deepEqual(await kafkaPeer.groupOffsets(broker.server, group), offsets)
  })

  it('a Java consumer goes on where varve stopped', async () => {
    seen.push(...(await kafkaPeer.consumeInGroup({ server: broker.server, topic }, group, 20 - seen.length)))
    assert.equal(new Set(seen).size, 20)
    assert.equal(seen.length, 20)
    offsets = { ...(await kafkaPeer.groupOffsets(broker.server, group)) }
    await broker.stop()
  })

  it('varve goes on where the Java consumer stopped', async () => {
    store = await open(broker.data)
    assert.deepEqual(await committed(), offsets)
    await send(4)
    assert.deepEqual((await read(4)).sort(), [`${topic}-0@10`, `${topic}-0@11`, `${topic}-1@10`, `${topic}-1@11`])
  })
})
