import type { Writable } from 'node:stream'
import type { Clock, Timer } from '../env/clock.ts'
import { type CompressionCodec, type CompressionCodecs, compressionNames } from '../env/codecs.ts'
import { VarveError } from '../errors.ts'
import { BatchBuilder, recordBytesMax } from '../record/batch-builder.ts'
import { batchBytesMax } from '../record/batch-header.ts'
import type { Crc32c } from '../record/record-types.ts'
import {
  type AccumulatorEffect,
  type AccumulatorEvent,
  AccumulatorMachine,
  makePartitionQueue,
  type PartitionQueue,
  type SendBatch,
  type SendTerms,
} from './accumulator-machine.ts'
import { divideRecords } from './divided-records.ts'
import { Partitioner, type ProducerRecord } from './partitioner.ts'
import type { Durability, ProducedBatch, ProduceTarget, ProduceTopic } from './produce-target.ts'
import {
  checkSendOptions,
  type ProducerOptions,
  type ProducerSettings,
  producerSettings,
  type SendOptions,
} from './producer-options.ts'
import { type Ack, type AckReceiver, isList, SentRecords, SplitCall } from './sent-records.ts'
import { TopicLookups } from './topic-lookups.ts'
import { makeWritable, type WritableOptions } from './writable.ts'

/** What a producer is made of, beside its options. */
export interface ProducerParts {
  readonly target: ProduceTarget
  readonly clock: Clock
  readonly codecs: CompressionCodecs
  readonly crc32c: Crc32c
  /** From 0 to below 1; chooses among partitions for records without a key. */
  readonly random: () => number
}

/** From here on a batch is compressed on Node's thread pool: below, handing it over costs as much as lz4 or snappy. */
const asyncCompressionBytes = 16 * 1024
/**
 * The most sends that wait for a place in the buffer, or for a topic to be looked up. Each costs about 200 bytes beside
 * the records that it holds on to: who has a million unanswered calls has forgotten to await.
 */
const waitingSendsMax = 1_000_000
/** Builders that are kept for later batches: some for each of the partitions that a producer writes at a time. */
const idleBuildersMax = 64

type Batch = SendBatch<SentRecords>
type Queue = PartitionQueue<SentRecords>
type Records = ProducerRecord | readonly ProducerRecord[]

/** One `send` that is not yet divided among partitions. */
interface Call {
  readonly topic: string
  readonly records: Records
  readonly terms: SendTerms
  readonly receiver: AckReceiver<Ack> | AckReceiver<Ack[]>
  /** Filled when it is divided; only for calls with a signal. */
  readonly parts: SentRecords[] | null
  /** Its signal has rejected it already. */
  aborted: boolean
}

/** A topic that was sent to. As many are kept as there are topics. */
interface Topic {
  readonly partitioner: Partitioner
  readonly queues: Queue[]
}

/**
 * Sends records to topics, many of them in one batch.
 *
 * Owned by whoever made it, on one thread. Any number of sends may be under way: records that go to one partition are
 * appended in the order of their sends, and memory is bounded by `bufferBytes`. While something is under way the
 * process stays alive.
 *
 * It deliberately does not send anything twice, and does not know where its target keeps the logs.
 */
export class Producer {
  readonly #parts: ProducerParts
  readonly #settings: ProducerSettings
  readonly #machine: AccumulatorMachine<SentRecords>
  readonly #codec: CompressionCodec | undefined
  readonly #topics = new Map<string, Topic>()
  readonly #lookups = new TopicLookups<Call>()
  readonly #keyScratch = Partitioner.makeScratch()
  readonly #idleBuilders: BatchBuilder[] = []
  /** The terms of calls without a condition, by durability: one object each, see `SendTerms`. */
  readonly #terms = new Map<Durability | undefined, SendTerms>()
  readonly #defaultTerms: SendTerms
  /** Events that came while the effects of another were carried out. */
  readonly #events: AccumulatorEvent<SentRecords>[] = []
  #stepping = false
  /** The machine will be told when this burst of work is over. */
  #burstOpen = false
  readonly #endBurst = (): void => {
    this.#burstOpen = false
    this.#step({ type: 'burst-over' })
  }
  #timer: Timer | null = null
  #hold: Timer | null = null
  readonly #flushes = new Map<number, () => void>()
  #flushCount = 0
  #closing: Promise<void> | null = null

  /** @throws VARVE_INVALID_ARGUMENT naming the option; VARVE_UNSUPPORTED for a codec that this Node version lacks. */
  constructor(parts: ProducerParts, options: ProducerOptions = {}) {
    const settings = producerSettings(options)
    this.#parts = parts
    this.#settings = settings
    this.#codec = codecFor(parts.codecs, settings)
    this.#machine = new AccumulatorMachine({ ...settings, waitingSendsMax, inFlightMax: parts.target.inFlightMax })
    this.#defaultTerms = this.#termsOf(settings.durability, undefined)
  }

  /**
   * Appends a record, or several of them, to a topic.
   *
   * Records of one call that go to one partition travel as one batch: atomic and in order. They are copied before
   * `send` returns, unless the buffer is full or the target has to look the topic up: whoever goes on writing into
   * memory that it sent awaits the answer first.
   * @returns An ack, or one for each record in the same order, once the asked durability is reached.
   * @throws (as rejections)
   * VARVE_INVALID_ARGUMENT; VARVE_UNKNOWN_TOPIC; VARVE_RECORD_TOO_LARGE (the records for one partition do not fit a
   * batch); VARVE_BUFFER_FULL (retriable: the buffer stayed full for `maxBlockMs`); VARVE_OFFSET_MISMATCH
   * (`expectedOffset`: the log ends elsewhere, `details` say where): nothing was appended;
   * VARVE_PARTIAL_SEND: records for several partitions, some of which failed: `details.results` has an ack or an error
   * for each record (when all failed for one reason, it rejects with that); VARVE_CLOSED; what the log refuses; the signal's reason, and then what was already handed over may
   * still be appended. After VARVE_FAILED it is not known what was.
   */
  send(topic: string, record: ProducerRecord, options?: SendOptions): Promise<Ack>
  send(topic: string, records: readonly ProducerRecord[], options?: SendOptions): Promise<Ack[]>
  send(topic: string, records: Records, options?: SendOptions): Promise<Ack | Ack[]> {
    return new Promise((resolve, reject) => {
      this.#send(topic, records, options, { resolve, reject })
    })
  }

  /** Sends what waits, without lingering. Resolves when everything sent before it is settled, whether it succeeded or not. */
  async flush(): Promise<void> {
    if (this.#closing !== null) throw closedProducer()
    await this.#settleAll()
  }

  /**
   * A Node stream in object mode that sends each record that is written to it, with back-pressure; see `makeWritable`.
   * @throws VARVE_INVALID_ARGUMENT naming the option.
   */
  writable(topic: string, options: WritableOptions = {}): Writable {
    return makeWritable((record, sendOptions) => this.send(topic, record, sendOptions), options)
  }

  /** Takes no more sends, sends what waits, and resolves when all is settled. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** What throws here rejects the promise. */
  #send(
    topic: string,
    records: Records,
    options: SendOptions | undefined,
    receiver: AckReceiver<Ack> | AckReceiver<Ack[]>,
  ): void {
    if (this.#closing !== null) throw closedProducer()
    if (options === undefined) {
      this.#begin({ topic, records, terms: this.#defaultTerms, receiver, parts: null, aborted: false })
      return
    }
    const { durability = this.#settings.durability, expectedOffset, signal } = checkSendOptions(options)
    const terms = this.#termsOf(durability, expectedOffset)
    if (signal === undefined) this.#begin({ topic, records, terms, receiver, parts: null, aborted: false })
    else this.#sendUntil(signal, { topic, records, terms, receiver, parts: null, aborted: false })
  }

  /** @param given With the receiver that `signal` rejects. */
  #sendUntil(signal: AbortSignal, given: Call): void {
    signal.throwIfAborted()
    const { receiver } = given
    const parts: SentRecords[] = []
    const done = (): void => signal.removeEventListener('abort', abort)
    const call: Call = {
      ...given,
      parts,
      receiver: {
        resolve: (value: Ack & Ack[]): void => {
          done()
          receiver.resolve(value)
        },
        reject: (error: unknown): void => {
          done()
          receiver.reject(error)
        },
      },
    }
    const abort = (): void => {
      call.aborted = true
      receiver.reject(signal.reason)
      for (const part of parts) {
        if (part.state === 'waiting') part.records = null
        this.#step({ type: 'cancel', part })
      }
    }
    signal.addEventListener('abort', abort, { once: true })
    try {
      this.#begin(call)
    } catch (error) {
      done()
      throw error
    }
  }

  #begin(call: Call): void {
    const { topic } = call
    const waiting = this.#lookups.waitingFor(topic)
    if (waiting !== undefined) {
      if (waiting.length >= waitingSendsMax) throw bufferFull(this.#settings)
      waiting.push(call)
      return
    }
    if (typeof topic !== 'string' || topic === '') {
      throw new VarveError('VARVE_INVALID_ARGUMENT', `The topic must be a name, not ${String(topic)}.`, {
        details: { argument: 'topic' },
      })
    }
    const described = this.#parts.target.describeTopic(topic)
    if (described instanceof Promise) this.#lookUp(call, described)
    else this.#divide(call, described)
  }

  #lookUp(call: Call, described: Promise<ProduceTopic>): void {
    const found = (waiting: Call, answer: ProduceTopic): void => {
      try {
        if (!waiting.aborted) this.#divide(waiting, answer)
      } catch (error) {
        waiting.receiver.reject(error)
      }
      this.#holdWhileBusy()
    }
    const failed = (waiting: Call, error: unknown): void => {
      waiting.receiver.reject(error)
      this.#holdWhileBusy()
    }
    this.#lookups.start(call.topic, call, described, found, failed)
    this.#holdWhileBusy()
  }

  /** Chooses a partition for each record. Nothing is sent before all records are known to be right. */
  #divide(call: Call, described: ProduceTopic): void {
    const { records, terms, receiver } = call
    const { partitionCount } = described
    const topic = this.#topicOf(call.topic)
    if (!isList(records)) {
      const sizeBytes = recordBytesMax(records)
      const queue = queueOf(topic, call.topic, topic.partitioner.choose(records, partitionCount), described)
      this.#sendPart(call, new SentRecords(queue, terms, records, sizeBytes, receiver))
      return
    }
    const groups = divideRecords(records, topic.partitioner, partitionCount)
    if (groups.length !== 1 && terms.expectedOffset !== undefined) throw notOnePartition(call.topic)
    const list = receiver as AckReceiver<Ack[]>
    if (groups.length === 0) list.resolve([])
    const split = groups.length > 1 ? new SplitCall(records.length, groups.length, list) : null
    for (const group of groups) {
      const queue = queueOf(topic, call.topic, group.partition, described)
      const partReceiver = split === null ? list : split.part(group.indexes!)
      this.#sendPart(call, new SentRecords(queue, terms, group.records, group.sizeBytes, partReceiver))
    }
  }

  #sendPart(call: Call, part: SentRecords): void {
    call.parts?.push(part)
    this.#step({ type: 'send', part })
  }

  #topicOf(name: string): Topic {
    let topic = this.#topics.get(name)
    if (topic === undefined) {
      const { partitioner } = this.#settings
      topic = { partitioner: new Partitioner(name, partitioner, this.#parts.random, this.#keyScratch), queues: [] }
      this.#topics.set(name, topic)
    }
    return topic
  }

  #termsOf(durability: Durability | undefined, expectedOffset: number | undefined): SendTerms {
    if (expectedOffset !== undefined) return { durability, expectedOffset }
    let terms = this.#terms.get(durability)
    if (terms === undefined) {
      terms = { durability, expectedOffset: undefined }
      this.#terms.set(durability, terms)
    }
    return terms
  }

  /** Effects run in listed order; what they bring about comes after all of them. */
  #step(event: AccumulatorEvent<SentRecords>): void {
    if (this.#stepping) {
      this.#events.push(event)
      return
    }
    this.#stepping = true
    // One time for all that one event brings about.
    const nowMs = this.#parts.clock.monotonicMs()
    try {
      for (let next: typeof event | undefined = event; next !== undefined; next = this.#events.shift()) {
        for (const effect of this.#machine.step(next, nowMs)) this.#perform(effect)
      }
    } finally {
      this.#stepping = false
    }
    this.#holdWhileBusy()
  }

  #perform(effect: AccumulatorEffect<SentRecords>): void {
    switch (effect.type) {
      case 'place':
        this.#place(effect.part, effect.batch)
        break
      case 'seal':
        this.#seal(effect.batch)
        break
      case 'produce':
        this.#produce(effect.batch)
        break
      case 'drop':
        this.#end(effect.batch, (part) => part.fail(effect.error))
        break
      case 'refuse':
        effect.part.fail(
          effect.code === 'VARVE_BUFFER_FULL'
            ? bufferFull(this.#settings)
            : tooLarge(effect.part.sizeBytes, this.#settings.bufferBytes),
        )
        break
      case 'soon':
        this.#burstOpen = true
        this.#parts.clock.soon(this.#endBurst)
        break
      case 'arm':
        this.#arm(effect.atMs)
        break
      case 'ask-producer-id':
        this.#askProducerId()
        break
      case 'flushed':
        this.#flushes.get(effect.id)!()
        this.#flushes.delete(effect.id)
        break
    }
  }

  #place(part: SentRecords, batch: Batch): void {
    batch.builder ??= this.#idleBuilders.pop() ?? this.#makeBuilder()
    try {
      if (part.waited) requireUnchanged(part)
      part.encode(batch.builder)
      part.records = null
    } catch (error) {
      part.fail(error)
      this.#step({ type: 'withdraw', part, batch })
    }
  }

  #seal(batch: Batch): void {
    const { topic, partition } = batch.queue
    this.#topics.get(topic)!.partitioner.moved(partition)
    const builder = batch.builder!
    if (this.#codec === undefined || builder.byteLength < asyncCompressionBytes) {
      // What is small is compressed as the batch is finished.
      this.#step({ type: 'encoded', batch })
      return
    }
    this.#codec.compressAsync(builder.encodedRecords).then(
      (records) => {
        builder.takeCompressed(records)
        this.#step({ type: 'encoded', batch })
      },
      // Finishing the batch tries it once more, and its error is the answer.
      () => this.#step({ type: 'encoded', batch }),
    )
  }

  #produce(batch: Batch): void {
    const { queue, terms, producerId, producerEpoch, baseSequence } = batch
    const builder = batch.builder!
    let answer: ProducedBatch | Promise<ProducedBatch>
    try {
      builder.setProducer(producerId < 0n ? null : { producerId, producerEpoch, baseSequence })
      builder.finish()
      answer = this.#parts.target.produce(
        {
          topic: queue.topic,
          partition: queue.partition,
          durability: terms.durability,
          expectedOffset: terms.expectedOffset,
        },
        builder,
      )
    } catch (error) {
      this.#failed(batch, error)
      return
    }
    if (answer instanceof Promise) {
      answer.then(
        (produced) => this.#produced(batch, produced),
        (error: unknown) => this.#failed(batch, error),
      )
    } else this.#produced(batch, answer)
  }

  #produced(batch: Batch, produced: ProducedBatch): void {
    const { batchTime } = batch.builder!
    this.#end(batch, (part) => part.acknowledge(produced, batchTime))
    this.#step({ type: 'answered', batch, appended: true })
  }

  #failed(batch: Batch, error: unknown): void {
    this.#end(batch, (part) => part.fail(error))
    this.#step({ type: 'answered', batch, appended: false })
  }

  #end(batch: Batch, settle: (part: SentRecords) => void): void {
    for (const part of batch.parts) settle(part)
    const builder = batch.builder!
    batch.builder = null
    // One that grew for a single large batch is not worth its memory.
    if (this.#idleBuilders.length >= idleBuildersMax || builder.bytes.length > 2 * this.#settings.batchBytes) return
    builder.reset()
    this.#idleBuilders.push(builder)
  }

  #makeBuilder(): BatchBuilder {
    const { clock, crc32c } = this.#parts
    const maxBytes = Math.min(this.#settings.bufferBytes, batchBytesMax)
    return new BatchBuilder({ maxBytes, codec: this.#codec, crc32c, now: () => clock.wallMs() })
  }

  async #askProducerId(): Promise<void> {
    try {
      const identity = await this.#parts.target.newProducerId()
      this.#step({ type: 'producer-id', identity })
    } catch (error) {
      this.#step({ type: 'no-producer-id', error })
    }
  }

  #arm(atMs: number): void {
    const { clock } = this.#parts
    this.#timer?.cancel()
    this.#timer = clock.after(Math.max(0, atMs - clock.monotonicMs()), () => {
      this.#timer = null
      this.#step({ type: 'tick' })
    })
  }

  #holdWhileBusy(): void {
    if (this.#machine.idle && this.#lookups.size === 0) {
      this.#hold?.cancel()
      this.#hold = null
    } else if (!this.#burstOpen) {
      // A process does not end within a burst, and most of what is buffered is answered when it is over.
      this.#hold ??= this.#parts.clock.hold()
    }
  }

  async #settleAll(): Promise<void> {
    // What waits for a lookup is not the machine's yet.
    if (this.#lookups.size > 0) await this.#lookups.settled()
    await new Promise<void>((resolve) => {
      this.#flushCount++
      this.#flushes.set(this.#flushCount, resolve)
      this.#step({ type: 'flush', id: this.#flushCount })
    })
  }

  async #close(): Promise<void> {
    await this.#settleAll()
    this.#timer?.cancel()
    this.#timer = null
    this.#idleBuilders.length = 0
  }
}

function queueOf(topic: Topic, name: string, partition: number, { maxBatchBytes }: ProduceTopic): Queue {
  let queue = topic.queues[partition]
  if (queue === undefined) {
    queue = makePartitionQueue<SentRecords>(name, partition, maxBatchBytes)
    topic.queues[partition] = queue
  }
  queue.maxBatchBytes = maxBatchBytes
  return queue
}

function codecFor(codecs: CompressionCodecs, { compression }: ProducerSettings): CompressionCodec | undefined {
  if (compression === 'none') return undefined
  const codec = codecs[compressionNames.indexOf(compression)]
  if (codec?.canCompress) return codec
  throw new VarveError('VARVE_UNSUPPORTED', `This Node version cannot compress with ${compression}; choose another.`, {
    details: { option: 'compression', compression },
  })
}

/** What waited was measured when it was sent, and may not take more now. */
function requireUnchanged({ records, recordCount, sizeBytes }: SentRecords): void {
  const list = isList(records) ? records : [records!]
  let bytes = 0
  for (const record of list) bytes += recordBytesMax(record)
  if (list.length === recordCount && bytes <= sizeBytes) return
  throw new VarveError(
    'VARVE_INVALID_ARGUMENT',
    'The records were changed while they waited for the buffer: await a send before its records are used again.',
    { details: { argument: 'records' } },
  )
}

function closedProducer(): VarveError {
  return new VarveError('VARVE_CLOSED', 'The producer is closed; make another one.')
}

function notOnePartition(topic: string): VarveError {
  return new VarveError(
    'VARVE_INVALID_ARGUMENT',
    'With "expectedOffset" at least one record must be sent, and all to one partition: name it in each of them.',
    { details: { option: 'expectedOffset', topic } },
  )
}

function bufferFull({ bufferBytes, maxBlockMs }: ProducerSettings): VarveError {
  return new VarveError(
    'VARVE_BUFFER_FULL',
    'More is sent than is acknowledged: the buffer stayed full, or too many sends wait. Await earlier sends, or raise bufferBytes.',
    { details: { bufferBytes, maxBlockMs, waitingSendsMax } },
  )
}

function tooLarge(sizeBytes: number, bufferBytes: number): VarveError {
  return new VarveError(
    'VARVE_RECORD_TOO_LARGE',
    `The records for one partition take up to ${sizeBytes} bytes, and the whole buffer has ${bufferBytes}: send fewer in a call, or raise bufferBytes.`,
    { details: { sizeBytes, bufferBytes } },
  )
}
