/**
 * The 61 bytes in front of every record batch v2: where each field stands and what makes a header valid.
 * The byte table with the meaning of each field is in README.md beside this file.
 */
import { readInt64 } from '../base/int64.ts'

/** Byte positions within a batch. All fields are big-endian. */
export const HeaderField = {
  baseOffset: 0,
  length: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
  records: 61,
} as const

export const headerBytes = HeaderField.records
/** The length field counts the bytes after itself; before those stand this many. */
export const lengthOverhead = HeaderField.leaderEpoch
/** The CRC covers everything from here to the end of the batch. */
export const crcStart = HeaderField.attributes
export const currentMagic = 2
/** Kafka's fetch and log code hold a batch's size in a signed 32-bit integer. */
export const batchBytesMax = 0x7fff_ffff

/** Bits of the attributes field. The bits not named here are zero in what we write and ignored in what we read. */
export const Attribute = {
  codecMask: 0x07,
  appendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  deleteHorizon: 0x40,
} as const

/** No producer id, epoch or sequence. */
export const noSequence = -1
/** One constant, so that reading the header of a batch without a producer allocates no bigint. */
export const noProducerId = -1n
export const noTimestamp = -1

/** Size of the batch that starts at `position`, or 0 where its length field is zero: nothing was published there. */
export function readBatchBytes(view: DataView, position: number): number {
  const length = view.getInt32(position + HeaderField.length)
  return length === 0 ? 0 : length + lengthOverhead
}

/**
 * Checks a header against itself and against the bytes that are there.
 *
 * The CRC is not looked at, nor are the records. Costs about ten reads and no allocation.
 *
 * @param end Position after the last byte that may belong to the batch.
 * @returns What is wrong, or undefined.
 */
export function headerFault(view: DataView, position: number, end: number): string | undefined {
  const available = end - position
  if (available < headerBytes) return `truncated: ${available} bytes left, a batch header takes ${headerBytes}`
  const magic = view.getInt8(position + HeaderField.magic)
  if (magic !== currentMagic) return `magic is ${magic}, not ${currentMagic}`
  const length = view.getInt32(position + HeaderField.length)
  if (length < headerBytes - lengthOverhead) return `length ${length} is below a header's`
  const size = length + lengthOverhead
  if (size > available) return `truncated: the batch takes ${size} bytes, ${available} are left`
  const baseOffset = readInt64(view, position + HeaderField.baseOffset)
  if (!(baseOffset >= 0)) return 'base offset is negative or not a safe integer'
  const lastOffsetDelta = view.getInt32(position + HeaderField.lastOffsetDelta)
  if (lastOffsetDelta < 0) return `last offset delta ${lastOffsetDelta} is negative`
  if (!Number.isSafeInteger(baseOffset + lastOffsetDelta + 1)) return 'last offset is not a safe integer'
  const recordCount = view.getInt32(position + HeaderField.recordCount)
  if (recordCount < 0) return `record count ${recordCount} is negative`
  if (recordCount > lastOffsetDelta + 1) return `${recordCount} records do not fit ${lastOffsetDelta + 1} offsets`
  const attributes = view.getInt16(position + HeaderField.attributes)
  const codec = attributes & Attribute.codecMask
  if (codec > 4) return `compression ${codec} is not known`
  const recordBytes = size - headerBytes
  if (codec === 0 && recordCount * recordBytesMin > recordBytes) {
    return `${recordCount} records do not fit ${recordBytes} bytes`
  }
  if (Number.isNaN(readInt64(view, position + HeaderField.baseTimestamp))) return 'base timestamp is not a safe integer'
  if (Number.isNaN(readInt64(view, position + HeaderField.maxTimestamp))) return 'max timestamp is not a safe integer'
  return undefined
}

/** The smallest record: seven fields of one byte each, null key, null value, no headers. */
export const recordBytesMin = 7
