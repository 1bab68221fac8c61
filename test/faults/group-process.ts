/**
 * Two producers and a group of three consumers on one store, until the process is killed. What was acknowledged,
 * delivered and finished goes to a journal, line by line: the page cache keeps it whatever happens to the process.
 */
import { openSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type OpenStoreOptions, open, type Store } from '../../src/index.ts'
import { Random } from './random.ts'

export const topic = 'work'
export const group = 'workers'
export const partitionCount = 3

export interface GroupTask {
  readonly folder: string
  readonly journal: string
  readonly seed: number
  readonly options: OpenStoreOptions
}

/** A line of the journal. */
export type JournalEntry =
  | { readonly kind: 'acknowledged'; readonly partition: number; readonly offset: number; readonly value: string }
  /** Handed to a consumer: offsets from `from` up to `to`. */
  | { readonly kind: 'delivered'; readonly partition: number; readonly from: number; readonly to: number }
  /** The batch that ends at `to` is finished: the next one is being asked for. */
  | { readonly kind: 'finished'; readonly partition: number; readonly to: number }

async function work({ folder, journal, seed, options }: GroupTask): Promise<void> {
  const random = new Random(seed)
  const fd = openSync(journal, 'a')
  const note = (entry: JournalEntry): void => void writeSync(fd, `${JSON.stringify(entry)}\n`)
  const store = await open(folder, options)
  if (store.listTopics().length === 0) await store.createTopic(topic, { partitions: partitionCount })
  process.stdout.write('ready')
  const consumers = Array.from({ length: 3 }, () => consume(store, note, random))
  const producers = [0, 1].map((producer) => produce(store, note, random, `${seed}-${producer}`))
  await Promise.all([...consumers, ...producers])
}

async function produce(store: Store, note: (entry: JournalEntry) => void, random: Random, mark: string): Promise<void> {
  const producer = store.producer()
  for (let n = 0; ; n++) {
    const sends = Array.from({ length: random.between(1, 20) }, (_, i) => {
      const value = `${mark} ${n} ${i} ${'v'.repeat(random.below(200))}`
      const durability = random.pick(['buffered', 'synced'] as const)
      return producer
        .send(topic, { key: `${random.below(50)}`, value }, { durability })
        .then(({ partition, offset }) => {
          note({ kind: 'acknowledged', partition, offset, value })
        })
    })
    await Promise.all(sends)
  }
}

/** A member that stays for a while, leaves, and is followed by another one. */
async function consume(store: Store, note: (entry: JournalEntry) => void, random: Random): Promise<never> {
  for (;;) {
    const consumer = store.consumer({
      group,
      topics: topic,
      heartbeatIntervalMs: 5,
      autoCommitIntervalMs: random.below(10),
      maxBytes: random.pick([1, 4096]),
      assignor: 'cooperative-sticky',
    })
    let left = random.between(1, 30)
    for await (const { partition, baseOffset, nextOffset } of consumer) {
      note({ kind: 'delivered', partition, from: baseOffset, to: nextOffset })
      if (random.oneIn(10)) await sleep(random.below(3))
      left--
      if (left === 0) break
      note({ kind: 'finished', partition, to: nextOffset })
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await work(JSON.parse(process.argv[2]!) as GroupTask)
