import { readInt32Varint, varintEnd } from '../base/varint.ts'
import { VarveError } from '../errors.ts'

/** When the timestamp was taken: by the producer, or by the log as it appended the batch. */
export type TimestampType = 'CreateTime' | 'LogAppendTime'

/** What every record of a batch has in common. */
export interface RecordOrigin {
  readonly timestampType: TimestampType
  readonly leaderEpoch: number
}

/** A record as ranges of the memory that holds it, as `RecordCursor` leaves them. */
export interface RecordRanges {
  readonly offset: number
  readonly timestamp: number
  /** -1 when the key is null, and its end too. */
  readonly keyStart: number
  readonly keyEnd: number
  /** -1 when the value is null, and its end too. */
  readonly valueStart: number
  readonly valueEnd: number
  /** Behind the count of headers. */
  readonly headersStart: number
  readonly headerCount: number
}

/**
 * One record as read. Key, value and headers are made when they are asked for, then kept.
 *
 * They are slices of the memory that the whole batch was read into: valid for as long as they are referenced, and
 * keeping that memory alive. `copy()` detaches what is kept long.
 */
export class LogRecord {
  readonly offset: number
  /** Milliseconds since 1970, -1 for none. */
  readonly timestamp: number
  protected readonly origin: RecordOrigin
  private readonly bytes: Buffer
  private readonly keyStart: number
  private readonly keyEnd: number
  private readonly valueStart: number
  private readonly valueEnd: number
  private readonly headersStart: number
  private readonly headerCount: number
  private keySlice: Buffer | null | undefined
  private valueSlice: Buffer | null | undefined
  private headerList: [string, Buffer | null][] | undefined

  /** `ranges` was validated by a cursor; it is read here and not kept. */
  constructor(ranges: RecordRanges, bytes: Buffer, origin: RecordOrigin) {
    this.offset = ranges.offset
    this.timestamp = ranges.timestamp
    this.origin = origin
    this.bytes = bytes
    this.keyStart = ranges.keyStart
    this.keyEnd = ranges.keyEnd
    this.valueStart = ranges.valueStart
    this.valueEnd = ranges.valueEnd
    this.headersStart = ranges.headersStart
    this.headerCount = ranges.headerCount
    this.keySlice = undefined
    this.valueSlice = undefined
    this.headerList = undefined
  }

  get key(): Buffer | null {
    if (this.keySlice === undefined) this.keySlice = slice(this.bytes, this.keyStart, this.keyEnd)
    return this.keySlice
  }

  get value(): Buffer | null {
    if (this.valueSlice === undefined) this.valueSlice = slice(this.bytes, this.valueStart, this.valueEnd)
    return this.valueSlice
  }

  /** In stored order; names may repeat. */
  get headers(): readonly (readonly [name: string, value: Buffer | null])[] {
    if (this.headerList === undefined) {
      this.headerList = []
      walkHeaders(this.bytes, this.headersStart, this.headerCount, this.headerList)
    }
    return this.headerList
  }

  get timestampType(): TimestampType {
    return this.origin.timestampType
  }

  /** Term of the leader that wrote the batch. */
  get leaderEpoch(): number {
    return this.origin.leaderEpoch
  }

  /** The value as text, null when it is null. What is not UTF-8 becomes U+FFFD. */
  text(): string | null {
    if (this.valueStart < 0) return null
    return this.bytes.toString('utf8', this.valueStart, this.valueEnd)
  }

  /**
   * The value parsed as JSON, null when it is null.
   *
   * Errors: VARVE_INVALID_RECORD when it is not JSON.
   */
  json<T = unknown>(): T | null {
    const text = this.text()
    if (text === null) return null
    try {
      return JSON.parse(text) as T
    } catch (cause) {
      throw new VarveError(
        'VARVE_INVALID_RECORD',
        `The value at offset ${this.offset} is not JSON; text() returns it as it is.`,
        {
          details: { offset: this.offset },
          cause,
        },
      )
    }
  }

  /** The same record away from the batch's memory, in a copy as large as its key, value and headers. */
  copy(): LogRecord {
    return this.copyAs(LogRecord)
  }

  protected copyAs<Kind extends LogRecord>(
    kind: new (ranges: RecordRanges, bytes: Buffer, origin: RecordOrigin) => Kind,
  ): Kind {
    const { headersStart, headerCount } = this
    const headersEnd = walkHeaders(this.bytes, headersStart, headerCount, undefined)
    const start = this.keyStart >= 0 ? this.keyStart : this.valueStart >= 0 ? this.valueStart : headersStart
    const moved = (position: number): number => (position < 0 ? position : position - start)
    const ranges: RecordRanges = {
      offset: this.offset,
      timestamp: this.timestamp,
      keyStart: moved(this.keyStart),
      keyEnd: moved(this.keyEnd),
      valueStart: moved(this.valueStart),
      valueEnd: moved(this.valueEnd),
      headersStart: moved(headersStart),
      headerCount,
    }
    return new kind(ranges, Buffer.from(this.bytes.subarray(start, headersEnd)), this.origin)
  }
}

/** Node's own class of buffers over existing memory: its constructor takes half the time of `subarray`. */
const BufferSlice = (
  Buffer as unknown as { [Symbol.species]: new (memory: ArrayBufferLike, offset: number, length: number) => Buffer }
)[Symbol.species]

function slice(bytes: Buffer, start: number, end: number): Buffer | null {
  return start < 0 ? null : new BufferSlice(bytes.buffer, bytes.byteOffset + start, end - start)
}

/** Visits the headers, which a cursor has validated, and returns where they end. */
function walkHeaders(bytes: Buffer, start: number, count: number, into: [string, Buffer | null][] | undefined): number {
  let at = start
  for (let i = 0; i < count; i++) {
    const nameBytes = readInt32Varint(bytes, at, bytes.length)
    const nameStart = varintEnd
    const valueBytes = readInt32Varint(bytes, nameStart + nameBytes, bytes.length)
    const valueStart = varintEnd
    at = valueStart + Math.max(valueBytes, 0)
    into?.push([
      bytes.toString('utf8', nameStart, nameStart + nameBytes),
      valueBytes < 0 ? null : slice(bytes, valueStart, at),
    ])
  }
  return at
}
