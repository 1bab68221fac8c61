import { Consumer } from '../consumer/consumer.ts'
import type { ConsumerOptions } from '../consumer/consumer-options.ts'
import { Reader, type ReaderOptions } from '../consumer/reader.ts'
import type { Engine, TopicFacts } from '../engine/engine.ts'
import { VarveError } from '../errors.ts'
import type { Controller } from '../metadata/controller.ts'
import type { ProducerRecord } from '../producer/partitioner.ts'
import { Producer, type ProducerParts } from '../producer/producer.ts'
import type { ProducerOptions, SendOptions } from '../producer/producer-options.ts'
import type { Ack } from '../producer/sent-records.ts'
import { requireKnownOptions } from '../settings/known-options.ts'
import type { LogSettingOptions } from '../settings/log-settings.ts'
import type { EmbeddedSource } from './embedded-source.ts'
import type { Groups } from './groups.ts'
import { type DescribedSetting, describeSettings, settingTexts } from './topic-settings.ts'
import { TypedTopic, type TypedTopicOptions } from './typed-topic.ts'

/** How a topic is made: its number of partitions (default 1) and any settings, by either name. */
export type CreateTopicOptions = LogSettingOptions & { readonly partitions?: number | undefined }

/** A change of a topic: more partitions, other settings; a setting of null takes the store's again. */
export type AlterTopicOptions = { [Name in keyof LogSettingOptions]?: LogSettingOptions[Name] | null } & {
  /** How many there are to be in all. Keys then go to other partitions than before. */
  readonly partitions?: number | undefined
}

export interface TopicInfo {
  readonly name: string
  /** 22 base64url characters, new for each creation of the name. */
  readonly topicId: string
  readonly partitionCount: number
}

export interface TopicDescription extends TopicInfo {
  readonly partitions: readonly PartitionDescription[]
  readonly settings: readonly DescribedSetting[]
}

export interface PartitionDescription {
  readonly partition: number
  readonly leaderEpoch: number
  /** Lowest offset that may be read. */
  readonly logStartOffset: number
  /** Exclusive: consumers read below it. */
  readonly highWatermark: number
  readonly sizeBytes: number
}

export interface StoreParts {
  readonly folder: string
  readonly engine: Engine
  readonly controller: Controller
  readonly groups: Groups
  readonly source: EmbeddedSource
  /** What producers are made of. */
  readonly producerParts: ProducerParts
  /** What was set for the store, as it was passed. */
  readonly settings: LogSettingOptions
  /** Gives the folder back. `clean`: every log was flushed, and its checkpoint written. */
  readonly release: (clean: boolean) => void
}

/**
 * Topics with partitions in one data folder: producers, readers and consumers of it, in this process.
 *
 * Made by `open`. It belongs to the thread that opened it and is the folder's one writer; other threads and processes
 * read the partitions' folders live with `openLog(folder, { mode: 'read' })`. An idle store does not keep the process
 * alive; waiting sends and loops do.
 */
export class Store {
  readonly folder: string
  readonly #parts: StoreParts
  readonly #producers = new Set<Producer>()
  readonly #readers = new Set<Reader>()
  readonly #consumers = new Set<Consumer>()
  #defaultProducer: Producer | null = null
  #closing: Promise<void> | null = null

  constructor(parts: StoreParts) {
    this.folder = parts.folder
    this.#parts = parts
  }

  // ---- topics

  /**
   * Makes a topic. Durable when it resolves; its folders come with the first use of each partition.
   * @throws VARVE_TOPIC_EXISTS, VARVE_INVALID_TOPIC (the name, or one that differs by "." and "_" alone),
   * VARVE_INVALID_PARTITIONS, VARVE_INVALID_ARGUMENT (a setting: named, with the allowed range). Nothing was made.
   */
  async createTopic(name: string, options: CreateTopicOptions = {}): Promise<TopicInfo> {
    this.#checkOpen()
    const { partitions = 1, ...settings } = checkedObject(options)
    const configs: Record<string, string> = {}
    for (const [setting, text] of settingTexts(settings, ['partitions'])) if (text !== null) configs[setting] = text
    await this.#parts.controller.createTopic({ name, partitions, configs })
    return infoOf(this.#parts.engine.topic(name))
  }

  /**
   * Deletes a topic and its records. The name is free when it resolves; the space comes back in the background.
   * @throws VARVE_UNKNOWN_TOPIC.
   */
  async deleteTopic(name: string): Promise<void> {
    this.#checkOpen()
    const topic = this.#parts.engine.topic(name)
    await this.#parts.controller.deleteTopic({ name })
    await this.#parts.engine.removed(topic)
  }

  /**
   * Changes a topic: settings hold at once, new partitions are there when it resolves.
   * @throws VARVE_UNKNOWN_TOPIC, VARVE_INVALID_PARTITIONS, VARVE_INVALID_ARGUMENT.
   */
  async alterTopic(name: string, changes: AlterTopicOptions): Promise<TopicInfo> {
    this.#checkOpen()
    const { engine, controller } = this.#parts
    const { partitions, ...settings } = checkedObject(changes)
    const texts = settingTexts(settings, ['partitions'])
    if (partitions !== undefined && partitions !== engine.topic(name).partitions.length) {
      await controller.createPartitions({ topic: name, count: partitions })
    }
    if (texts.size > 0) {
      await controller.changeConfigs(
        name,
        [...texts].map(([config, value]) => ({ name: config, operation: value === null ? 'delete' : 'set', value })),
      )
      engine.settingsChanged(engine.topic(name))
    }
    return infoOf(engine.topic(name))
  }

  /** All topics by name; those that the store keeps for itself (`__consumer_offsets`) only when asked for. */
  listTopics(options: { readonly internal?: boolean } = {}): TopicInfo[] {
    this.#checkOpen()
    const { internal = false } = options
    return [...this.#parts.controller.image.topics()]
      .filter(({ name }) => internal || !isInternal(name))
      .map(infoOf)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /**
   * Where each partition stands, and every setting with its source. Opens the partitions' logs.
   * @throws VARVE_UNKNOWN_TOPIC.
   */
  describeTopic(name: string): TopicDescription {
    this.#checkOpen()
    const { engine } = this.#parts
    const topic = engine.topic(name)
    const partitions = topic.partitions.map((_, index) => {
      const partition = engine.partition(name, index)
      const { leaderEpoch, logStartOffset, highWatermark } = partition
      return {
        partition: index,
        leaderEpoch,
        logStartOffset,
        highWatermark,
        sizeBytes: partition.log.stats().sizeBytes,
      }
    })
    const settings = describeSettings(engine.settingsOf(topic), topic.configs, this.#parts.settings)
    return { ...infoOf(topic), partitions, settings }
  }

  /**
   * Deletes the records below an offset: they can no longer be read, and whole segments of them go.
   * @param offset From the log start to the high watermark, which -1 stands for.
   * @returns The new log start.
   * @throws VARVE_UNKNOWN_TOPIC, VARVE_OFFSET_OUT_OF_RANGE.
   */
  deleteRecords(topic: string, partition: number, offset: number): number {
    this.#checkOpen()
    return this.#parts.engine.partition(topic, partition).deleteBefore(offset)
  }

  // ---- records

  /**
   * Sends records by the store's own producer; see `Producer.send`. One record gets one ack, an array an array of them.
   */
  send(topic: string, record: ProducerRecord, options?: SendOptions): Promise<Ack>
  send(topic: string, records: readonly ProducerRecord[], options?: SendOptions): Promise<Ack[]>
  send(topic: string, records: never, options?: SendOptions): Promise<Ack | Ack[]> {
    if (this.#closing !== null) return Promise.reject(this.#closed())
    this.#defaultProducer ??= this.producer()
    return this.#defaultProducer.send(topic, records, options)
  }

  /**
   * A topic whose keys and values have types: `store.topic('orders', { key: text(), value: json<Order>() })`. Makes
   * nothing; the topic has to be there when it is used.
   */
  topic<K = Uint8Array, V = Uint8Array>(name: string, options: TypedTopicOptions<K, V> = {}): TypedTopic<K, V> {
    this.#checkOpen()
    requireKnownOptions(options, ['key', 'value'])
    return new TypedTopic(this, name, options)
  }

  /** A producer of one's own: see `ProducerOptions`. It is closed with the store. */
  producer(options: ProducerOptions = {}): Producer {
    this.#checkOpen()
    const producer = new Producer(this.#parts.producerParts, options)
    this.#producers.add(producer)
    return producer
  }

  /** Reads a topic without a group: see `ReaderOptions`. It ends with the store. */
  reader(options: ReaderOptions): Reader {
    this.#checkOpen()
    const { source, producerParts } = this.#parts
    const reader: Reader = new Reader(source, producerParts.clock, options, () => this.#readers.delete(reader))
    this.#readers.add(reader)
    return reader
  }

  /** A member of a consumer group: see `ConsumerOptions`. It leaves its group with the store. */
  consumer(options: ConsumerOptions): Consumer {
    this.#checkOpen()
    const { groups, source, producerParts, controller } = this.#parts
    const consumer: Consumer = new Consumer(
      {
        source,
        clock: producerParts.clock,
        client: () => groups.coordinator(),
        onClosed: () => this.#consumers.delete(consumer),
        topicNames: () => [...controller.image.topics()].map(({ name }) => name).filter((name) => !isInternal(name)),
      },
      options,
    )
    this.#consumers.add(consumer)
    return consumer
  }

  /** The consumer groups of this store: who is in them, how far they are, where they go on. */
  get groups(): Groups {
    this.#checkOpen()
    return this.#parts.groups
  }

  // ---- the whole

  /** Resolves when everything that was sent and appended so far is on disk. */
  async flush(): Promise<void> {
    this.#checkOpen()
    for (const producer of this.#producers) await producer.flush()
    await Promise.all([...this.#parts.engine.partitions.values()].map(({ log }) => log.flush()))
  }

  /**
   * Sends what waits, flushes everything, and gives the folder back. Idempotent. What follows finds nothing to recover.
   * @throws VARVE_FAILED when a last flush fails; the folder is given back all the same.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const { engine, controller, groups, release } = this.#parts
    let clean = false
    try {
      for (const reader of this.#readers) reader.close()
      await Promise.allSettled([...this.#consumers].map((consumer) => consumer.close()))
      await Promise.allSettled([...this.#producers].map((producer) => producer.close()))
      try {
        await groups.close()
        clean = await engine.close()
      } finally {
        await controller.close()
      }
    } finally {
      release(clean)
    }
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw this.#closed()
  }

  #closed(): VarveError {
    return new VarveError('VARVE_CLOSED', `The store in ${this.folder} is closed. Open it again with open().`)
  }
}

/** Topics that the store, or a Kafka, keeps for itself. */
const isInternal = (name: string): boolean => name.startsWith('__')

const infoOf = ({ name, topicId, partitions }: TopicFacts): TopicInfo => ({
  name,
  topicId,
  partitionCount: partitions.length,
})

function checkedObject<Options extends object>(options: Options): Options {
  if (typeof options === 'object' && options !== null) return options
  throw new VarveError('VARVE_INVALID_ARGUMENT', 'The options must be an object.', { details: { argument: 'options' } })
}
