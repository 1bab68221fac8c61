import { Writable } from 'node:stream'
import { VarveError } from '../errors.ts'
import { requireKnownOptions } from '../settings/known-options.ts'
import type { ProducerRecord } from './partitioner.ts'
import type { Durability } from './produce-target.ts'
import { checkSendOptions } from './producer-options.ts'

export interface WritableOptions {
  /**
   * What each record must have reached before its write calls back. Without it a write calls back once the record is on
   * its way, and at most `highWaterMark` records are; what fails later destroys the stream.
   */
  readonly durability?: Durability | undefined
  /** Records that the stream holds before `write` answers false. Default 1,000. */
  readonly highWaterMark?: number | undefined
  /** Destroys the stream. */
  readonly signal?: AbortSignal | undefined
}

/** `send` of a producer, for one topic. */
export type SendRecord = (record: ProducerRecord, options: { durability: Durability } | undefined) => Promise<unknown>

const optionNames = ['durability', 'highWaterMark', 'signal'] as const
/** Enough to fill a batch of 64 KiB with records of 100 bytes, and more than one where they are larger. */
const defaultHighWaterMark = 1000

/**
 * A stream in object mode whose chunks are records. Each is a send of its own, so that large ones are not joined to more
 * than a batch may hold; those that are written together share batches all the same.
 *
 * It ends (`finish`) when everything is acknowledged. The first failure destroys it. The producer stays open.
 * @throws VARVE_INVALID_ARGUMENT naming the option.
 */
export function makeWritable(send: SendRecord, options: WritableOptions): Writable {
  requireKnownOptions(options, optionNames)
  const { durability, highWaterMark = defaultHighWaterMark, signal } = options
  checkSendOptions({ durability, signal })
  if (!(Number.isSafeInteger(highWaterMark) && highWaterMark > 0)) {
    throw new VarveError('VARVE_INVALID_ARGUMENT', 'Option "highWaterMark" must be an integer from 1 on.', {
      details: { option: 'highWaterMark' },
    })
  }
  const sending = new RecordSending(send, durability, highWaterMark)
  const writable: Writable = new Writable({
    objectMode: true,
    highWaterMark,
    ...(signal === undefined ? {} : { signal }),
    write: (record: ProducerRecord, _encoding, done) => sending.send([record], done),
    writev: (chunks, done) =>
      sending.send(
        chunks.map(({ chunk }) => chunk as ProducerRecord),
        done,
      ),
    final: (done) => sending.whenAtMost(0, done),
  })
  sending.onFailure = (error) => void writable.destroy(error)
  return writable
}

type Done = (error?: Error | null) => void

/** What a stream has sent and not seen acknowledged. */
class RecordSending {
  onFailure: (error: Error) => void = () => {}
  readonly #send: SendRecord
  readonly #options: { durability: Durability } | undefined
  /** Records that may be on their way when a write calls back. */
  readonly #allowed: number
  #underWay = 0
  #failure: Error | null = null
  /** A stream waits for one thing at a time: the callback of a write, or of its end. */
  #waiting: { readonly count: number; readonly done: Done } | null = null

  constructor(send: SendRecord, durability: Durability | undefined, highWaterMark: number) {
    this.#send = send
    this.#options = durability === undefined ? undefined : { durability }
    this.#allowed = durability === undefined ? highWaterMark : 0
  }

  send(records: readonly ProducerRecord[], done: Done): void {
    this.#underWay += records.length
    for (const record of records) {
      this.#send(record, this.#options).then(
        () => this.#settled(),
        (error: unknown) => {
          this.#failure ??= error instanceof Error ? error : new Error(String(error), { cause: error })
          this.#settled()
        },
      )
    }
    this.whenAtMost(this.#allowed, done)
  }

  /** Calls back once no more than `count` records are on their way, or with the failure. */
  whenAtMost(count: number, done: Done): void {
    this.#waiting = { count, done }
    this.#answer()
  }

  #settled(): void {
    this.#underWay--
    this.#answer()
  }

  #answer(): void {
    const waiting = this.#waiting
    if (this.#failure !== null) {
      this.#waiting = null
      if (waiting === null) this.onFailure(this.#failure)
      else waiting.done(this.#failure)
    } else if (waiting !== null && this.#underWay <= waiting.count) {
      this.#waiting = null
      waiting.done()
    }
  }
}
