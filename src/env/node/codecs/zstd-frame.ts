/**
 * Walks a zstd frame without decoding it (RFC 8878): header and block headers say what it may expand to.
 *
 * Header: magic, descriptor, window descriptor (unless single segment), dictionary id, content size. Blocks: 3 bytes
 * with the last flag, the type and a size. Then a checksum (4 bytes, if flagged). Little-endian.
 */
import { badInput } from './codec-errors.ts'

const frameMagic = 0xfd2fb528
const Descriptor = { singleSegment: 0x20, reserved: 0x08, checksum: 0x04, dictionary: 0x03 }
const BlockType = { raw: 0, repeat: 1, compressed: 2 }
/** No block decodes to more. */
const blockBytesMax = 128 * 1024

export interface ZstdFrame {
  /** What the header says, or undefined where it does not. */
  readonly contentBytes: number | undefined
  /** How far back matches may reach. */
  readonly windowBytes: number
  /** Where the byte of the window descriptor stands, or -1 when there is none. */
  readonly windowAt: number
  /** The frame cannot expand to more than this. */
  readonly bound: number
}

/** Errors: VARVE_CORRUPT unless `bytes` is exactly one whole frame without a dictionary. */
export function readZstdFrame(bytes: Uint8Array): ZstdFrame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = bytes.byteLength
  if (end < 6 || view.getUint32(0, true) !== frameMagic) throw badInput('zstd', 'it does not start with a frame header')
  const descriptor = view.getUint8(4)
  if ((descriptor & Descriptor.reserved) !== 0) throw badInput('zstd', 'a reserved bit of its header is set')
  if ((descriptor & Descriptor.dictionary) !== 0) throw badInput('zstd', 'it needs a dictionary')
  const singleSegment = (descriptor & Descriptor.singleSegment) !== 0
  const sizeCode = descriptor >>> 6
  const sizeBytes = sizeCode === 0 ? (singleSegment ? 1 : 0) : 1 << sizeCode
  const windowAt = singleSegment ? -1 : 5
  let at = singleSegment ? 5 : 6
  if (at + sizeBytes > end) throw badInput('zstd', 'its header is cut off')
  const contentBytes = readContentBytes(view, at, sizeBytes)
  at += sizeBytes
  const windowBytes = singleSegment ? contentBytes! : readWindowBytes(view.getUint8(windowAt))

  let bound = 0
  for (let last = false; !last; ) {
    if (at + 3 > end) throw badInput('zstd', 'it has no last block')
    const field = view.getUint16(at, true) + view.getUint8(at + 2) * 0x1_0000
    at += 3
    last = (field & 1) !== 0
    const type = (field >>> 1) & 3
    const size = field >>> 3
    if (type > BlockType.compressed) throw badInput('zstd', 'a block has a reserved type')
    if (size > blockBytesMax) throw badInput('zstd', `block length ${size} is above ${blockBytesMax}`)
    bound += type === BlockType.compressed ? blockBytesMax : size
    at += type === BlockType.repeat ? 1 : size
    if (at > end) throw badInput('zstd', 'a block is cut off')
  }
  if ((descriptor & Descriptor.checksum) !== 0) at += 4
  if (at !== end) throw badInput('zstd', at > end ? 'its checksum is cut off' : `${end - at} bytes follow its end`)
  if (contentBytes !== undefined && contentBytes > bound) {
    throw badInput('zstd', `its blocks cannot hold the ${contentBytes} bytes that it declares`)
  }
  return { contentBytes, windowBytes, windowAt, bound: contentBytes ?? bound }
}

function readContentBytes(view: DataView, at: number, sizeBytes: number): number | undefined {
  switch (sizeBytes) {
    case 1:
      return view.getUint8(at)
    case 2:
      return view.getUint16(at, true) + 256
    case 4:
      return view.getUint32(at, true)
    case 8:
      return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000
    default:
      return undefined
  }
}

function readWindowBytes(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3))
  return base + (base / 8) * (descriptor & 7)
}

/** The smallest window descriptor of a whole power of two that covers so many bytes. */
export function windowDescriptorFor(bytes: number): number {
  return Math.max(0, Math.ceil(Math.log2(Math.max(bytes, 1))) - 10) << 3
}
