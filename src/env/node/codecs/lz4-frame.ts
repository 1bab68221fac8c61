/**
 * Walks LZ4 frames without decoding them, to learn how much they expand to before anybody takes memory for it:
 * `lz4-napi` has no limit of its own (2 MB became 512 MiB), decodes only the first of several frames and takes a frame
 * without an end for whole.
 *
 * Frame: magic, flags (version 1 in the top two bits), block descriptor, content size (8 bytes, if flagged), header
 * checksum, blocks, a zero block length, content checksum (4 bytes, if flagged). Little-endian.
 */
import { badInput } from './codec-errors.ts'

const frameMagic = 0x184d2204
const Flag = {
  version: 0xc0,
  versionOne: 0x40,
  blockChecksum: 0x10,
  contentSize: 0x08,
  contentChecksum: 0x04,
  dictionary: 0x01,
}
/** A length field's top bit: the block is stored, not compressed. */
const storedBlock = 0x8000_0000
/** Each byte of input adds at most this much to a length. */
const expansionMax = 255

/**
 * The most that the frame can expand to: an upper bound that is cheap to tell, and exact only where that would be above
 * `maxBytes`. What decodes the frame will not need more.
 *
 * Errors: VARVE_CORRUPT unless `bytes` is exactly one whole frame.
 */
export function lz4FrameBound(bytes: Uint8Array, maxBytes: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = bytes.byteLength
  if (end < 7 || view.getUint32(0, true) !== frameMagic) throw badInput('lz4', 'it does not start with a frame header')
  const flags = view.getUint8(4)
  if ((flags & Flag.version) !== Flag.versionOne) throw badInput('lz4', 'its frame version is not 1')
  if ((flags & Flag.dictionary) !== 0) throw badInput('lz4', 'it needs a dictionary')
  const blockSizeCode = (view.getUint8(5) >> 4) & 7
  if (blockSizeCode < 4) throw badInput('lz4', `block size code ${blockSizeCode} is not defined`)
  const blockBytesMax = 1 << (8 + 2 * blockSizeCode)
  let at = 7
  let declared = Number.POSITIVE_INFINITY
  if ((flags & Flag.contentSize) !== 0) {
    if (end < 15) throw badInput('lz4', 'its header is cut off')
    declared = view.getUint32(6, true) + view.getUint32(10, true) * 0x1_0000_0000
    at = 15
  }
  const blocksStart = at
  const checksumBytes = (flags & Flag.blockChecksum) !== 0 ? 4 : 0
  let bound = 0
  for (;;) {
    if (at + 4 > end) throw badInput('lz4', 'it has no end mark')
    const field = view.getUint32(at, true)
    at += 4
    if (field === 0) break
    const size = field % storedBlock
    if (size > blockBytesMax || size + checksumBytes > end - at)
      throw badInput('lz4', `block length ${size} does not fit`)
    bound += field >= storedBlock ? size : Math.min(blockBytesMax, size * expansionMax)
    at += size + checksumBytes
  }
  if ((flags & Flag.contentChecksum) !== 0) at += 4
  if (at !== end) throw badInput('lz4', at > end ? 'its checksum is cut off' : `${end - at} bytes follow its end`)
  // A lying content size is found by the decoder, which compares it with what came out.
  if (declared < bound) return declared
  return bound <= maxBytes ? bound : decodedBytes(bytes, view, blocksStart, checksumBytes, maxBytes)
}

/** Adds up the lengths in all blocks; stops once they pass `maxBytes`. The blocks' borders are known to be right. */
function decodedBytes(
  bytes: Uint8Array,
  view: DataView,
  blocksStart: number,
  checksumBytes: number,
  maxBytes: number,
): number {
  let total = 0
  let at = blocksStart
  for (let field = view.getUint32(at, true); field !== 0 && total <= maxBytes; field = view.getUint32(at, true)) {
    const size = field % storedBlock
    const start = at + 4
    total += field >= storedBlock ? size : blockDecodedBytes(bytes, start, start + size, maxBytes - total)
    at = start + size + checksumBytes
  }
  return total
}

/** A block is sequences of: token, literal length, literals, match offset (2 bytes), match length; the last has no match. */
function blockDecodedBytes(bytes: Uint8Array, start: number, end: number, maxBytes: number): number {
  let total = 0
  let at = start
  while (at < end && total <= maxBytes) {
    const token = bytes[at++]!
    let literals = token >>> 4
    if (literals === 15) {
      let byte = 255
      while (byte === 255 && at < end) {
        byte = bytes[at++]!
        literals += byte
      }
    }
    total += literals
    at += literals
    if (at >= end) break
    at += 2
    let match = (token & 15) + 4
    if (match === 19) {
      let byte = 255
      while (byte === 255 && at < end) {
        byte = bytes[at++]!
        match += byte
      }
    }
    total += match
  }
  return total
}
