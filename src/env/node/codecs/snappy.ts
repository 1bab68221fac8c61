import snappyjs from 'snappyjs'
import type { CompressionCodec } from '../../codecs.ts'
import { badInput, overLimit } from './codec-errors.ts'
import { decodeBlock, readBlockHeader } from './snappy-block.ts'

/**
 * The framing that Kafka's clients put around snappy, after the library it comes from: 8 bytes of magic, int32 version,
 * int32 oldest compatible version, then blocks with an int32 length in front of each. All big-endian.
 */
const framingMagic = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00)
const framingHeader = Uint8Array.of(...framingMagic, 0, 0, 0, 1, 0, 0, 0, 1)
/** What the Java library cuts its input into: a reader's buffers stay small. */
const blockBytes = 32 * 1024

interface Block {
  readonly start: number
  readonly end: number
  readonly decodedBytes: number
}

function compress(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [framingHeader]
  for (let start = 0; start < bytes.byteLength; start += blockBytes) {
    // A plain Uint8Array: for a Buffer the library zeroes, then copies once more.
    const size = Math.min(blockBytes, bytes.byteLength - start)
    const block = snappyjs.compress(new Uint8Array(bytes.buffer, bytes.byteOffset + start, size))
    const length = Buffer.allocUnsafe(4)
    length.writeInt32BE(block.byteLength)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}

/** Reads all sizes first, so that memory is taken once and never above the limit. */
function decompress(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const blocks = isFramed(bytes) ? framedBlocks(bytes) : [blockAt(bytes, 0, bytes.byteLength)]
  let total = 0
  for (const { decodedBytes } of blocks) {
    total += decodedBytes
    if (total > maxBytes) throw overLimit('snappy', maxBytes)
  }
  const output = Buffer.allocUnsafeSlow(total)
  let into = 0
  for (const { start, end, decodedBytes } of blocks) {
    decodeBlock(bytes, start, end, output, into, into + decodedBytes)
    into += decodedBytes
  }
  return output
}

/** A bare block cannot start like this: its first element would be a copy, with nothing before it. */
function isFramed(bytes: Uint8Array): boolean {
  return framingMagic.every((byte, i) => bytes[i] === byte)
}

function framedBlocks(bytes: Uint8Array): Block[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = bytes.byteLength
  if (end < framingHeader.byteLength) throw badInput('snappy', 'the framing header is cut off')
  const blocks: Block[] = []
  for (let at = framingHeader.byteLength; at < end; ) {
    if (at + 4 > end) throw badInput('snappy', 'a block length is cut off')
    const length = view.getInt32(at)
    at += 4
    if (length < 1 || length > end - at) throw badInput('snappy', `block length ${length} does not fit`)
    blocks.push(blockAt(bytes, at, at + length))
    at += length
  }
  return blocks
}

function blockAt(bytes: Uint8Array, start: number, end: number): Block {
  const header = readBlockHeader(bytes, start, end)
  return { start: header.start, end, decodedBytes: header.decodedBytes }
}

/** Snappy in the framing of Kafka's clients; bare blocks are read too. All on the calling thread: there is no other. */
export const snappy: CompressionCodec = {
  name: 'snappy',
  id: 2,
  canCompress: true,
  compress,
  decompress,
  compressAsync: async (bytes) => compress(bytes),
  decompressAsync: async (bytes, maxBytes) => decompress(bytes, maxBytes),
}
