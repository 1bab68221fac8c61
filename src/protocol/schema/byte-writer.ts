import { int64VarintBytesMax, writeInt32Varint, writeInt64Varint } from '../../base/varint.ts'
import { stringBytesMax } from './byte-reader.ts'
import { Fault } from './fault.ts'

const twoTo32 = 0x1_0000_0000
/** Most messages of a log fit; larger ones double it. */
const firstBytes = 128
/** What an int32 length can say. */
const bytesMax = 0x7fffffff

/**
 * Writes the primitives of Kafka's protocol, big-endian, into memory that grows.
 *
 * Values come from callers, so each is checked: what does not fit throws a `Fault`. One owner; `finish` gives the
 * memory away.
 */
export class ByteWriter {
  #bytes: Buffer = Buffer.allocUnsafe(firstBytes)
  #position = 0

  get position(): number {
    return this.#position
  }

  /** What was written, no copy. The writer must not be used after it. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#position)
  }

  boolean(value: unknown): void {
    if (typeof value !== 'boolean') throw wrong('true or false', value)
    this.#write8(value ? 1 : 0)
  }

  int8(value: unknown): void {
    this.#write8(integer(value, -0x80, 0x7f))
  }

  int16(value: unknown): void {
    this.#write16(integer(value, -0x8000, 0x7fff))
  }

  uint16(value: unknown): void {
    this.#write16(integer(value, 0, 0xffff))
  }

  int32(value: unknown): void {
    this.#write32(integer(value, -0x8000_0000, 0x7fff_ffff))
  }

  uint32(value: unknown): void {
    this.#write32(integer(value, 0, 0xffff_ffff))
  }

  int64(value: unknown): void {
    const number = integer(value, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    this.#write32(Math.floor(number / twoTo32))
    this.#write32(number)
  }

  id64(value: unknown): void {
    if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) throw wrong('a bigint of 64 bits', value)
    const at = this.#take(8)
    this.#bytes.writeBigInt64BE(value, at)
  }

  float64(value: unknown): void {
    if (typeof value !== 'number') throw wrong('a number', value)
    const at = this.#take(8)
    this.#bytes.writeDoubleBE(value, at)
  }

  varint(value: unknown): void {
    const number = integer(value, -0x8000_0000, 0x7fff_ffff)
    this.#reserve(int64VarintBytesMax)
    this.#position = writeInt32Varint(this.#bytes, this.#position, number)
  }

  varlong(value: unknown): void {
    const number = integer(value, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    this.#reserve(int64VarintBytesMax)
    this.#position = writeInt64Varint(this.#bytes, this.#position, number)
  }

  /** `value` is one of ours: from 0 to 2^31 - 1. */
  unsignedVarint(value: number): void {
    this.#reserve(5)
    this.#position = putUnsignedVarint(this.#bytes, this.#position, value)
  }

  uuid(value: unknown): void {
    if (typeof value !== 'string' || !uuidText.test(value)) throw wrong('a uuid of 22 base64url characters', value)
    const at = this.#take(16)
    this.#bytes.write(value, at, 16, 'base64url')
  }

  /** @param compact The length stands before the text as an unsigned varint of one more, else as an int16. */
  string(value: unknown, compact: boolean): void {
    if (typeof value !== 'string') throw wrong('a string', value)
    const byteLength = Buffer.byteLength(value)
    if (byteLength > stringBytesMax) throw new Fault(`a string of ${byteLength} bytes is too long`)
    if (compact) this.unsignedVarint(byteLength + 1)
    else this.#write16(byteLength)
    const at = this.#take(byteLength)
    this.#bytes.write(value, at, byteLength, 'utf8')
  }

  raw(bytes: unknown): void {
    if (!(bytes instanceof Uint8Array)) throw wrong('bytes (a Uint8Array)', bytes)
    const at = this.#take(bytes.byteLength)
    this.#bytes.set(bytes, at)
  }

  /** Writes what `content` writes behind its size as an unsigned varint. */
  sized(content: () => void): void {
    const sizeAt = this.#take(1)
    const start = this.#position
    content()
    const byteLength = this.#position - start
    // One byte was left for the size. Tagged fields are small: to move the rare larger one costs less than to measure all.
    const more = unsignedVarintSize(byteLength) - 1
    if (more > 0) {
      this.#take(more)
      this.#bytes.copyWithin(start + more, start, start + byteLength)
    }
    putUnsignedVarint(this.#bytes, sizeAt, byteLength)
  }

  #write8(value: number): void {
    // Not in one expression: taking may replace the memory.
    const at = this.#take(1)
    this.#bytes[at] = value
  }

  #write16(value: number): void {
    const at = this.#take(2)
    this.#bytes[at] = value >> 8
    this.#bytes[at + 1] = value
  }

  #write32(value: number): void {
    const at = this.#take(4)
    const bytes = this.#bytes
    bytes[at] = value >> 24
    bytes[at + 1] = value >> 16
    bytes[at + 2] = value >> 8
    bytes[at + 3] = value
  }

  /** Moves past `count` bytes, which are there then, and returns where they begin. */
  #take(count: number): number {
    this.#reserve(count)
    const at = this.#position
    this.#position = at + count
    return at
  }

  #reserve(count: number): void {
    const needed = this.#position + count
    if (needed <= this.#bytes.length) return
    if (needed > bytesMax) throw new Fault(`the message takes more than ${bytesMax} bytes`)
    const grown = Buffer.allocUnsafe(Math.min(Math.max(needed, this.#bytes.length * 2), bytesMax))
    this.#bytes.copy(grown, 0, 0, this.#position)
    this.#bytes = grown
  }
}

/** 16 bytes as base64url without padding. The last character carries 2 bits of its 6: four spellings are valid. */
const uuidText = /^[A-Za-z0-9_-]{21}[AQgw]$/

function putUnsignedVarint(bytes: Buffer, position: number, value: number): number {
  let rest = value
  let at = position
  while (rest >= 0x80) {
    bytes[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes[at++] = rest
  return at
}

function unsignedVarintSize(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5
}

function integer(value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw wrong(`a whole number from ${min} to ${max}`, value)
  }
  return value
}

/** What was asked for and what came, without the value itself where it may be long. */
export function wrong(expected: string, value: unknown): Fault {
  const came =
    typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' || value == null
      ? String(value)
      : typeof value === 'object'
        ? 'an object'
        : `a ${typeof value}`
  return new Fault(`${expected} is needed, not ${came}`)
}
