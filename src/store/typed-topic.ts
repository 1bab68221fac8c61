import type { ConsumedBatch, ConsumedRecord } from '../consumer/consumed-batch.ts'
import type { Consumer } from '../consumer/consumer.ts'
import type { ConsumerOptions } from '../consumer/consumer-options.ts'
import type { GroupBatch } from '../consumer/group-batch.ts'
import type { Reader, ReaderOptions } from '../consumer/reader.ts'
import { VarveError } from '../errors.ts'
import type { ProducerRecord } from '../producer/partitioner.ts'
import type { SendOptions } from '../producer/producer-options.ts'
import type { Ack } from '../producer/sent-records.ts'
import type { RecordHeaders } from '../record/record-types.ts'
import { bytes, type Codec } from './codecs.ts'

export interface TypedTopicOptions<K, V> {
  /** Default `bytes()`. */
  readonly key?: Codec<K>
  /** Default `bytes()`. */
  readonly value?: Codec<V>
}

/** A record to be sent; a key or value of null is stored as null, and no codec sees it. */
export interface TypedRecordInput<K, V> {
  readonly key?: K | null
  readonly value: V | null
  readonly headers?: RecordHeaders
  readonly timestamp?: number
  readonly partition?: number
}

/** What a typed topic needs of its store. */
export interface TypedTopicStore {
  send(topic: string, records: readonly ProducerRecord[], options?: SendOptions): Promise<Ack[]>
  reader(options: ReaderOptions): Reader
  consumer(options: ConsumerOptions): Consumer
}

/** A record whose key and value are decoded when they are asked for, then kept. */
export class TypedRecord<K, V> {
  /** The record as it is stored. */
  readonly record: ConsumedRecord
  readonly #codecs: Required<TypedTopicOptions<K, V>>
  #key: K | null | undefined
  #value: V | null | undefined

  constructor(record: ConsumedRecord, codecs: Required<TypedTopicOptions<K, V>>) {
    this.record = record
    this.#codecs = codecs
  }

  get topic(): string {
    return this.record.topic
  }

  get partition(): number {
    return this.record.partition
  }

  get offset(): number {
    return this.record.offset
  }

  /** Milliseconds since 1970, -1 for none. */
  get timestamp(): number {
    return this.record.timestamp
  }

  get headers(): ConsumedRecord['headers'] {
    return this.record.headers
  }

  /** @throws VARVE_INVALID_RECORD naming the record, when the codec throws; the others of the batch can be read. */
  get key(): K | null {
    this.#key ??= this.#decode('key', this.record.key, this.#codecs.key)
    return this.#key
  }

  /** @throws As `key`. */
  get value(): V | null {
    this.#value ??= this.#decode('value', this.record.value, this.#codecs.value)
    return this.#value
  }

  #decode<T>(what: string, stored: Buffer | null, codec: Codec<T>): T | null {
    if (stored === null) return null
    try {
      return codec.decode(stored)
    } catch (cause) {
      const { topic, partition, offset } = this.record
      throw new VarveError(
        'VARVE_INVALID_RECORD',
        `The ${what} at offset ${offset} of ${topic}-${partition} cannot be decoded: ${messageOf(cause)}. \`record\` has its bytes.`,
        { details: { topic, partition, offset, what }, cause },
      )
    }
  }
}

/** A batch of typed records; `batch` is the one that was read, which a member of a group commits. */
export class TypedBatch<K, V, B extends ConsumedBatch | GroupBatch> implements Iterable<TypedRecord<K, V>> {
  readonly batch: B
  readonly #codecs: Required<TypedTopicOptions<K, V>>

  constructor(batch: B, codecs: Required<TypedTopicOptions<K, V>>) {
    this.batch = batch
    this.#codecs = codecs
  }

  get partition(): number {
    return this.batch.partition
  }

  get baseOffset(): number {
    return this.batch.baseOffset
  }

  get nextOffset(): number {
    return this.batch.nextOffset
  }

  get length(): number {
    return this.batch.length
  }

  *[Symbol.iterator](): Generator<TypedRecord<K, V>, void, undefined> {
    for (const record of this.batch) yield new TypedRecord(record, this.#codecs)
  }
}

/** A topic whose keys and values have types. It holds nothing: make as many as you like. */
export class TypedTopic<K, V> {
  readonly name: string
  readonly #store: TypedTopicStore
  readonly #codecs: Required<TypedTopicOptions<K, V>>

  constructor(store: TypedTopicStore, name: string, options: TypedTopicOptions<K, V>) {
    this.name = name
    this.#store = store
    this.#codecs = {
      key: options.key ?? (bytes() as unknown as Codec<K>),
      value: options.value ?? (bytes() as unknown as Codec<V>),
    }
  }

  /**
   * Sends one record, or several, by the store's own producer.
   * @throws VARVE_INVALID_RECORD, `details.index` naming the record whose key or value a codec refused: none was sent.
   * Others as `Producer.send`.
   */
  send(record: TypedRecordInput<K, V>, options?: SendOptions): Promise<Ack>
  send(records: readonly TypedRecordInput<K, V>[], options?: SendOptions): Promise<Ack[]>
  async send(
    given: TypedRecordInput<K, V> | readonly TypedRecordInput<K, V>[],
    options?: SendOptions,
  ): Promise<Ack | Ack[]> {
    const isList = Array.isArray(given)
    const records = (isList ? given : [given]) as readonly TypedRecordInput<K, V>[]
    const acks = await this.#store.send(
      this.name,
      records.map((record, index) => this.#encode(record, index)),
      options,
    )
    return isList ? acks : acks[0]!
  }

  /** Reads without a group: see `ReaderOptions`. */
  async *read(options: Omit<ReaderOptions, 'topic'> = {}): AsyncGenerator<TypedBatch<K, V, ConsumedBatch>, void> {
    for await (const batch of this.#store.reader({ ...options, topic: this.name })) {
      yield new TypedBatch(batch, this.#codecs)
    }
  }

  /** Reads as a member of a group: see `ConsumerOptions`. Asking for the next batch commits the one before. */
  async *consume(options: Omit<ConsumerOptions, 'topics'>): AsyncGenerator<TypedBatch<K, V, GroupBatch>, void> {
    for await (const batch of this.#store.consumer({ ...options, topics: this.name })) {
      yield new TypedBatch(batch, this.#codecs)
    }
  }

  #encode(record: TypedRecordInput<K, V>, index: number): ProducerRecord {
    const { key, value, ...rest } = record
    const encode = <T>(what: string, given: T | null, codec: Codec<T>): string | Uint8Array | null => {
      if (given === null) return null
      try {
        return codec.encode(given)
      } catch (cause) {
        throw new VarveError(
          'VARVE_INVALID_RECORD',
          `The ${what} of record ${index} cannot be encoded: ${messageOf(cause)}. Nothing was sent.`,
          { details: { topic: this.name, index, what }, cause },
        )
      }
    }
    return {
      ...rest,
      ...(key !== undefined && { key: encode('key', key, this.#codecs.key) }),
      value: encode('value', value, this.#codecs.value),
    }
  }
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
