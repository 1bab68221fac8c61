import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import type { Clock, Timer } from '../env/clock.ts'
import { VarveError } from '../errors.ts'
import { requireKnownOptions } from '../settings/known-options.ts'
import type { ConsumedBatch, ConsumedRecord } from './consumed-batch.ts'
import type { FetchSource, Isolation, Position } from './fetch-source.ts'
import { invalidOption } from './invalid-option.ts'
import { defaultMaxBytes, nextBatch } from './next-batch.ts'
import { PositionMachine } from './position-machine.ts'

/** Where to start: at the first record, behind the last one, at an offset, at a time (ms), or at an offset each. */
export type StartFrom =
  | 'earliest'
  | 'latest'
  | number
  | { readonly timestamp: number }
  | { readonly [partition: number]: number }

export interface ReaderOptions {
  readonly topic: string
  /** Which partitions; default all that the topic has. */
  readonly partitions?: readonly number[] | undefined
  /** Default 'earliest'. Partitions that an object does not name start at 'earliest'. */
  readonly from?: StartFrom | undefined
  /** Exclusive end, in each partition or by partition. Default: what is there when reading begins, or with `follow` never. */
  readonly to?: number | { readonly [partition: number]: number } | undefined
  /** Waits for what comes, for ever. Default false. */
  readonly follow?: boolean | undefined
  /** Default 'read_uncommitted'. */
  readonly isolation?: Isolation | undefined
  /** Most bytes of one batch, though never less than one stored batch. Default 65,536. */
  readonly maxBytes?: number | undefined
  /** Zero-copy views of sealed data, where the store can give them. Default false: owned memory. */
  readonly views?: boolean | undefined
  /** Ends the loop by rejecting with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

const optionNames = ['topic', 'partitions', 'from', 'to', 'follow', 'isolation', 'maxBytes', 'views', 'signal'] as const

/**
 * Reads topics without a group: nothing is committed, and whoever wants to go on later keeps the `nextOffset`s.
 *
 * `for await (const batch of reader)` yields batch by batch, each of one partition, in offset order within it; the
 * partitions take turns. Nothing is read ahead: one batch is in memory at a time, so a slow loop costs nothing. While it
 * waits the process stays alive. A reader may be iterated once.
 */
export class Reader implements AsyncIterable<ConsumedBatch> {
  readonly #source: FetchSource
  readonly #clock: Clock
  readonly #options: ReaderOptions
  readonly #machine = new PositionMachine()
  readonly #onClosed: () => void
  #begun = false
  #closed = false
  #wake: () => void = () => {}

  /** @param onClosed Called once when it has ended. @throws VARVE_INVALID_ARGUMENT naming the option. */
  constructor(source: FetchSource, clock: Clock, options: ReaderOptions, onClosed: () => void = () => {}) {
    this.#source = source
    this.#onClosed = onClosed
    this.#clock = clock
    this.#options = checkedOptions(options)
  }

  /** Where each partition stands: the offset of the next record. Empty before the first batch was asked for. */
  positions(): Position[] {
    return this.#machine.positions()
  }

  /**
   * Yields what is there, then (`follow`) what comes.
   * @throws VARVE_UNKNOWN_TOPIC, VARVE_OFFSET_OUT_OF_RANGE (retention has taken what was asked for: `details` say where
   * the partition stands), VARVE_CORRUPT (with `nextGoodOffset`), VARVE_CLOSED, and the signal's reason.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ConsumedBatch, void> {
    if (this.#begun) throw new VarveError('VARVE_INVALID_ARGUMENT', 'A reader is iterated once: make another one.')
    this.#begun = true
    const { signal, follow = false } = this.#options
    const { maxBytes = defaultMaxBytes, isolation = 'read_uncommitted', views = false } = this.#options
    await this.#assign()
    const watch = follow ? this.#source.watch(this.#machine.positions(), () => this.#woken()) : null
    try {
      while (!this.#closed) {
        signal?.throwIfAborted()
        const batch = await nextBatch(this.#source, this.#machine, { maxBytes, isolation, views })
        if (batch !== undefined) yield batch
        else if (this.#machine.finished || !follow) return
        else await this.#wait()
      }
    } finally {
      watch?.cancel()
      this.close()
    }
  }

  /** The same, record by record: convenient, and about ten times as dear as a loop over batches. */
  async *records(): AsyncGenerator<ConsumedRecord, void> {
    for await (const batch of this) yield* batch
  }

  /**
   * The records as a Node stream in object mode. Nothing is read before it is asked for: while the other end is slow, one
   * batch is in memory. Destroying it ends the reader.
   */
  readable(): Readable {
    const records = this.records()
    const reader = this
    return new Readable({
      objectMode: true,
      highWaterMark: 1,
      read() {
        records.next().then(
          ({ done, value }) => this.push(done ? null : value),
          (failure: Error) => this.destroy(failure),
        )
      },
      destroy(failure, done) {
        reader.close()
        done(failure)
      },
    })
  }

  /** The records as a web stream, with the same back-pressure; cancelling it ends the reader. */
  toWeb(): ReadableStream<ConsumedRecord> {
    return Readable.toWeb(this.readable()) as ReadableStream<ConsumedRecord>
  }

  /** Ends the loop, at once where it waits. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#wake()
    this.#onClosed()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async #assign(): Promise<void> {
    const { topic, from = 'earliest', to, follow = false, isolation } = this.#options
    const count = await this.#source.partitionCount(topic)
    const partitions = this.#options.partitions ?? Array.from({ length: count }, (_, partition) => partition)
    for (const partition of partitions) {
      if (partition >= count) {
        throw new VarveError('VARVE_UNKNOWN_TOPIC', `"${topic}" has partitions 0 to ${count - 1}, not ${partition}.`, {
          details: { topic, partition, partitionCount: count },
        })
      }
      const bounds = await this.#source.bounds(topic, partition)
      const readable = isolation === 'read_committed' ? bounds.lastStableOffset : bounds.highWatermark
      const wanted = typeof to === 'object' ? to[partition] : to
      const end = wanted ?? (follow ? Number.POSITIVE_INFINITY : readable)
      this.#machine.assign(topic, partition, await this.#start(partition, from, bounds, readable), end)
    }
  }

  async #start(
    partition: number,
    from: StartFrom,
    { logStartOffset }: { logStartOffset: number },
    readable: number,
  ): Promise<number> {
    if (from === 'earliest') return logStartOffset
    if (from === 'latest') return readable
    if (typeof from === 'number') return from
    if ('timestamp' in from) {
      return (await this.#source.offsetForTimestamp(this.#options.topic, partition, from.timestamp)) ?? readable
    }
    return from[partition] ?? logStartOffset
  }

  #woken(): void {
    this.#machine.wake()
    this.#wake()
  }

  /** Until something may be there; a wake that came since the last fetch counts. */
  #wait(): Promise<void> {
    const { signal } = this.#options
    if (this.#closed || signal?.aborted || this.#machine.next() !== undefined) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const hold: Timer = this.#clock.hold()
      const finish = (): void => {
        hold.cancel()
        signal?.removeEventListener('abort', abort)
        this.#wake = () => {}
      }
      const abort = (): void => {
        finish()
        reject(signal!.reason)
      }
      this.#wake = () => {
        finish()
        resolve()
      }
      signal?.addEventListener('abort', abort, { once: true })
    })
  }
}

function checkedOptions(options: ReaderOptions): ReaderOptions {
  requireKnownOptions(options, optionNames)
  const { topic, partitions, from, to, isolation, maxBytes } = options
  if (typeof topic !== 'string' || topic === '') throw invalidOption('topic', 'the name of a topic', topic)
  if (partitions !== undefined && !(Array.isArray(partitions) && partitions.every(isIndex))) {
    throw invalidOption('partitions', 'an array of partition numbers', partitions)
  }
  if (from !== undefined && !isStart(from)) {
    throw invalidOption('from', '"earliest", "latest", an offset, { timestamp } or { [partition]: offset }', from)
  }
  if (to !== undefined && !isIndex(to) && !isOffsets(to)) {
    throw invalidOption('to', 'an offset or { [partition]: offset }', to)
  }
  if (isolation !== undefined && isolation !== 'read_uncommitted' && isolation !== 'read_committed') {
    throw invalidOption('isolation', '"read_uncommitted" or "read_committed"', isolation)
  }
  if (maxBytes !== undefined && !(Number.isSafeInteger(maxBytes) && maxBytes > 0)) {
    throw invalidOption('maxBytes', 'an integer from 1 on', maxBytes)
  }
  return { ...options }
}

const isIndex = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

function isStart(from: unknown): from is StartFrom {
  if (from === 'earliest' || from === 'latest' || isIndex(from)) return true
  if (typeof from !== 'object' || from === null) return false
  if ('timestamp' in from) return Number.isSafeInteger(from.timestamp) && Object.keys(from).length === 1
  return isOffsets(from)
}

function isOffsets(value: unknown): value is Record<number, number> {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).every(([partition, offset]) => isIndex(Number(partition)) && isIndex(offset))
}
