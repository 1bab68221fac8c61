/**
 * Raw snappy blocks, decoded with every length checked.
 *
 * The decoder of `snappyjs` is not used: it loops for ever on a literal with a negative length, and writes past the
 * declared end count for nothing, so its input would have to be walked beforehand, which is most of the decoding.
 */
import { badInput } from './codec-errors.ts'

/** A copy of up to 11 bytes takes two, one of up to 64 takes three: no block expands further. */
const expansionMax = 22

/** The size that a block says it has when decoded, and where its elements start. */
export interface BlockHeader {
  readonly decodedBytes: number
  readonly start: number
}

/**
 * Reads the size in front of a block.
 *
 * Errors: VARVE_CORRUPT when it is cut off, over 32 bits, or more than the rest of the block could hold.
 */
export function readBlockHeader(bytes: Uint8Array, start: number, end: number): BlockHeader {
  let decodedBytes = 0
  let weight = 1
  for (let at = start; at < end && at < start + 5; at++) {
    const byte = bytes[at]!
    decodedBytes += (byte & 0x7f) * weight
    weight *= 128
    if (byte < 0x80) {
      if (decodedBytes > (end - at) * expansionMax) {
        throw badInput('snappy', `${end - at - 1} bytes cannot hold the ${decodedBytes} bytes that are declared`)
      }
      return { decodedBytes, start: at + 1 }
    }
  }
  throw badInput('snappy', 'the size in front of a block is cut off or too long')
}

/**
 * Decodes the elements in `[start, end)` of `bytes` into `[into, limit)` of `output`, which they must fill exactly.
 *
 * Errors: VARVE_CORRUPT; then `output` holds rubbish up to `limit`.
 */
export function decodeBlock(
  bytes: Uint8Array,
  start: number,
  end: number,
  output: Uint8Array,
  into: number,
  limit: number,
): void {
  let at = start
  let to = into
  while (at < end) {
    const tag = bytes[at++]!
    const kind = tag & 3
    if (kind === 0) {
      let length = (tag >>> 2) + 1
      if (length > 60) {
        // 60 to 63 in the tag: the length stands in the next one to four bytes.
        const sizeBytes = length - 60
        if (at + sizeBytes > end) throw badInput('snappy', 'a literal is cut off')
        length = 1
        let weight = 1
        for (let i = 0; i < sizeBytes; i++) {
          length += bytes[at++]! * weight
          weight *= 256
        }
      }
      if (length > end - at) throw badInput('snappy', 'a literal is cut off')
      if (length > limit - to) throw badInput('snappy', 'it holds more than it declares')
      if (length <= 16) for (let i = 0; i < length; i++) output[to + i] = bytes[at + i]!
      else output.set(bytes.subarray(at, at + length), to)
      at += length
      to += length
      continue
    }
    const offsetBytes = kind === 1 ? 1 : kind === 2 ? 2 : 4
    if (at + offsetBytes > end) throw badInput('snappy', 'a copy is cut off')
    let length = (tag >>> 2) + 1
    let offset = bytes[at]!
    if (kind === 1) {
      length = ((tag >>> 2) & 7) + 4
      offset += (tag >>> 5) << 8
    } else {
      offset += bytes[at + 1]! << 8
      if (kind === 3) offset += (bytes[at + 2]! << 16) + bytes[at + 3]! * 0x100_0000
    }
    at += offsetBytes
    if (offset === 0 || offset > to - into) throw badInput('snappy', 'a copy reaches before the start')
    if (length > limit - to) throw badInput('snappy', 'it holds more than it declares')
    // Byte by byte in order: a copy may overlap what it writes.
    for (let i = 0; i < length; i++) output[to + i] = output[to - offset + i]!
    to += length
  }
  if (to !== limit) throw badInput('snappy', 'it holds less than it declares')
}
