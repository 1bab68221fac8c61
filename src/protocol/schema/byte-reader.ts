import { readInt32Varint, readInt64Varint, varintEnd } from '../../base/varint.ts'
import { Fault } from './fault.ts'

export interface ReadOptions {
  /** Where to begin. Default 0. */
  readonly position?: number
  /** Position after the last byte that may be read. Default: the end of the bytes. */
  readonly end?: number
  /**
   * The most array elements and tagged fields that one message may have, all its arrays together. An element of one
   * byte becomes some hundred bytes of objects, so the length of the input alone does not bound the memory.
   */
  readonly maxElements?: number
  /** What becomes of tagged fields that the schema does not know. Default 'keep', so that they are written again. */
  readonly unknownTags?: 'keep' | 'skip'
}

/** A partition in a metadata response is 7 to 13 elements: room for 80,000 partitions, and about 100 MB of objects. */
export const defaultMaxElements = 1_048_576

/** Of a string, in UTF-8. Kafka's limit, in flexible versions too. */
export const stringBytesMax = 0x7fff

const twoTo32 = 0x1_0000_0000

/**
 * Reads the primitives of Kafka's protocol, big-endian, from a range of bytes.
 *
 * Everything is hostile: whatever would pass the end, or leave the numbers that we can hold, throws a `Fault` with the
 * position, and nothing is reserved for a length before the bytes were seen to be there. One owner, one pass.
 */
export class ByteReader {
  readonly bytes: Buffer
  position: number
  /** Exclusive. Drawn in while a tagged field is read, which must not pass its own size. */
  end: number
  readonly keepUnknownTags: boolean
  #elementsLeft: number

  constructor(bytes: Uint8Array, options: ReadOptions = {}) {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.position = options.position ?? 0
    this.end = Math.min(options.end ?? bytes.byteLength, bytes.byteLength)
    this.keepUnknownTags = options.unknownTags !== 'skip'
    this.#elementsLeft = options.maxElements ?? defaultMaxElements
  }

  /** Moves past `count` bytes and returns where they begin. */
  take(count: number): number {
    const { position } = this
    if (count > this.end - position) {
      throw new Fault(`${count} bytes are needed, ${this.end - position} are left`, position)
    }
    this.position = position + count
    return position
  }

  /** Counts elements that are about to be read. */
  takeElements(count: number): void {
    this.#elementsLeft -= count
    if (this.#elementsLeft < 0) throw new Fault('the message has more elements than is allowed', this.position)
  }

  boolean(): boolean {
    // Kafka writes 1 and takes everything but 0.
    return this.bytes[this.take(1)] !== 0
  }

  int8(): number {
    return (this.bytes[this.take(1)]! << 24) >> 24
  }

  int16(): number {
    return (this.uint16() << 16) >> 16
  }

  uint16(): number {
    const at = this.take(2)
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!
  }

  int32(): number {
    const at = this.take(4)
    const { bytes } = this
    return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
  }

  uint32(): number {
    return this.int32() >>> 0
  }

  int64(): number {
    const { position } = this
    const high = this.int32()
    const value = high * twoTo32 + this.uint32()
    if (!Number.isSafeInteger(value)) throw new Fault('the number is past the safe integers', position)
    return value
  }

  id64(): bigint {
    return this.bytes.readBigInt64BE(this.take(8))
  }

  float64(): number {
    return this.bytes.readDoubleBE(this.take(8))
  }

  varint(): number {
    return this.#zigzag(readInt32Varint(this.bytes, this.position, this.end))
  }

  varlong(): number {
    return this.#zigzag(readInt64Varint(this.bytes, this.position, this.end))
  }

  #zigzag(value: number): number {
    if (Number.isNaN(value)) throw new Fault('the variable-length number is cut off or too large', this.position)
    this.position = varintEnd
    return value
  }

  /** Unsigned, of at most 5 bytes and 31 bits: lengths, counts and tags. */
  unsignedVarint(): number {
    const { bytes, position, end } = this
    let value = 0
    for (let at = position, shift = 0; at < end && shift < 35; at++, shift += 7) {
      const byte = bytes[at]!
      // Four bytes carry 28 bits: the fifth has three more below the sign.
      if (shift === 28 && byte > 0x07) break
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        this.position = at + 1
        return value
      }
    }
    throw new Fault('the variable-length number is cut off or too large', position)
  }

  uuid(): string {
    const at = this.take(16)
    return this.bytes.toString('base64url', at, at + 16)
  }

  /** Text of `byteLength` bytes. What is not UTF-8 becomes U+FFFD, as it does in Kafka. */
  string(byteLength: number): string {
    if (byteLength > stringBytesMax) throw new Fault(`a string of ${byteLength} bytes is too long`, this.position)
    const at = this.take(byteLength)
    return this.bytes.toString('utf8', at, at + byteLength)
  }

  /** A slice of the memory that is read, no copy. */
  slice(byteLength: number): Buffer {
    const at = this.take(byteLength)
    return this.bytes.subarray(at, at + byteLength)
  }
}
