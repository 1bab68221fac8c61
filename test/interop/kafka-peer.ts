/**
 * Kafka's dump tool and Java clients, as calls: the other side is `java/KafkaPeer.java`. One JVM serves a whole run; it
 * starts with the first call and ends with the run.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { javaFolder, javaSwitches, kafkaClassPath } from './kafka-jars.ts'

export type Isolation = 'read_uncommitted' | 'read_committed'

/** A record as the Java consumer gives it; keys, values and header values as base64, null as null. */
export type ConsumedRecord = [
  offset: number,
  timestamp: number,
  timestampType: string,
  key: string | null,
  value: string | null,
  headers: [name: string, value: string | null][],
]

export interface Consumed {
  startOffset: number
  /** End of what the isolation level sees. */
  endOffset: number
  records: ConsumedRecord[]
}

export type ProducedRecord = [
  timestamp: number,
  key: string | null,
  value: string | null,
  headers: [name: string, value: string | null][],
]

export interface ProduceOptions {
  readonly config?: Readonly<Record<string, string>>
  readonly transaction?: 'commit' | 'abort'
}

/** A partition of a topic on a server. */
export interface TopicAt {
  readonly server: string
  readonly topic: string
  /** Default 0. */
  readonly partition?: number
}

export interface DescribedTopic {
  readonly topicId: string
  readonly partitions: readonly { readonly leader: number; readonly isr: readonly number[] }[]
  /** What was set for the topic. */
  readonly configs: Readonly<Record<string, string>>
}

export interface KeyPartitions {
  hashes: number[]
  partitions: number[]
}

class KafkaPeer {
  #child: ChildProcessWithoutNullStreams | undefined
  #answers: AsyncIterator<string> | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #errors = ''

  /** Output of the dump tool. */
  async dump(...args: string[]): Promise<string> {
    return ((await this.#ask({ do: 'dump', args })) as { output: string }).output
  }

  /** @returns the topic's id. */
  async createTopic(at: TopicAt, config: Readonly<Record<string, string>> = {}, partitions = 1): Promise<string> {
    return ((await this.#ask({ do: 'createTopic', ...at, config, partitions })) as { topicId: string }).topicId
  }

  /** Topics by name, without those that Kafka keeps for itself. */
  async describeTopics(server: string): Promise<Readonly<Record<string, DescribedTopic>>> {
    const answer = await this.#ask({ do: 'describeTopics', server })
    return (answer as { topics: Record<string, DescribedTopic> }).topics
  }

  /** What a group has committed, by `topic-partition`. */
  async groupOffsets(server: string, group: string): Promise<Readonly<Record<string, number>>> {
    return ((await this.#ask({ do: 'groupOffsets', server, group })) as { offsets: Record<string, number> }).offsets
  }

  /** A member of a group that reads so many records, commits them and leaves; answers `topic-partition@offset`s. */
  async consumeInGroup(at: TopicAt, group: string, count: number): Promise<readonly string[]> {
    return ((await this.#ask({ do: 'consumeInGroup', ...at, group, count })) as { records: string[] }).records
  }

  /** null drops a setting. */
  async alterConfigs(at: TopicAt, config: Readonly<Record<string, string | null>>): Promise<void> {
    await this.#ask({ do: 'alterConfigs', ...at, config })
  }

  async deleteTopic(at: TopicAt): Promise<void> {
    await this.#ask({ do: 'deleteTopic', ...at })
  }

  async deleteRecords(at: TopicAt, before: number): Promise<void> {
    await this.#ask({ do: 'deleteRecords', ...at, before })
  }

  async consume(at: TopicAt, isolation: Isolation = 'read_uncommitted'): Promise<Consumed> {
    return (await this.#ask({ do: 'consume', ...at, isolation })) as Consumed
  }

  async offsetsForTimestamps(
    at: TopicAt,
    timestamps: number[],
  ): Promise<([offset: number, timestamp: number] | null)[]> {
    const answer = await this.#ask({ do: 'offsetForTimestamp', ...at, timestamps })
    return (answer as { found: ([number, number] | null)[] }).found
  }

  /** Offsets of the records. */
  async produce(at: TopicAt, records: readonly ProducedRecord[], options: ProduceOptions = {}): Promise<number[]> {
    return ((await this.#ask({ do: 'produce', ...at, records, ...options })) as { offsets: number[] }).offsets
  }

  /** The murmur2 hash of each key, and the partition that the Java producer chooses for it. */
  async partition(keys: readonly Uint8Array[], partitionCount: number): Promise<KeyPartitions> {
    const encoded = keys.map((key) => Buffer.from(key).toString('base64'))
    return (await this.#ask({ do: 'partition', keys: encoded, partitionCount })) as KeyPartitions
  }

  async close(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    this.#child = undefined
    const ended = once(child, 'exit')
    child.stdin.end()
    const limit = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await ended
    clearTimeout(limit)
  }

  /** One question at a time: the answers have no numbers. */
  #ask(question: object): Promise<unknown> {
    const answer = this.#turn.then(() => this.#exchange(question))
    this.#turn = answer.catch(() => {})
    return answer
  }

  async #exchange(question: object): Promise<unknown> {
    if (this.#child === undefined) await this.#start()
    this.#child!.stdin.write(`${JSON.stringify(question)}\n`)
    const { value, done } = await this.#answers!.next()
    if (done) throw new Error(`The Java side ended: ${this.#errors}`)
    const answer = JSON.parse(value) as { error?: string }
    if (answer.error !== undefined) throw new Error(`${JSON.stringify(question).slice(0, 200)}: ${answer.error}`)
    return answer
  }

  async #start(): Promise<void> {
    const args = [...javaSwitches, '-cp', await kafkaClassPath(), join(javaFolder, 'KafkaPeer.java')]
    const child = spawn('java', args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child = child
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-4000)
    })
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  }
}

export const kafkaPeer = new KafkaPeer()

// A hook of the whole run, whichever files of it are loaded.
after(() => kafkaPeer.close())
