// Crash states of a store: whatever a power cut leaves of it, opening it brings back every topic whose making was
// acknowledged and none whose deletion was, under the same ids, and of each partition a prefix of what was sent with
// everything in it that was acknowledged as synced; and the same once more after a second crash.
//
// One script of sends, new, deleted, recreated and changed topics is recorded on a simulated disk, and replayed in
// `statesPerScript` states: prefixes of its operations with nothing, everything, and samples of the unsynced ones kept.

import { Disk } from '../../src/storage/disk.ts'
import { addon } from '../../src/storage/native/loader.ts'
import { type OpenStoreOptions, open } from '../../src/store/open.ts'
import type { Store } from '../../src/store/store.ts'
import { Random } from './random.ts'
import { eachStep, type FaultRow } from './row.ts'
import { StillClock } from './still-clock.ts'
import { settle, startMs } from './workload.ts'

const folder = '/data'
const statesPerScript = 600
const stepsPerScript = 40
/** Lost, kept, and two samples of each prefix. */
const statesPerPrefix = 4
const kept = 1
const sampled = 2
const topicNames = ['a', 'b', 'c']

/** One creation of a topic. */
interface Life {
  readonly name: string
  topicId: string
  partitionCount: number
  /** Number of disk operations at these moments; infinite for what did not happen. */
  makingFrom: number
  madeAt: number
  deletingFrom: number
  deletedAt: number
  /** Sent to each partition, in order, each with when it was handed over and acknowledged. */
  readonly sent: Sent[][]
}

interface Sent {
  readonly value: string
  readonly from: number
  acknowledgedAt: number
  readonly synced: boolean
}

class Script {
  readonly kernel = addon().kernelMemory()
  readonly disk = new Disk(addon(), this.kernel)
  readonly options: OpenStoreOptions
  readonly lives: Life[] = []
  readonly #random: Random
  #store: Store | null = null
  #serial = 0

  constructor(seed: number, backend: 'mapped' | 'pwrite') {
    this.#random = new Random(seed)
    this.options = { backend, internalSegmentBytes: 4096, clock: new StillClock(startMs) }
  }

  get operations(): number {
    return addon().kernelOperations(this.kernel)
  }

  async run(): Promise<void> {
    this.#store = await open(folder, { ...this.options, disk: this.disk })
    for (let step = 0; step < stepsPerScript; step++) await this.#step(this.#store)
    await settle()
  }

  async end(): Promise<void> {
    await this.#store?.close()
    addon().kernelClose(this.kernel)
  }

  async #step(store: Store): Promise<void> {
    const name = this.#random.pick(topicNames)
    const life = this.lives.findLast((each) => each.name === name && each.deletedAt === Number.POSITIVE_INFINITY)
    const kind = this.#random.below(10)
    if (life === undefined) await this.#make(store, name)
    else if (kind === 0) await this.#delete(store, life)
    else if (kind === 1) await this.#reopen()
    else if (kind === 2) {
      await store.alterTopic(name, { retentionMs: 1 + this.#random.below(1_000_000_000_000) })
    } else await this.#send(store, life)
  }

  async #make(store: Store, name: string): Promise<void> {
    const never = Number.POSITIVE_INFINITY
    const life: Life = {
      name,
      topicId: '',
      partitionCount: this.#random.between(1, 3),
      makingFrom: this.operations,
      madeAt: never,
      deletingFrom: never,
      deletedAt: never,
      sent: [],
    }
    this.lives.push(life)
    life.topicId = (await store.createTopic(name, { partitions: life.partitionCount })).topicId
    life.madeAt = this.operations
    for (let partition = 0; partition < life.partitionCount; partition++) life.sent.push([])
  }

  async #delete(store: Store, life: Life): Promise<void> {
    life.deletingFrom = this.operations
    await store.deleteTopic(life.name)
    life.deletedAt = this.operations
  }

  async #reopen(): Promise<void> {
    await this.#store!.close()
    this.#store = await open(folder, { ...this.options, disk: this.disk })
  }

  async #send(store: Store, life: Life): Promise<void> {
    const partition = this.#random.below(life.partitionCount)
    const durability = this.#random.pick(['buffered', 'synced'] as const)
    const records = Array.from({ length: this.#random.between(1, 5) }, () => {
      this.#serial++
      return { value: `${this.#serial} ${'v'.repeat(this.#random.below(400))}`, partition }
    })
    const sent = records.map(({ value }) => ({
      value,
      from: this.operations,
      acknowledgedAt: Number.POSITIVE_INFINITY,
      synced: durability === 'synced',
    }))
    life.sent[partition]!.push(...sent)
    await store.send(life.name, records, { durability })
    for (const each of sent) each.acknowledgedAt = this.operations
  }
}

/** What is wrong with a store that was opened after a crash at operation `at`; everything before it `survived`, or only what was synced. */
async function faultOf(store: Store, lives: readonly Life[], at: number, survived: boolean): Promise<string | null> {
  const found = new Map(store.listTopics().map((topic) => [topic.name, topic]))
  for (const life of lives) {
    const topic = found.get(life.name)
    const isIt = topic?.topicId === life.topicId
    if (life.madeAt <= at && life.deletingFrom > at && !isIt) return `topic ${life.name} is gone`
    if ((life.makingFrom > at || life.deletedAt <= at) && isIt) return `topic ${life.name} is there`
    if (!isIt) continue
    for (let partition = 0; partition < life.partitionCount; partition++) {
      const stored: string[] = []
      for await (const batch of store.reader({ topic: life.name, partitions: [partition] })) {
        for (const record of batch) stored.push(record.text()!)
      }
      const sent = life.sent[partition] ?? []
      const strange = stored.findIndex((value, index) => value !== sent[index]?.value)
      if (strange >= 0) return `${life.name}-${partition} holds something else at ${strange}`
      // A flush brings all before it along.
      const owed = sent.findLastIndex(({ acknowledgedAt, synced }) => acknowledgedAt <= at && (synced || survived)) + 1
      if (stored.length < owed) return `${life.name}-${partition} holds ${stored.length} records, not ${owed}`
      const possible = sent.findLastIndex(({ from }) => from <= at) + 1
      if (stored.length > possible) return `${life.name}-${partition} holds records that were not sent yet`
    }
  }
  const strangers = [...found.values()].filter(({ topicId }) => !lives.some((life) => life.topicId === topicId))
  return strangers.length === 0 ? null : `topic ${strangers[0]!.name} was never made so`
}

async function runState(script: Script, state: number): Promise<void> {
  const random = new Random(state)
  const prefixes = statesPerScript / statesPerPrefix
  const prefix = Math.floor((state % statesPerScript) / statesPerPrefix)
  // Spread over the whole script, another set of places each time.
  const at = Math.min(
    script.operations,
    Math.floor(((prefix + random.below(1000) / 1000) / prefixes) * script.operations),
  )
  const mode = Math.min(state % statesPerPrefix, sampled)
  const kernel = addon().kernelCrash(script.kernel, at, mode, state)
  const disk = new Disk(addon(), kernel)
  const store = await open(folder, { ...script.options, disk })
  const fault = await faultOf(store, script.lives, at, mode === kept)
  if (fault !== null) throw new Error(`crash at operation ${at}: ${fault}`)
  // Made anew, a topic has nothing of the one before, whose folder may still stand there.
  for (const name of topicNames.filter((each) => !store.listTopics().some((topic) => topic.name === each))) {
    await store.createTopic(name, { partitions: 3 })
    const holds = store.describeTopic(name).partitions.some(({ highWatermark }) => highWatermark > 0)
    if (holds) throw new Error(`crash at operation ${at}: topic ${name} was made anew and holds something`)
  }
  // What was found is on disk now. What is acknowledged as synced from here on stays, too.
  const topics = store.listTopics().filter(({ name }) => name !== 'after')
  const counts = topics.map(({ name }) =>
    store.describeTopic(name).partitions.map(({ highWatermark }) => highWatermark),
  )
  await store.createTopic('after')
  await store.send('after', { value: 'synced' })
  const second = addon().kernelCrash(kernel, addon().kernelOperations(kernel), 0, state)
  const secondDisk = new Disk(addon(), second)
  const again = await open(folder, { ...script.options, disk: secondDisk })
  const after = topics.map(({ name }) => again.describeTopic(name).partitions.map(({ highWatermark }) => highWatermark))
  if (JSON.stringify(after) !== JSON.stringify(counts)) throw new Error(`second crash: ${after} instead of ${counts}`)
  if (again.describeTopic('after').partitions[0]!.highWatermark !== 1) throw new Error('second crash: a send is gone')
  await again.close()
  addon().kernelClose(second)
  await store.close()
  addon().kernelClose(kernel)
}

export const row: FaultRow = {
  id: 'F3-store',
  title: 'crash states of a store',
  unit: 'crash states',
  gate: 2400,
  long: 100_000,
  variants: ['mapped', 'pwrite'],
  seenToFailOn:
    'metadata that is folded into the image before it is flushed; a partition folder that is taken for its topic by name alone; a send that answers synced without a flush',
  async run(options) {
    const backend = options.variant === 'pwrite' ? 'pwrite' : 'mapped'
    let seed = -1
    let script: Script | null = null
    await eachStep(options, async (state) => {
      const wanted = Math.floor(state / statesPerScript)
      if (script === null || seed !== wanted) {
        await script?.end()
        seed = wanted
        script = new Script(wanted, backend)
        await script.run()
      }
      await runState(script, state)
    })
    await (script as Script | null)?.end()
  },
}
