import { check } from '../base/check.ts'
import { readInt64, writeInt64 } from '../base/int64.ts'
import { int32VarintSize, int64VarintSize, writeInt32Varint, writeInt64Varint } from '../base/varint.ts'
import type { CompressionCodec } from '../env/codecs.ts'
import { VarveError } from '../errors.ts'
import {
  Attribute,
  batchBytesMax,
  crcStart,
  currentMagic,
  HeaderField,
  headerBytes,
  lengthOverhead,
  noProducerId,
  noSequence,
  noTimestamp,
} from './batch-header.ts'
import { dataBytes, nameOf, textBytes, writeData, writeText } from './record-data.ts'
import type { Crc32c, ProducerFields, RecordData, RecordHeaders, RecordInput } from './record-types.ts'

/** Kafka's default of `max.message.bytes`: what is built within it, a log with default settings takes. */
export const defaultBatchBytes = 1_048_588

/** A small batch never grows; a batch of 1,000 records of 100 bytes grows five times, once in the builder's life. */
const firstBufferBytes = 4096

export interface BatchBuilderOptions {
  /** The most bytes a batch may take before compression, header included. Default 1,048,588, at most 2^31 - 1. */
  readonly maxBytes?: number | undefined
  /** Compresses the records when the batch is finished. Default: none. */
  readonly codec?: CompressionCodec | undefined
  /** Used by `build()`. */
  readonly crc32c: Crc32c
  /** Asked once per batch, when a record without a timestamp comes. Default: such records get -1, "no timestamp". */
  readonly now?: (() => number) | undefined
}

/** The header fields that `describe` fills in: those of `log/batch-fields.ts`. */
export interface DescribedBatch {
  baseOffset: number
  lastOffsetDelta: number
  sizeBytes: number
  leaderEpoch: number
  attributes: number
  baseTimestamp: number
  maxTimestamp: number
  producerId: bigint
  producerEpoch: number
  baseSequence: number
  recordCount: number
}

/** What a log sets when it takes a batch, for those who make a log's bytes without a log. */
export interface BatchPlace {
  /** Offset of the first record. Default 0. */
  readonly baseOffset?: number | undefined
  /** Default 0. */
  readonly leaderEpoch?: number | undefined
  /** Gives all records this one timestamp: the batch's type becomes LogAppendTime. */
  readonly appendTimestamp?: number | undefined
  /** Marks the records as control records, such as `encodeTransactionMarker` makes. */
  readonly control?: boolean | undefined
}

/**
 * Encodes records into one record batch (v2), in a buffer that it reuses for batch after batch.
 *
 * Lifecycle: `add` records, then `finish` or `build`, then `reset` for the next batch. One owner, one thread; nothing
 * is shared. Memory: one buffer, which grows to the largest batch so far and never past `maxBytes` (a compressed batch
 * that came out larger than its input aside).
 *
 * It deliberately does not decide when a batch is full, does not stamp base offset and leader epoch (they lie outside
 * the CRC and belong to the log), and knows no clock of its own.
 */
export class BatchBuilder {
  private readonly maxBytes: number
  private readonly codec: CompressionCodec | undefined
  private readonly crc32c: Crc32c
  private readonly now: (() => number) | undefined

  private buffer: Buffer
  private view: DataView
  /** Position after the last byte written. Invariant: headerBytes <= end <= buffer.length. */
  private end: number = headerBytes
  private count = 0
  /** Timestamp of the first record; the others are stored as distances from it. */
  private baseTimestamp = noTimestamp
  private latestTimestamp = noTimestamp
  /** Time for records that bring none, NaN until the first such record of the batch. */
  private batchTimestamp = Number.NaN
  private finished = false
  /** The records are in their compressed form: none can be added. */
  private compressed = false
  private markedCount = 0
  private markedEnd: number = headerBytes
  private markedTimestamp = noTimestamp
  private producerAttributes = 0
  private producerId = noProducerId
  private producerEpoch = -1
  private baseSequence = noSequence
  /** Bytes that fit without growing. Invariant: capacity <= buffer.length, capacity <= maxBytes. */
  private capacity: number

  constructor(options: BatchBuilderOptions) {
    const { maxBytes = defaultBatchBytes, codec, crc32c, now } = options
    if (!Number.isInteger(maxBytes) || maxBytes < headerBytes || maxBytes > batchBytesMax) {
      throw new VarveError(
        'VARVE_INVALID_ARGUMENT',
        `Option "maxBytes" must be an integer from ${headerBytes} to ${batchBytesMax}, not ${String(maxBytes)}.`,
        { details: { argument: 'maxBytes' } },
      )
    }
    this.maxBytes = maxBytes
    this.codec = codec === undefined || codec.id === 0 ? undefined : codec
    this.crc32c = crc32c
    this.now = now
    this.capacity = Math.min(firstBufferBytes, maxBytes)
    this.buffer = Buffer.alloc(this.capacity)
    this.view = viewOf(this.buffer)
    this.view.setInt8(HeaderField.magic, currentMagic)
    this.setProducer(null)
  }

  /** Records added since the last reset. */
  get recordCount(): number {
    return this.count
  }

  /** Bytes of the batch so far, header included and not yet compressed; after `finish` its final size. */
  get byteLength(): number {
    return this.end
  }

  /** Largest timestamp of the records so far, -1 when there is none. */
  get maxTimestamp(): number {
    return this.latestTimestamp
  }

  /** Time of the records that brought none, NaN when all brought one. */
  get batchTime(): number {
    return this.batchTimestamp
  }

  /**
   * The buffer that holds the batch in `[0, byteLength)`. Its identity changes only when it grows, so that whoever
   * registers it elsewhere can compare. Contents are complete after `finish`. To be read only: a log appends by what
   * the builder knows of its batch.
   */
  get bytes(): Buffer {
    return this.buffer
  }

  /** Forgets the records, and keeps the buffer and the producer fields. */
  reset(): void {
    this.end = headerBytes
    this.count = 0
    this.baseTimestamp = noTimestamp
    this.latestTimestamp = noTimestamp
    this.batchTimestamp = Number.NaN
    this.finished = false
    this.compressed = false
    this.mark()
  }

  /** Remembers the batch as it is now, for `cutBack`. */
  mark(): void {
    this.markedCount = this.count
    this.markedEnd = this.end
    this.markedTimestamp = this.latestTimestamp
  }

  /**
   * Takes out the records that were added since `mark`: the batch is as it was then. Its time stays, if it was asked for
   * meanwhile. To be called before the batch is finished or reset.
   */
  cutBack(): void {
    if (this.finished || this.compressed) throw finishedBatch()
    check(this.markedCount <= this.count && this.markedEnd <= this.end, 'a batch is cut back to a mark of its own')
    this.count = this.markedCount
    this.end = this.markedEnd
    this.latestTimestamp = this.markedTimestamp
  }

  /**
   * Sets the idempotence key that this batch and all later ones carry; null for none, which is the default.
   *
   * Errors: VARVE_INVALID_ARGUMENT, also for a batch that is finished: its bytes are complete.
   */
  setProducer(producer: ProducerFields | null): void {
    if (this.finished) throw finishedBatch()
    if (producer === null) {
      this.writeProducer(noProducerId, -1, noSequence)
      this.producerAttributes = 0
      return
    }
    if (typeof producer !== 'object') throw invalid('producer', 'an object or null', producer)
    const { producerId, producerEpoch, baseSequence, transactional = false } = producer
    if (typeof producerId !== 'bigint' || producerId < 0n || producerId >= 1n << 63n) {
      throw invalid('producerId', 'a bigint from 0 to 2^63 - 1', producerId)
    }
    requireInteger('producerEpoch', producerEpoch, 0x7fff)
    if (baseSequence !== noSequence) requireInteger('baseSequence', baseSequence, 0x7fff_ffff)
    this.writeProducer(producerId, producerEpoch, baseSequence)
    this.producerAttributes = transactional ? Attribute.transactional : 0
  }

  private writeProducer(producerId: bigint, producerEpoch: number, baseSequence: number): void {
    const { view } = this
    view.setBigInt64(HeaderField.producerId, producerId)
    view.setInt16(HeaderField.producerEpoch, producerEpoch)
    view.setInt32(HeaderField.baseSequence, baseSequence)
    this.producerId = producerId
    this.producerEpoch = producerEpoch
    this.baseSequence = baseSequence
  }

  /**
   * Adds a record to the batch.
   *
   * @returns The record's place in the batch: its offset will be the batch's base offset plus this.
   * Errors: VARVE_INVALID_ARGUMENT (wrong type, detached memory, finished batch), VARVE_RECORD_TOO_LARGE (the batch
   * would pass `maxBytes`). The batch is as before.
   * Cost: one copy of key and value, no allocation unless the buffer grows. About 50 ns for 100 bytes.
   */
  add(record: RecordInput): number {
    if (typeof record !== 'object' || record === null) throw invalid('record', 'an object', record)
    const { key, value, timestamp, headers } = record
    return this.encode(key === undefined ? null : key, value, timestamp, headers)
  }

  /** The same as `add({ key, value, timestamp })` without the object. */
  addKeyValue(key: RecordData, value: RecordData, timestamp?: number): number {
    return this.encode(key, value, timestamp, undefined)
  }

  /**
   * Bytes by which a record would make the batch longer, were it added now.
   *
   * Errors: as for `add`, but for the size. Cost: measures texts, copies nothing.
   */
  sizeOf(record: RecordInput): number {
    if (typeof record !== 'object' || record === null) throw invalid('record', 'an object', record)
    const { key, value, timestamp, headers } = record
    const delta = this.timestampDelta(this.timestampOf(timestamp))
    const body = this.bodyBytes(dataBytes(key === undefined ? null : key, 'key'), dataBytes(value, 'value'), delta)
    const size = body + (headers === undefined ? 1 : measureHeaders(listHeaders(headers)).bytes)
    return int32VarintSize(size) + size
  }

  /**
   * Completes the batch in place but for its CRC, which is left zero: the log computes it while it copies.
   *
   * @returns The batch's size; it stands in `bytes` from 0 on. Calling it again changes nothing.
   * Errors: VARVE_INVALID_RECORD (no records), VARVE_UNSUPPORTED (the codec cannot compress on this Node version).
   * Cost: about 20 ns, plus compression, which allocates its result.
   */
  finish(): number {
    if (this.finished) return this.end
    const { count } = this
    if (count === 0) {
      throw new VarveError('VARVE_INVALID_RECORD', 'The batch holds no records; add one before it is finished.')
    }
    let attributes = this.producerAttributes
    if (this.codec !== undefined) {
      if (!this.compressed) this.takeCompressed(this.codec.compress(this.encodedRecords))
      attributes |= this.codec.id
    }
    const { view } = this
    view.setInt32(HeaderField.length, this.end - lengthOverhead)
    view.setUint32(HeaderField.crc, 0)
    view.setInt16(HeaderField.attributes, attributes)
    view.setInt32(HeaderField.lastOffsetDelta, count - 1)
    writeInt64(view, HeaderField.baseTimestamp, this.baseTimestamp)
    writeInt64(view, HeaderField.maxTimestamp, this.latestTimestamp)
    view.setInt32(HeaderField.recordCount, count)
    this.finished = true
    return this.end
  }

  /** The encoded records, for who has them compressed elsewhere: a view, valid until the batch changes. */
  get encodedRecords(): Buffer {
    return this.buffer.subarray(headerBytes, this.end)
  }

  /**
   * Replaces the records by what the builder's codec made of `encodedRecords`, so that `finish` has only the header left
   * to do. Believed, like whatever is written into `bytes`.
   */
  takeCompressed(records: Uint8Array): void {
    if (this.finished || this.compressed) throw finishedBatch()
    check(this.codec !== undefined, 'only a builder with a codec takes compressed records')
    const end = headerBytes + records.byteLength
    // Only the header must survive a replacement, and it is part of what is copied.
    if (end > this.buffer.length) this.replaceBuffer(end)
    this.buffer.set(records, headerBytes)
    this.end = end
    this.compressed = true
  }

  /**
   * Fills in what the header of a finished batch says, for the log that appends it: most of it stands here as numbers
   * already, which saves a tenth of an append. Read from the bytes is what an append stamps there.
   */
  describe(fields: DescribedBatch): void {
    check(this.finished, 'a batch is finished before it is described')
    const { view } = this
    fields.baseOffset = readInt64(view, HeaderField.baseOffset)
    fields.lastOffsetDelta = this.count - 1
    fields.sizeBytes = this.end
    fields.leaderEpoch = view.getInt32(HeaderField.leaderEpoch)
    fields.attributes = view.getInt16(HeaderField.attributes)
    fields.baseTimestamp = this.baseTimestamp
    fields.maxTimestamp = this.latestTimestamp
    fields.producerId = this.producerId
    fields.producerEpoch = this.producerEpoch
    fields.baseSequence = this.baseSequence
    fields.recordCount = this.count
  }

  /**
   * Completes the batch, CRC included, and returns a copy of it.
   *
   * Errors: as for `finish`, and VARVE_INVALID_ARGUMENT. Cost: `finish`, one pass for the CRC, one copy.
   */
  build(place: BatchPlace = {}): Buffer {
    const { baseOffset = 0, leaderEpoch = 0, appendTimestamp, control = false } = place
    requireInteger('baseOffset', baseOffset, Number.MAX_SAFE_INTEGER - this.count)
    requireInteger('leaderEpoch', leaderEpoch, 0x7fff_ffff)
    if (appendTimestamp !== undefined) requireInteger('appendTimestamp', appendTimestamp, Number.MAX_SAFE_INTEGER)
    const batch = Buffer.from(this.buffer.subarray(0, this.finish()))
    const view = viewOf(batch)
    writeInt64(view, HeaderField.baseOffset, baseOffset)
    view.setInt32(HeaderField.leaderEpoch, leaderEpoch)
    let attributes = view.getInt16(HeaderField.attributes)
    if (control) attributes |= Attribute.control
    if (appendTimestamp !== undefined) {
      attributes |= Attribute.appendTime
      writeInt64(view, HeaderField.maxTimestamp, appendTimestamp)
    }
    view.setInt16(HeaderField.attributes, attributes)
    view.setUint32(HeaderField.crc, this.crc32c(batch.subarray(crcStart)))
    return batch
  }

  /** Sizes first, bytes second: nothing is written before everything is known to be right and to fit. */
  private encode(
    key: RecordData,
    value: RecordData,
    time: number | undefined,
    headers: RecordHeaders | undefined,
  ): number {
    if (this.finished || this.compressed) throw finishedBatch()
    const timestamp = this.timestampOf(time)
    const delta = this.timestampDelta(timestamp)
    const keyBytes = dataBytes(key, 'key')
    const valueBytes = dataBytes(value, 'value')
    const list = headers === undefined ? undefined : listHeaders(headers)
    const measured = list === undefined ? undefined : measureHeaders(list)
    const body = this.bodyBytes(keyBytes, valueBytes, delta) + (measured === undefined ? 1 : measured.bytes)
    const end = this.end + int32VarintSize(body) + body
    if (end > this.capacity) this.grow(end)

    const { buffer, count } = this
    let at = writeInt32Varint(buffer, this.end, body)
    buffer[at++] = 0 // the record's attributes: none are defined
    at = writeInt64Varint(buffer, at, delta)
    at = writeInt32Varint(buffer, at, count)
    at = writeInt32Varint(buffer, at, keyBytes)
    if (keyBytes > 0) at = writeData(buffer, at, key!, keyBytes)
    at = writeInt32Varint(buffer, at, valueBytes)
    if (valueBytes > 0) at = writeData(buffer, at, value!, valueBytes)
    if (list === undefined) buffer[at++] = 0
    else at = writeHeaders(buffer, at, list, measured!)
    check(at === end, 'a record takes the bytes that were measured for it')

    if (count === 0) {
      this.baseTimestamp = timestamp
      this.latestTimestamp = timestamp
    } else if (timestamp > this.latestTimestamp) {
      this.latestTimestamp = timestamp
    }
    this.end = end
    this.count = count + 1
    return count
  }

  /** Bytes of a record's fields but for its own length and its headers. */
  private bodyBytes(keyBytes: number, valueBytes: number, delta: number): number {
    return (
      1 +
      int64VarintSize(delta) +
      int32VarintSize(this.count) +
      int32VarintSize(keyBytes) +
      Math.max(keyBytes, 0) +
      int32VarintSize(valueBytes) +
      Math.max(valueBytes, 0)
    )
  }

  private timestampOf(timestamp: number | undefined): number {
    if (timestamp === undefined) {
      if (Number.isNaN(this.batchTimestamp)) {
        const now = this.now === undefined ? noTimestamp : this.now()
        requireTimestamp('result of now()', now)
        this.batchTimestamp = now
      }
      return this.batchTimestamp
    }
    requireTimestamp('timestamp', timestamp)
    return timestamp
  }

  private timestampDelta(timestamp: number): number {
    const delta = this.count === 0 ? 0 : timestamp - this.baseTimestamp
    if (!Number.isSafeInteger(delta)) throw invalid('timestamp', "within 2^53 - 1 ms of the batch's first", timestamp)
    return delta
  }

  private grow(bytes: number): void {
    if (bytes > this.maxBytes) {
      throw new VarveError(
        'VARVE_RECORD_TOO_LARGE',
        `The batch would take ${bytes} bytes, at most ${this.maxBytes} are allowed; finish it before this record, or raise maxBytes.`,
        { details: { bytes, maxBytes: this.maxBytes, recordCount: this.count } },
      )
    }
    this.replaceBuffer(Math.min(Math.max(bytes, this.capacity * 2), this.maxBytes))
  }

  private replaceBuffer(size: number): void {
    const larger = Buffer.alloc(size)
    this.buffer.copy(larger, 0, 0, this.end)
    this.buffer = larger
    this.capacity = Math.min(size, this.maxBytes)
    this.view = viewOf(larger)
  }
}

/** Record attributes, and the most that a timestamp's and an offset's distance take as varints. */
const recordOverheadMax = 1 + 8 + 5

/**
 * The most bytes that a record can take in a batch, wherever it stands there.
 *
 * Errors: VARVE_INVALID_ARGUMENT, as for `BatchBuilder.add`, but for the timestamp's distance from others of the batch.
 * Cost: measures texts, copies nothing.
 */
export function recordBytesMax(record: RecordInput): number {
  if (typeof record !== 'object' || record === null) throw invalid('record', 'an object', record)
  const { key, value, timestamp, headers } = record
  if (timestamp !== undefined) requireTimestamp('timestamp', timestamp)
  const keyBytes = key === undefined ? -1 : dataBytes(key, 'key')
  const valueBytes = dataBytes(value, 'value')
  const body =
    recordOverheadMax +
    int32VarintSize(keyBytes) +
    Math.max(keyBytes, 0) +
    int32VarintSize(valueBytes) +
    Math.max(valueBytes, 0) +
    (headers === undefined ? 1 : measureHeaders(listHeaders(headers)).bytes)
  return int32VarintSize(body) + body
}

interface MeasuredHeaders {
  /** All headers with their count in front. */
  bytes: number
  /** Name and value size of each, in turn; -1 for a null value. */
  sizes: number[]
}

type HeaderList = readonly (readonly [name: string, value: RecordData])[]

function listHeaders(headers: RecordHeaders): HeaderList {
  if (Array.isArray(headers)) return headers
  if (typeof headers !== 'object' || headers === null || ArrayBuffer.isView(headers)) {
    throw invalid('headers', 'an object or an array of [name, value]', headers)
  }
  return Object.entries(headers)
}

function measureHeaders(list: HeaderList): MeasuredHeaders {
  const sizes: number[] = []
  let bytes = int32VarintSize(list.length)
  for (const header of list) {
    if (!Array.isArray(header) || header.length !== 2) throw invalid('headers', 'pairs of [name, value]', header)
    const [name, value] = header
    if (typeof name !== 'string') throw invalid('header name', 'a string', name)
    const nameBytes = textBytes(name)
    const valueBytes = dataBytes(value, `header ${JSON.stringify(name)}`)
    sizes.push(nameBytes, valueBytes)
    bytes += int32VarintSize(nameBytes) + nameBytes + int32VarintSize(valueBytes) + Math.max(valueBytes, 0)
  }
  return { bytes, sizes }
}

function writeHeaders(buffer: Buffer, position: number, list: HeaderList, measured: MeasuredHeaders): number {
  let at = writeInt32Varint(buffer, position, list.length)
  for (const [i, [name, value]] of list.entries()) {
    const nameBytes = measured.sizes[2 * i]!
    const valueBytes = measured.sizes[2 * i + 1]!
    at = writeInt32Varint(buffer, at, nameBytes)
    writeText(buffer, at, name, nameBytes)
    at = writeInt32Varint(buffer, at + nameBytes, valueBytes)
    if (valueBytes > 0) at = writeData(buffer, at, value!, valueBytes)
  }
  return at
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function finishedBatch(): VarveError {
  return new VarveError('VARVE_INVALID_ARGUMENT', 'The batch is finished; call reset() to begin the next.')
}

function requireTimestamp(argument: string, timestamp: number): void {
  if (Number.isSafeInteger(timestamp) && timestamp >= noTimestamp) return
  throw invalid(argument, 'milliseconds since 1970 as an integer, or -1 for none', timestamp)
}

function requireInteger(argument: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max)
    throw invalid(argument, `an integer from 0 to ${max}`, value)
}

function invalid(argument: string, wanted: string, got: unknown): VarveError {
  const shown = typeof got === 'number' || typeof got === 'bigint' ? String(got) : nameOf(got)
  return new VarveError('VARVE_INVALID_ARGUMENT', `The ${argument} must be ${wanted}, not ${shown}.`, {
    details: { argument },
  })
}
