import { VarveError } from '../errors.ts'
import type { BatchBuilder } from '../record/batch-builder.ts'
import type { PartitionQueue, SendPart, SendTerms } from './accumulator-machine.ts'
import type { ProducerRecord } from './partitioner.ts'
import type { Durability, ProducedBatch } from './produce-target.ts'

/** Where a record is, and how safe. */
export interface Ack {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since 1970: the record's own, or the log's (`LogAppendTime`). */
  readonly timestamp: number
  /** What was reached, not what was asked. */
  readonly durability: Durability
}

/** Gets the outcome of `SentRecords`, once. */
export interface AckReceiver<Value> {
  resolve(value: Value): void
  reject(error: unknown): void
}

/**
 * The records of one call that go to one partition, from `send` to the acknowledgement. One object for each pipelined
 * send, so it is kept small: the records are let go once they are encoded.
 */
export class SentRecords implements SendPart {
  readonly queue: PartitionQueue<SentRecords>
  readonly terms: SendTerms
  readonly recordCount: number
  readonly sizeBytes: number
  round = 0
  deadlineMs = 0
  state: SendPart['state'] = 'new'
  next: SentRecords | null = null
  /** Null once they are encoded, or will not be. */
  records: ProducerRecord | readonly ProducerRecord[] | null
  /** Where they stand in their batch. */
  #firstIndex = 0
  /** Of the records that brought their own; undefined for the batch's time. */
  #timestamps: number | undefined | readonly (number | undefined)[]
  readonly #receiver: AckReceiver<Ack> | AckReceiver<Ack[]>
  readonly #single: boolean

  constructor(
    queue: PartitionQueue<SentRecords>,
    terms: SendTerms,
    records: ProducerRecord | readonly ProducerRecord[],
    sizeBytes: number,
    receiver: AckReceiver<Ack> | AckReceiver<Ack[]>,
  ) {
    this.queue = queue
    this.terms = terms
    this.#single = !isList(records)
    this.recordCount = isList(records) ? records.length : 1
    this.sizeBytes = sizeBytes
    this.records = records
    this.#receiver = receiver
  }

  /** They waited for a place: their owner could have changed them meanwhile. */
  get waited(): boolean {
    return this.deadlineMs > 0
  }

  /** Adds the records to a batch: all of them, or if this throws none. */
  encode(builder: BatchBuilder): void {
    const { records } = this
    this.#firstIndex = builder.recordCount
    builder.mark()
    try {
      if (isList(records)) {
        for (const record of records) builder.add(record)
        if (records.some(({ timestamp }) => timestamp !== undefined)) {
          this.#timestamps = records.map(({ timestamp }) => timestamp)
        }
      } else {
        builder.add(records!)
        this.#timestamps = records!.timestamp
      }
    } catch (error) {
      builder.cutBack()
      throw error
    }
  }

  /** @param batchTime Of the records that brought no timestamp. */
  acknowledge(produced: ProducedBatch, batchTime: number): void {
    if (this.#single) (this.#receiver as AckReceiver<Ack>).resolve(this.#ack(0, produced, batchTime))
    else {
      const acks: Ack[] = []
      for (let i = 0; i < this.recordCount; i++) acks.push(this.#ack(i, produced, batchTime))
      const receiver = this.#receiver as AckReceiver<Ack[]>
      receiver.resolve(acks)
    }
  }

  fail(error: unknown): void {
    this.records = null
    this.#receiver.reject(error)
  }

  #ack(index: number, { baseOffset, appendTimestamp, durability }: ProducedBatch, batchTime: number): Ack {
    const { topic, partition } = this.queue
    const times = this.#timestamps
    const own = typeof times === 'object' ? times[index] : times
    return {
      topic,
      partition,
      offset: baseOffset + this.#firstIndex + index,
      timestamp: appendTimestamp >= 0 ? appendTimestamp : (own ?? batchTime),
      durability,
    }
  }
}

/** One call whose records went to several partitions: settles when all parts have. */
export class SplitCall {
  readonly #receiver: AckReceiver<Ack[]>
  /** By the records' places in the call: an ack or an error each. */
  readonly #results: unknown[]
  readonly #errors: unknown[] = []
  #acked = 0
  #open: number

  constructor(recordCount: number, partCount: number, receiver: AckReceiver<Ack[]>) {
    this.#results = new Array(recordCount).fill(undefined)
    this.#open = partCount
    this.#receiver = receiver
  }

  /** The receiver of one part. @param indexes The places of its records in the call. */
  part(indexes: readonly number[]): AckReceiver<Ack[]> {
    return {
      resolve: (acks) => {
        for (const [i, index] of indexes.entries()) this.#results[index] = acks[i]
        this.#acked += indexes.length
        this.#settle()
      },
      reject: (error) => {
        for (const index of indexes) this.#results[index] = error
        this.#errors.push(error)
        this.#settle()
      },
    }
  }

  #settle(): void {
    this.#open--
    if (this.#open > 0) return
    if (this.#errors.length === 0) this.#receiver.resolve(this.#results as Ack[])
    else if (this.#acked === 0 && haveOneCode(this.#errors)) this.#receiver.reject(this.#errors[0])
    else {
      const count = this.#results.length
      this.#receiver.reject(
        new VarveError(
          'VARVE_PARTIAL_SEND',
          `${this.#acked} of ${count} records were appended; details.results has an ack or an error for each. ` +
            'Send again only those with an error.',
          { details: { results: this.#results }, cause: this.#errors[0] },
        ),
      )
    }
  }
}

/** Then nothing was appended, for one reason: that reason is the answer. */
function haveOneCode(errors: readonly unknown[]): boolean {
  const codeOf = (error: unknown): unknown => (error instanceof VarveError ? error.code : error)
  return errors.every((error) => codeOf(error) === codeOf(errors[0]))
}

export function isList(
  records: ProducerRecord | readonly ProducerRecord[] | null,
): records is readonly ProducerRecord[] {
  return Array.isArray(records)
}
