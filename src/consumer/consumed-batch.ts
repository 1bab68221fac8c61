import { LogRecord, type RecordOrigin, type TimestampType } from '../record/log-record.ts'
import type { RecordBatch } from '../record/record-batch.ts'
import { type BatchFrame, RecordCursor } from '../record/record-cursor.ts'

/** Where the records of one stored batch came from: one object for all of them. */
interface ConsumedOrigin extends RecordOrigin {
  readonly topic: string
  readonly partition: number
}

/**
 * A record as a consumer gets it. Key, value and headers are made when they are asked for, and are slices of the memory
 * that the whole batch was read into: `copy()` detaches what is kept long.
 */
export class ConsumedRecord extends LogRecord {
  get topic(): string {
    return (this.origin as ConsumedOrigin).topic
  }

  get partition(): number {
    return (this.origin as ConsumedOrigin).partition
  }

  override copy(): ConsumedRecord {
    return this.copyAs(ConsumedRecord)
  }
}

/** What one fetch brought: stored batches of one partition, in offset order, and where the partition stood. */
export interface FetchedRun {
  /** Stored batches; control batches and aborted transactions are left out. */
  readonly batches: Iterable<RecordBatch>
  /** Where the next fetch starts. */
  readonly nextOffset: number
  /** Exclusive: the partition's high watermark as of the fetch. */
  readonly highWatermark: number
}

/**
 * Records of one partition, in offset order, as one fetch brought them: up to `maxBytes` of stored batches. Iterating is
 * synchronous and may be done any number of times.
 *
 * Memory: it keeps what was fetched (64 KiB as a rule) for as long as the batch, one of its records, or one of their
 * keys or values is referenced.
 */
export class ConsumedBatch implements Iterable<ConsumedRecord> {
  readonly topic: string
  readonly partition: number
  /** Offset of the first record that is delivered. */
  readonly baseOffset: number
  /** Where reading goes on: what to commit, or to resume a reader from. */
  readonly nextOffset: number
  /** Exclusive end of what could be read when this was fetched: `highWatermark - nextOffset` is how far behind it is. */
  readonly highWatermark: number
  /** Records in the batch. */
  readonly length: number
  readonly #stored: readonly RecordBatch[]
  /** Records below are not the caller's: a stored batch may begin before the offset that was asked for. */
  readonly #from: number
  /** Exclusive; records from here on are not the caller's either. */
  readonly #to: number

  /** @param from,to Only records with `from <= offset < to` are delivered. */
  constructor(topic: string, partition: number, run: FetchedRun, from: number, to: number) {
    this.topic = topic
    this.partition = partition
    this.#stored = [...run.batches]
    this.#from = from
    this.#to = to
    this.nextOffset = Math.min(run.nextOffset, to)
    this.highWatermark = run.highWatermark
    const { length, first } = this.#measure()
    this.length = length
    this.baseOffset = first
  }

  /** Term of the leader that wrote the first of the stored batches; -1 for none. */
  get leaderEpoch(): number {
    return this.#stored[0]?.leaderEpoch ?? -1
  }

  [Symbol.iterator](): IterableIterator<ConsumedRecord> {
    return new ConsumedRecords(this.#stored, this.topic, this.partition, this.#from, this.#to)
  }

  /** Only a batch that straddles a bound has to be walked to count what is within. */
  #measure(): { length: number; first: number } {
    let length = 0
    let first = -1
    for (const batch of this.#stored) {
      if (batch.baseOffset >= this.#from && batch.lastOffset < this.#to) {
        length += batch.recordCount
        // After compaction the first record may lie above the batch's base offset.
        if (first < 0 && batch.recordCount > 0) first = firstOffset(batch)
        continue
      }
      for (const cursor = batch.walk(); cursor.next(); ) {
        if (cursor.offset < this.#from || cursor.offset >= this.#to) continue
        if (first < 0) first = cursor.offset
        length++
      }
    }
    return { length, first: first < 0 ? this.#from : first }
  }
}

function firstOffset(batch: RecordBatch): number {
  if (batch.recordCount === batch.lastOffset - batch.baseOffset + 1) return batch.baseOffset
  const cursor = batch.walk()
  cursor.next()
  return cursor.offset
}

/** Walks the records of several stored batches. A generator costs more than twice as much per record. */
class ConsumedRecords implements IterableIterator<ConsumedRecord> {
  readonly #stored: readonly RecordBatch[]
  readonly #topic: string
  readonly #partition: number
  readonly #from: number
  readonly #to: number
  #index = 0
  #cursor = new RecordCursor()
  #memory: Buffer = noMemory
  #origin: ConsumedOrigin = noOrigin

  constructor(stored: readonly RecordBatch[], topic: string, partition: number, from: number, to: number) {
    this.#stored = stored
    this.#topic = topic
    this.#partition = partition
    this.#from = from
    this.#to = to
    this.#cursor.reset(noMemory, 0, 0, emptyFrame)
  }

  next(): IteratorResult<ConsumedRecord, undefined> {
    const cursor = this.#cursor
    for (;;) {
      while (cursor.next()) {
        if (cursor.offset < this.#from) continue
        if (cursor.offset >= this.#to) return { done: true, value: undefined }
        return { done: false, value: new ConsumedRecord(cursor, this.#memory, this.#origin) }
      }
      const batch = this.#stored[this.#index++]
      if (batch === undefined) return { done: true, value: undefined }
      batch.walk(cursor)
      this.#memory = cursor.bytes as Buffer
      this.#origin = originOf(batch, this.#topic, this.#partition)
    }
  }

  [Symbol.iterator](): this {
    return this
  }
}

function originOf(batch: RecordBatch, topic: string, partition: number): ConsumedOrigin {
  const timestampType: TimestampType = batch.timestampType
  return { timestampType, leaderEpoch: batch.leaderEpoch, topic, partition }
}

const noMemory = Buffer.alloc(0)
const noOrigin: ConsumedOrigin = { timestampType: 'CreateTime', leaderEpoch: -1, topic: '', partition: -1 }
const emptyFrame: BatchFrame = {
  baseOffset: 0,
  lastOffset: 0,
  recordCount: 0,
  baseTimestamp: 0,
  maxTimestamp: 0,
  isAppendTime: false,
}
