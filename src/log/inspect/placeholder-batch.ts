/**
 * A batch without records that stands for offsets which are lost: what compaction leaves of a batch that it has emptied,
 * so every reader of Kafka's format steps over it. Its offsets stay taken, so that none is ever given out twice.
 */
import { crc32c } from '../../base/crc32c.ts'
import { writeInt64 } from '../../base/int64.ts'
import {
  crcStart,
  currentMagic,
  HeaderField,
  headerBytes,
  lengthOverhead,
  noSequence,
  noTimestamp,
} from '../../record/batch-header.ts'

/** Offsets that one such batch can stand for: the distance to its last offset is a signed 32-bit number. */
export const placeholderOffsetsMax = 0x7fff_ffff

/** @param endOffset Exclusive; at most `placeholderOffsetsMax` past `baseOffset`. */
export function encodePlaceholderBatch(baseOffset: number, endOffset: number, leaderEpoch: number): Buffer {
  const batch = Buffer.alloc(headerBytes)
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength)
  writeInt64(view, HeaderField.baseOffset, baseOffset)
  view.setInt32(HeaderField.length, headerBytes - lengthOverhead)
  view.setInt32(HeaderField.leaderEpoch, leaderEpoch)
  view.setInt8(HeaderField.magic, currentMagic)
  view.setInt32(HeaderField.lastOffsetDelta, endOffset - baseOffset - 1)
  writeInt64(view, HeaderField.baseTimestamp, noTimestamp)
  writeInt64(view, HeaderField.maxTimestamp, noTimestamp)
  view.setBigInt64(HeaderField.producerId, -1n)
  view.setInt16(HeaderField.producerEpoch, -1)
  view.setInt32(HeaderField.baseSequence, noSequence)
  view.setUint32(HeaderField.crc, crc32c(batch.subarray(crcStart)))
  return batch
}
