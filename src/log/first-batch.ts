import type { Segment } from '../storage/segment.ts'

/** One batch as it is stored, and where. */
export interface StoredBatch {
  readonly bytes: Buffer
  readonly position: number
  readonly baseOffset: number
  readonly nextOffset: number
}

/** Reads the one batch that holds `offset`, or else the next one in its segment; null when there is none. */
export function readFirstBatch(segment: Segment, offset: number, endPosition = -1): StoredBatch | null {
  let bytes = Buffer.allocUnsafeSlow(16 * 1024)
  const bound = { endPosition, endOffset: -1 }
  // Asking for one byte answers one batch: the first always comes whole.
  let fill = segment.read(offset, bytes, 1, bound)
  if (fill === null) {
    bytes = Buffer.allocUnsafeSlow(segment.neededBytes)
    fill = segment.read(offset, bytes, 1, bound)
  }
  if (fill === null || fill.batchCount === 0) return null
  const { position, nextOffset } = fill
  return { bytes: bytes.subarray(0, fill.bytes), position, baseOffset: Number(bytes.readBigInt64BE(0)), nextOffset }
}
