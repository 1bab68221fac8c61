/**
 * Variable-length integers of record batches: zigzag, then seven bits a byte, lowest first, the top bit set on all but
 * the last byte. `int32` takes at most 5 bytes; `int64` at most 10, of which we write at most 8 (safe integers).
 *
 * The writers trust their caller: the value is a safe integer and the bytes have room.
 */

/** Longest encoding of a safe integer. */
export const int64VarintBytesMax = 8

/** Bytes that a signed 32-bit integer takes. */
export function int32VarintSize(value: number): number {
  const zigzag = (value << 1) ^ (value >> 31)
  // Seven bits a byte, rounded up: n * 37 >>> 8 is n / 7 rounded down for all n that can come, 7 to 38.
  return ((38 - Math.clz32(zigzag | 1)) * 37) >>> 8
}

/** Writes a signed 32-bit integer and returns the position after it. */
export function writeInt32Varint(bytes: Uint8Array, position: number, value: number): number {
  // Nearly all numbers in a batch take one or two bytes; a loop would keep this from being inlined where it counts.
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  if (zigzag < 0x80) {
    bytes[position] = zigzag
    return position + 1
  }
  if (zigzag < 0x4000) {
    bytes[position] = zigzag | 0x80
    bytes[position + 1] = zigzag >>> 7
    return position + 2
  }
  return writeLongVarint(bytes, position, zigzag)
}

function writeLongVarint(bytes: Uint8Array, position: number, zigzag: number): number {
  let rest = zigzag
  let at = position
  while (rest >= 0x80) {
    bytes[at++] = rest | 0x80
    rest >>>= 7
  }
  bytes[at++] = rest
  return at
}

/** Doubling must stay exact: zigzag is at most 2^54, where every even number and every odd one below 2^53 is exact. */
function isInt31(value: number): boolean {
  return value === (value << 1) >> 1
}

/** Bytes that a safe integer takes. */
export function int64VarintSize(value: number): number {
  if (isInt31(value)) return int32VarintSize(value)
  let rest = value < 0 ? -(value + 1) : value
  // The lowest seven bits of the zigzag hold six of the magnitude.
  rest = Math.floor(rest / 64)
  let size = 1
  while (rest > 0) {
    rest = Math.floor(rest / 128)
    size++
  }
  return size
}

/** Writes a safe integer and returns the position after it. */
export function writeInt64Varint(bytes: Uint8Array, position: number, value: number): number {
  if (isInt31(value)) return writeInt32Varint(bytes, position, value)
  // Zigzag of n is 2n, of -n - 1 is 2n + 1: the sign is the lowest bit, so the magnitude never has to be doubled.
  const sign = value < 0 ? 1 : 0
  const magnitude = sign === 1 ? -(value + 1) : value
  let low = (magnitude % 64) * 2 + sign
  let rest = Math.floor(magnitude / 64)
  let at = position
  while (rest > 0) {
    bytes[at++] = low | 0x80
    low = rest % 128
    rest = Math.floor(rest / 128)
  }
  bytes[at++] = low
  return at
}

/**
 * Position after the number that was read last: the second result of the readers below, without an allocation.
 * Take it at once; the next read replaces it.
 */
export let varintEnd = 0

/**
 * Reads a signed 32-bit integer.
 *
 * Encodings longer than needed are taken as Kafka takes them, up to five bytes.
 *
 * @param end Position after the last byte that may be read.
 * @returns NaN when the number is cut off by `end`, runs over five bytes or over 32 bits.
 */
export function readInt32Varint(bytes: Uint8Array, position: number, end: number): number {
  let zigzag = 0
  for (let shift = 0, at = position; shift < 35 && at < end; shift += 7) {
    const byte = bytes[at++]!
    if (shift === 28 && byte > 0x0f) return Number.NaN
    zigzag |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      varintEnd = at
      return (zigzag >>> 1) ^ -(zigzag & 1)
    }
  }
  return Number.NaN
}

/**
 * Reads a signed 64-bit integer.
 *
 * @returns NaN when the number is cut off by `end`, runs over ten bytes or past the safe integers.
 */
export function readInt64Varint(bytes: Uint8Array, position: number, end: number): number {
  let sign = 0
  let magnitude = 0
  // Weight of the next seven bits; the sign took the lowest bit of the first byte.
  let weight = 0.5
  for (let i = 0, at = position; i < 10 && at < end; i++) {
    const byte = bytes[at++]!
    if (i === 0) {
      sign = byte & 1
      magnitude = (byte & 0x7f) >>> 1
    } else {
      magnitude += (byte & 0x7f) * weight
    }
    weight *= 128
    if (byte < 0x80) {
      varintEnd = at
      if (magnitude > Number.MAX_SAFE_INTEGER) return Number.NaN
      return sign === 0 ? magnitude : -magnitude - 1
    }
  }
  return Number.NaN
}
