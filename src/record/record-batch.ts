import { readInt64 } from '../base/int64.ts'
import type { CompressionCodecs, CompressionName } from '../env/codecs.ts'
import { compressionNames } from '../env/codecs.ts'
import { VarveError } from '../errors.ts'
import { Attribute, HeaderField, headerBytes, headerFault, lengthOverhead } from './batch-header.ts'
import { LogRecord, type RecordOrigin, type TimestampType } from './log-record.ts'
import { type BatchFrame, RecordCursor } from './record-cursor.ts'

/** Records of one batch may take this much once decompressed: far above what any broker takes with default settings. */
export const defaultDecompressedBytes = 64 * 1024 * 1024

export interface RecordBatchOptions {
  /** Codecs by number, for compressed batches. */
  readonly codecs?: CompressionCodecs | undefined
  /** The most that the records of one batch may expand to. Default 64 MiB. */
  readonly maxDecompressedBytes?: number | undefined
}

/**
 * One record batch as read: header fields, and an iterable of its records.
 *
 * Its header was validated when it was made; records are validated, and decompressed, as they are walked. It refers to
 * the memory it was read from and keeps that alive. Immutable; may be iterated any number of times, also at once.
 *
 * It deliberately does not check the CRC by itself: whoever read the bytes did (`readBatches`, or the addon).
 */
export class RecordBatch implements BatchFrame, RecordOrigin {
  readonly baseOffset: number
  /** Inclusive. Kept by compaction, even when the record itself is gone. */
  readonly lastOffset: number
  /** Records in the batch: fewer than offsets after compaction, possibly none. */
  readonly recordCount: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly isAppendTime: boolean
  /** Bytes of the batch, header included, as stored. */
  readonly byteLength: number
  private readonly memory: Buffer
  private readonly view: DataView
  private readonly position: number
  private readonly attributes: number
  private readonly options: RecordBatchOptions
  private decompressed: Buffer | undefined

  /**
   * @param memory Holds the batch at `position`; `view` is over the same bytes.
   * @param end Position after the last byte that may belong to the batch.
   * Errors: VARVE_CORRUPT with `details { position, reason }`.
   */
  constructor(memory: Buffer, view: DataView, position: number, end: number, options: RecordBatchOptions) {
    const fault = headerFault(view, position, end)
    if (fault !== undefined) throw damaged(position, Number.NaN, fault)
    this.memory = memory
    this.view = view
    this.position = position
    this.options = options
    this.decompressed = undefined
    this.baseOffset = readInt64(view, position + HeaderField.baseOffset)
    this.byteLength = view.getInt32(position + HeaderField.length) + lengthOverhead
    this.attributes = view.getInt16(position + HeaderField.attributes)
    this.lastOffset = this.baseOffset + view.getInt32(position + HeaderField.lastOffsetDelta)
    this.baseTimestamp = readInt64(view, position + HeaderField.baseTimestamp)
    this.maxTimestamp = readInt64(view, position + HeaderField.maxTimestamp)
    this.isAppendTime = (this.attributes & Attribute.appendTime) !== 0
    this.recordCount = view.getInt32(position + HeaderField.recordCount)
  }

  /** Records in the batch. */
  get length(): number {
    return this.recordCount
  }

  /** Offset of the batch after this one, unless compaction left a gap. */
  get nextOffset(): number {
    return this.lastOffset + 1
  }

  get leaderEpoch(): number {
    return this.view.getInt32(this.position + HeaderField.leaderEpoch)
  }

  get crc(): number {
    return this.view.getUint32(this.position + HeaderField.crc)
  }

  get compression(): CompressionName {
    return compressionNames[this.attributes & Attribute.codecMask]!
  }

  get timestampType(): TimestampType {
    return this.isAppendTime ? 'LogAppendTime' : 'CreateTime'
  }

  get isTransactional(): boolean {
    return (this.attributes & Attribute.transactional) !== 0
  }

  /** True for transaction markers, which are no data of anybody's. */
  get isControl(): boolean {
    return (this.attributes & Attribute.control) !== 0
  }

  /** When compaction may drop the tombstones and markers of this batch, or undefined before it has seen them. */
  get deleteHorizonMs(): number | undefined {
    return (this.attributes & Attribute.deleteHorizon) !== 0 ? this.baseTimestamp : undefined
  }

  /** -1n for none. */
  get producerId(): bigint {
    return this.view.getBigInt64(this.position + HeaderField.producerId)
  }

  /** -1 for none. */
  get producerEpoch(): number {
    return this.view.getInt16(this.position + HeaderField.producerEpoch)
  }

  /** -1 for none, but Kafka's group coordinator writes 0 beside a producer id of -1. */
  get baseSequence(): number {
    return this.view.getInt32(this.position + HeaderField.baseSequence)
  }

  /** Sequence number of the last offset, -1 for none. Sequence numbers start again at 0 after 2^31 - 1. */
  get lastSequence(): number {
    const first = this.baseSequence
    return first < 0 ? -1 : (first + (this.lastOffset - this.baseOffset)) % 0x8000_0000
  }

  /** The batch as stored: a view, not a copy. */
  get bytes(): Buffer {
    return this.memory.subarray(this.position, this.position + this.byteLength)
  }

  /**
   * Points a cursor before the first record: the way to walk without an object per record.
   *
   * Errors: VARVE_CORRUPT, VARVE_UNSUPPORTED (no codec), VARVE_DECOMPRESSION_LIMIT. Cost: decompression, once per batch.
   */
  walk(cursor: RecordCursor = new RecordCursor()): RecordCursor {
    if ((this.attributes & Attribute.codecMask) === 0) {
      cursor.reset(this.memory, this.position + headerBytes, this.position + this.byteLength, this)
    } else {
      const records = this.decompress()
      cursor.reset(records, 0, records.length, this)
    }
    return cursor
  }

  /** Errors while iterating: as for `walk`. */
  [Symbol.iterator](): IterableIterator<LogRecord> {
    const cursor = this.walk()
    return new RecordIterator(cursor, this.decompressed ?? this.memory, this)
  }

  private decompress(): Buffer {
    if (this.decompressed !== undefined) return this.decompressed
    const { codecs, maxDecompressedBytes = defaultDecompressedBytes } = this.options
    const codec = codecs?.[this.attributes & Attribute.codecMask]
    if (codec === undefined) {
      throw new VarveError(
        'VARVE_UNSUPPORTED',
        `The batch at offset ${this.baseOffset} is compressed with ${this.compression}; pass the codecs to read it.`,
        { details: { offset: this.baseOffset, compression: this.compression } },
      )
    }
    const start = this.position + headerBytes
    const stored = this.memory.subarray(start, this.position + this.byteLength)
    let records: Uint8Array
    try {
      records = codec.decompress(stored, maxDecompressedBytes)
    } catch (error) {
      throw this.located(error)
    }
    this.decompressed = Buffer.isBuffer(records)
      ? records
      : Buffer.from(records.buffer, records.byteOffset, records.byteLength)
    return this.decompressed
  }

  /** A codec does not know which batch it was given; its error gets that here. */
  private located(error: unknown): unknown {
    if (!(error instanceof VarveError)) return error
    return new VarveError(error.code, `The batch at offset ${this.baseOffset} cannot be read. ${error.message}`, {
      details: { ...error.details, position: this.position, offset: this.baseOffset },
      cause: error,
    })
  }
}

/** A generator costs more than twice as much per record. */
class RecordIterator implements IterableIterator<LogRecord> {
  private readonly cursor: RecordCursor
  private readonly memory: Buffer
  private readonly batch: RecordBatch

  constructor(cursor: RecordCursor, memory: Buffer, batch: RecordBatch) {
    this.cursor = cursor
    this.memory = memory
    this.batch = batch
  }

  next(): IteratorResult<LogRecord, undefined> {
    if (!this.cursor.next()) return { done: true, value: undefined }
    return { done: false, value: new LogRecord(this.cursor, this.memory, this.batch) }
  }

  [Symbol.iterator](): this {
    return this
  }
}

/** VARVE_CORRUPT for a batch; `offset` is NaN where the header cannot be trusted to tell. */
export function damaged(position: number, offset: number, reason: string): VarveError {
  const unknown = Number.isNaN(offset)
  return new VarveError('VARVE_CORRUPT', `The batch at position ${position} is damaged: ${reason}.`, {
    details: unknown ? { position, reason } : { position, offset, reason },
  })
}
