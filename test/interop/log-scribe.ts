/**
 * Writes to a log and keeps book of what a reader must find there: whoever reads the files, Kafka's tools, its clients
 * or varve, is held against the book and not against varve's own reading.
 */
import type { Log } from '../../src/doors/log.ts'
import {
  BatchBuilder,
  type CompressionName,
  encodeTransactionMarker,
  type RecordInput,
  type TransactionMarker,
} from '../../src/doors/record.ts'

export interface WrittenRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [string, Buffer | null])[]
  /** -1 without a producer, like its sequence. */
  readonly producerId: number
  readonly sequence: number
  readonly codec: CompressionName
  state: 'visible' | 'open' | 'aborted'
}

export interface WrittenMarker extends TransactionMarker {
  readonly offset: number
}

export interface WrittenAbort {
  readonly producerId: number
  readonly firstOffset: number
  /** Offset of the marker. */
  readonly lastOffset: number
  readonly lastStableOffset: number
}

export interface AppendOptions {
  readonly compression?: CompressionName
  readonly producer?: WritingProducer
  /** The records are part of the producer's transaction, which begins with them if none is open. */
  readonly transactional?: boolean
}

/** An idempotent producer: numbers its records, modulo 2^31. */
export class WritingProducer {
  readonly id: number
  epoch: number
  nextSequence: number
  lastSequence = -1
  lastOffset = -1
  /** First offset of the open transaction, -1 if none. */
  openSince = -1

  constructor(id: number, epoch = 0, firstSequence = 0) {
    this.id = id
    this.epoch = epoch
    this.nextSequence = firstSequence
  }
}

const sequences = 2 ** 31

const bytesOf = (data: RecordInput['value'] | undefined): Buffer | null =>
  data === null || data === undefined ? null : Buffer.from(data as string)

export class LogScribe {
  log: Log
  /** What the log's clock says, which is the timestamp of all records if the log stamps them. */
  readonly nowMs: number
  records: WrittenRecord[] = []
  markers: WrittenMarker[] = []
  aborts: WrittenAbort[] = []
  readonly producers = new Map<number, WritingProducer>()

  constructor(log: Log, nowMs: number) {
    this.log = log
    this.nowMs = nowMs
  }

  /** One batch. */
  append(inputs: readonly RecordInput[], options: AppendOptions = {}): void {
    const { compression = 'none', producer, transactional = false } = options
    const builder = new BatchBuilder({ compression })
    if (producer !== undefined) {
      const { id, epoch, nextSequence } = producer
      builder.setProducer({ producerId: BigInt(id), producerEpoch: epoch, baseSequence: nextSequence, transactional })
    }
    for (const input of inputs) builder.add(input)
    const { baseOffset, lastOffset } = this.log.append(builder)
    if (lastOffset !== baseOffset + inputs.length - 1) throw new Error('an append got the wrong number of offsets')
    const state = transactional ? 'open' : 'visible'
    for (const [i, input] of inputs.entries()) {
      this.enter(baseOffset + i, input, {
        codec: compression,
        producerId: producer?.id ?? -1,
        sequence: producer === undefined ? -1 : (producer.nextSequence + i) % sequences,
        state,
      })
    }
    if (producer === undefined) return
    this.producers.set(producer.id, producer)
    if (transactional && producer.openSince < 0) producer.openSince = baseOffset
    producer.lastSequence = (producer.nextSequence + inputs.length - 1) % sequences
    producer.nextSequence = (producer.lastSequence + 1) % sequences
    producer.lastOffset = lastOffset
  }

  /** Enters a record that reached the log in another way than by `append`. */
  enter(
    offset: number,
    input: RecordInput,
    facts: Pick<WrittenRecord, 'codec' | 'producerId' | 'sequence' | 'state'>,
  ): void {
    const { key, value, timestamp = -1, headers = [] } = input
    const list = (Array.isArray(headers) ? headers : Object.entries(headers)) as [string, RecordInput['value']][]
    const stamps = this.log.settings.messageTimestampType === 'LogAppendTime'
    this.records.push({
      offset,
      timestamp: stamps ? this.nowMs : timestamp,
      key: bytesOf(key),
      value: bytesOf(value),
      headers: list.map(([name, content]) => [name, bytesOf(content)]),
      ...facts,
    })
  }

  /** Ends the producer's transaction, as a coordinator does. */
  end(producer: WritingProducer, type: 'commit' | 'abort', timestamp: number, coordinatorEpoch = 0): void {
    const builder = new BatchBuilder()
    const fields = { producerId: BigInt(producer.id), producerEpoch: producer.epoch, baseSequence: -1 }
    builder.setProducer({ ...fields, transactional: true })
    const marker: TransactionMarker = { type, coordinatorEpoch }
    builder.add({ ...encodeTransactionMarker(marker), timestamp })
    const { baseOffset: offset } = this.log.append(builder.build({ control: true }), 'coordinator')
    this.markers.push({ ...marker, offset })
    this.producers.set(producer.id, producer)
    const { openSince } = producer
    producer.openSince = -1
    if (openSince < 0) return
    for (const record of this.records) {
      if (record.state === 'open' && record.offset >= openSince && record.producerId === producer.id) {
        record.state = type === 'commit' ? 'visible' : 'aborted'
      }
    }
    if (type === 'abort') {
      const open = [...this.producers.values()].map((other) => other.openSince).filter((since) => since >= 0)
      this.aborts.push({
        producerId: producer.id,
        firstOffset: openSince,
        lastOffset: offset,
        lastStableOffset: Math.min(offset + 1, ...open),
      })
    }
  }

  /** What happened from an offset on is gone. */
  truncate(offset: number): void {
    this.records = this.records.filter((record) => record.offset < offset)
    this.markers = this.markers.filter((marker) => marker.offset < offset)
  }

  /** Records that a reader gets, from the log start on. */
  visible(isolation: 'read_uncommitted' | 'read_committed', logStartOffset: number): WrittenRecord[] {
    const open = [...this.producers.values()].map(({ openSince }) => openSince).filter((since) => since >= 0)
    const end = isolation === 'read_committed' ? Math.min(Number.POSITIVE_INFINITY, ...open) : Number.POSITIVE_INFINITY
    return this.records.filter(
      ({ offset, state }) =>
        offset >= logStartOffset && offset < end && (isolation === 'read_uncommitted' || state === 'visible'),
    )
  }
}
