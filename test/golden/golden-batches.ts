/**
 * The batches of a golden partition, parsed here and not by the engine's own decoder, so that one cannot hide a fault
 * of the other.
 */
import { noProducerId } from '../../src/log/batch-fields.ts'
import type { ProducerBatch } from '../../src/log/producer-states.ts'
import type { TransactionMarker } from '../../src/record/control-record.ts'
import { parseSegmentFileName } from '../../src/storage/segment-names.ts'
import { type GoldenState, goldenBytes, goldenFiles } from './golden-folders.ts'

export interface GoldenBatch extends ProducerBatch {
  segmentBaseOffset: number
  position: number
  lastOffset: number
  crc: number
}

/** All batches of all segments in order; stops at a zero length (preallocated tail) or a cut batch. */
export function readGoldenBatches(state: GoldenState, partition: string): GoldenBatch[] {
  return goldenFiles(state, partition, '.log').flatMap((name) => {
    const { baseOffset } = parseSegmentFileName(name)!
    return parseBatches(goldenBytes(state, partition, name)!, baseOffset)
  })
}

function parseBatches(bytes: Buffer, segmentBaseOffset: number): GoldenBatch[] {
  const batches: GoldenBatch[] = []
  for (let position = 0; position + 61 <= bytes.length; ) {
    const sizeBytes = 12 + bytes.readInt32BE(position + 8)
    if (sizeBytes === 12 || position + sizeBytes > bytes.length) break
    const batch = bytes.subarray(position, position + sizeBytes)
    const producerId = batch.readBigInt64BE(43)
    const baseOffset = Number(batch.readBigInt64BE(0))
    const lastOffsetDelta = batch.readInt32BE(23)
    const parsed: GoldenBatch = {
      segmentBaseOffset,
      position,
      baseOffset,
      lastOffset: baseOffset + lastOffsetDelta,
      lastOffsetDelta,
      sizeBytes,
      leaderEpoch: batch.readInt32BE(12),
      crc: batch.readUInt32BE(17),
      attributes: batch.readInt16BE(21),
      baseTimestamp: Number(batch.readBigInt64BE(27)),
      maxTimestamp: Number(batch.readBigInt64BE(35)),
      producerId: producerId === noProducerId ? noProducerId : producerId,
      producerEpoch: batch.readInt16BE(51),
      baseSequence: batch.readInt32BE(53),
      recordCount: batch.readInt32BE(57),
    }
    if ((parsed.attributes & 0x20) !== 0 && parsed.recordCount > 0) parsed.marker = parseMarker(batch)
    batches.push(parsed)
    position += sizeBytes
  }
  return batches
}

/** The one record of a marker: length, attributes, timestamp delta, offset delta, key, value. */
function parseMarker(batch: Buffer): TransactionMarker {
  let at = 61
  const skipVarint = () => {
    while (batch[at]! >= 0x80) at += 1
    at += 1
  }
  skipVarint() // record length
  at += 1 // attributes
  skipVarint() // timestamp delta
  skipVarint() // offset delta
  skipVarint() // key length: 4
  const type = batch.readInt16BE(at + 2) === 1 ? 'commit' : 'abort'
  at += 4
  skipVarint() // value length: 6
  return { type, coordinatorEpoch: batch.readInt32BE(at + 2) }
}
