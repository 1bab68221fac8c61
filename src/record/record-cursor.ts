import { readInt32Varint, readInt64Varint, varintEnd } from '../base/varint.ts'
import { VarveError } from '../errors.ts'

/**
 * Walks the encoded records of one batch without allocating: after each `next()` the fields describe one record, with
 * key, value and headers as ranges of `bytes`.
 *
 * Everything is validated as it is met; what does not hold throws VARVE_CORRUPT with the position of the record. One
 * owner; reusable by `reset`. It does not keep anything alive but `bytes`.
 */
export class RecordCursor {
  /** What the ranges below index. */
  bytes: Uint8Array = noBytes
  offset = -1
  timestamp = -1
  /** Start of the key, or -1 when it is null; then `keyEnd` is -1 too. */
  keyStart = -1
  /** Exclusive. */
  keyEnd = -1
  /** Start of the value, or -1 when it is null; then `valueEnd` is -1 too. */
  valueStart = -1
  /** Exclusive. */
  valueEnd = -1
  headerCount = 0
  /** Start of the first header, behind the count. */
  headersStart = 0

  private position = 0
  /** Exclusive. */
  private end = 0
  private remaining = 0
  private baseOffset = 0
  private baseTimestamp = 0
  /** Offset delta of the record before, -1 at the start: deltas must rise. */
  private lastDelta = -1
  /** Inclusive. */
  private maxDelta = 0
  /** All records have the batch's one timestamp, whatever their deltas say. */
  private appendTime = false

  /**
   * Points the cursor before the first record.
   *
   * @param bytes Holds the records, uncompressed, in `[start, end)`.
   */
  reset(bytes: Uint8Array, start: number, end: number, batch: BatchFrame): void {
    this.bytes = bytes
    this.position = start
    this.end = end
    this.remaining = batch.recordCount
    this.baseOffset = batch.baseOffset
    this.baseTimestamp = batch.isAppendTime ? batch.maxTimestamp : batch.baseTimestamp
    this.maxDelta = batch.lastOffset - batch.baseOffset
    this.lastDelta = -1
    this.appendTime = batch.isAppendTime
  }

  /**
   * Moves to the next record.
   *
   * @returns False after the last one, once it is sure that nothing follows it.
   */
  next(): boolean {
    if (this.remaining === 0) {
      if (this.position !== this.end) throw this.fault(`${this.end - this.position} bytes follow the last record`)
      return false
    }
    const { bytes, position } = this
    // Most numbers take one or two bytes and are read in line; the others, and those past the end of the array (which read as
    // `undefined`, not below 0x80), take the careful way. Written out five times: a function that answers value and size in
    // one number costs half as much again for the whole record.
    let at = position
    let first = bytes[at]!
    let length: number
    if (first < 0x80) {
      length = (first >>> 1) ^ -(first & 1)
      at++
    } else {
      const second = bytes[at + 1]!
      if (second < 0x80) {
        length = ((first & 0x7f) >>> 1) ^ (second << 6) ^ -(first & 1)
        at += 2
      } else {
        length = this.int32(at)
        at = varintEnd
      }
    }
    const recordEnd = at + length
    if (length < 0 || recordEnd > this.end) throw this.fault(`record length ${length} does not fit the batch`)
    at++ // attributes: none are defined
    first = bytes[at]!
    let timestampDelta: number
    if (first < 0x80) {
      timestampDelta = (first >>> 1) ^ -(first & 1)
      at++
    } else {
      const second = bytes[at + 1]!
      if (second < 0x80) {
        timestampDelta = ((first & 0x7f) >>> 1) ^ (second << 6) ^ -(first & 1)
        at += 2
      } else {
        timestampDelta = this.int64(at)
        at = varintEnd
      }
    }
    first = bytes[at]!
    let offsetDelta: number
    if (first < 0x80) {
      offsetDelta = (first >>> 1) ^ -(first & 1)
      at++
    } else {
      const second = bytes[at + 1]!
      if (second < 0x80) {
        offsetDelta = ((first & 0x7f) >>> 1) ^ (second << 6) ^ -(first & 1)
        at += 2
      } else {
        offsetDelta = this.int32(at)
        at = varintEnd
      }
    }
    first = bytes[at]!
    let keyBytes: number
    if (first < 0x80) {
      keyBytes = (first >>> 1) ^ -(first & 1)
      at++
    } else {
      const second = bytes[at + 1]!
      if (second < 0x80) {
        keyBytes = ((first & 0x7f) >>> 1) ^ (second << 6) ^ -(first & 1)
        at += 2
      } else {
        keyBytes = this.int32(at)
        at = varintEnd
      }
    }
    if (keyBytes >= 0) {
      this.keyStart = at
      at += keyBytes
      this.keyEnd = at
    } else {
      if (keyBytes !== -1) throw this.fault(`key length ${keyBytes} is negative`)
      this.keyStart = -1
      this.keyEnd = -1
    }
    first = bytes[at]!
    let valueBytes: number
    if (first < 0x80) {
      valueBytes = (first >>> 1) ^ -(first & 1)
      at++
    } else {
      const second = bytes[at + 1]!
      if (second < 0x80) {
        valueBytes = ((first & 0x7f) >>> 1) ^ (second << 6) ^ -(first & 1)
        at += 2
      } else {
        valueBytes = this.int32(at)
        at = varintEnd
      }
    }
    if (valueBytes >= 0) {
      this.valueStart = at
      at += valueBytes
      this.valueEnd = at
    } else {
      if (valueBytes !== -1) throw this.fault(`value length ${valueBytes} is negative`)
      this.valueStart = -1
      this.valueEnd = -1
    }
    if (bytes[at] === 0) {
      this.headerCount = 0
      at++
      this.headersStart = at
    } else {
      at = this.skipHeaders(at, recordEnd)
    }
    // Positions only grew, so that a field past the end of the record shows here.
    if (at !== recordEnd) throw this.fault(`fields end at ${at}, the record at ${recordEnd}`)
    if (offsetDelta <= this.lastDelta || offsetDelta > this.maxDelta) {
      throw this.fault(`offset delta ${offsetDelta} is not between ${this.lastDelta + 1} and ${this.maxDelta}`)
    }
    this.lastDelta = offsetDelta
    this.offset = this.baseOffset + offsetDelta
    if (this.appendTime) {
      this.timestamp = this.baseTimestamp
    } else {
      const timestamp = this.baseTimestamp + timestampDelta
      if (timestamp > Number.MAX_SAFE_INTEGER || timestamp < Number.MIN_SAFE_INTEGER) {
        throw this.fault('the timestamp is not a safe integer')
      }
      this.timestamp = timestamp
    }
    this.position = recordEnd
    this.remaining--
    return true
  }

  /** Checks the headers at `position` and returns where they end. */
  private skipHeaders(position: number, recordEnd: number): number {
    const count = this.int32(position)
    let at = varintEnd
    this.headersStart = at
    // Two lengths of one byte each are the least that a header takes.
    if (count < 0 || count * 2 > recordEnd - at) throw this.fault(`${count} headers do not fit the record`)
    this.headerCount = count
    for (let i = 0; i < count; i++) {
      const nameBytes = this.int32(at)
      if (nameBytes < 0) throw this.fault(`header name length ${nameBytes} is negative`)
      at = varintEnd + nameBytes
      const valueBytes = this.int32(at)
      if (valueBytes < -1) throw this.fault(`header value length ${valueBytes} is negative`)
      at = varintEnd + Math.max(valueBytes, 0)
      if (at > recordEnd) throw this.fault('a header passes the end of the record')
    }
    return at
  }

  private int32(position: number): number {
    const value = readInt32Varint(this.bytes, position, this.end)
    if (Number.isNaN(value)) throw this.fault(`the number at ${position} is cut off or longer than 32 bits`)
    return value
  }

  private int64(position: number): number {
    const value = readInt64Varint(this.bytes, position, this.end)
    if (Number.isNaN(value)) throw this.fault(`the number at ${position} is cut off or no safe integer`)
    return value
  }

  private fault(reason: string): VarveError {
    const offset = this.baseOffset + this.lastDelta + 1
    return new VarveError(
      'VARVE_CORRUPT',
      `The record at or after offset ${offset}, at position ${this.position}, is damaged: ${reason}.`,
      { details: { position: this.position, offset, reason } },
    )
  }
}

/** What the cursor must know of the batch around the records. */
export interface BatchFrame {
  readonly baseOffset: number
  /** Inclusive. */
  readonly lastOffset: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly isAppendTime: boolean
  readonly recordCount: number
}

const noBytes = new Uint8Array(0)
