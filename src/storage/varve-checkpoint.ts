/**
 * `varve-checkpoint`: varve's own record of what is flushed, and the authority over Kafka's text checkpoints, which
 * have no checksum.
 *
 * The file is two slots of equal capacity, written in turn: a write that is torn leaves the other slot whole, and the
 * valid slot with the higher generation counts. A capacity is a multiple of 4096 bytes, so that no sector and no page
 * belongs to both. A checkpoint that outgrows its slot replaces the file by one with larger slots (write, flush,
 * rename), which is also how the first one is made.
 *
 * A slot, big-endian:
 *
 * | Position | Bytes | Field |
 * |---|---|---|
 * | 0 | 8 | magic: "varve" 0x0d 0x0a 0x01 |
 * | 8 | 2 | format version, 1 |
 * | 10 | 2 | reserved, 0 |
 * | 12 | 4 | CRC-32C of bytes 0 to 11. These 16 bytes are the same in every version, so that a newer version can be told from damage |
 * | 16 | 4 | capacity of a slot |
 * | 20 | 4 | bytes of payload |
 * | 24 | 8 | generation, from 1 on |
 * | 32 | 4 | CRC-32C of bytes 16 to 31, then the payload |
 * | 36 | | payload |
 *
 * The payload: a 16-bit count of Kafka's files, each a name (16-bit length, UTF-8) and the 32-bit CRC-32C of the bytes
 * that we wrote; a 32-bit count of logs, each a name and the fields of `LogCheckpoint` in its order, offsets, positions
 * and timestamps as 64 bits, counts and CRCs as 32.
 *
 * Pure: the caller reads the whole file, and writes what `planCheckpointWrite` says. What lies in a slot behind its
 * payload is left from before and means nothing.
 */
import { crc32c } from '../base/crc32c.ts'
import { readInt64, writeInt64 } from '../base/int64.ts'
import { VarveError } from '../errors.ts'

export const varveCheckpointName = 'varve-checkpoint'
export const varveCheckpointVersion = 1

/** What is known to be on disk of one log. Everything below the recovery point may be trusted without a look. */
export interface LogCheckpoint {
  /** Folder name of the partition, or '' for a log that is alone in its folder. Unique. */
  name: string
  /** First offset not known to be flushed. */
  recoveryPoint: number
  /** Base offset of the segment that holds the recovery point. */
  segmentBaseOffset: number
  /** Where the recovery point is in that segment's `.log`. */
  segmentPosition: number
  /** Lowest offset that may be read. */
  logStartOffset: number
  /** Exclusive; at most the recovery point counts after a crash. */
  highWatermark: number
  /** Largest timestamp of that segment below the recovery point, -1 for none; the time index may lag behind it. */
  maxTimestamp: number
  /** Last offset of the first batch that had it; -1 for none. */
  maxTimestampOffset: number
  /** Flushed entries of that segment's `.index`; what lies behind them is not trusted. */
  indexEntries: number
  /** CRC-32C of these entries. */
  indexCrc: number
  /** Flushed entries of that segment's `.timeindex`. */
  timeIndexEntries: number
  timeIndexCrc: number
  /** CRC-32C of the folder's `partition.metadata`, which tells topics of one name apart; 0 where there is none. */
  topicCrc: number
}

/** One of Kafka's text files as we wrote it: another CRC on opening says that Kafka has written since, or damage. */
export interface KafkaFileChecksum {
  name: string
  crc: number
}

export interface Checkpoint {
  kafkaFiles: readonly KafkaFileChecksum[]
  logs: readonly LogCheckpoint[]
}

/** Where the file stands: what `planCheckpointWrite` needs to know of the last write or read. */
export interface CheckpointFile {
  generation: number
  /** Of the slot that holds `generation`. */
  slot: 0 | 1
  capacityBytes: number
}

export interface CheckpointRead {
  checkpoint: Checkpoint
  file: CheckpointFile
  /** The other slot is damaged: a write was torn, or the disk decays. */
  otherDamaged: boolean
}

/** The caller writes `bytes` at `position` and flushes (`in-place`), or replaces the file by them; then `file` holds. */
export interface CheckpointWrite {
  kind: 'in-place' | 'replace'
  position: number
  bytes: Uint8Array
  file: CheckpointFile
}

/**
 * A checkpoint that tells an offset and nothing of the segment that holds it: recovery then checks that whole segment.
 * What Kafka's files say, and what holds while a segment is being exchanged.
 */
export function untrustedFrom(name: string, recoveryPoint: number, logStartOffset: number): LogCheckpoint {
  return {
    name,
    recoveryPoint,
    segmentBaseOffset: -1,
    segmentPosition: 0,
    logStartOffset,
    highWatermark: recoveryPoint,
    maxTimestamp: -1,
    maxTimestampOffset: -1,
    indexEntries: 0,
    indexCrc: 0,
    timeIndexEntries: 0,
    timeIndexCrc: 0,
    topicCrc: 0,
  }
}

/** Whether a checkpoint speaks of the topic that a folder belongs to now, and not of an earlier one of that name. */
export function isOfTopic(checkpoint: LogCheckpoint, topicCrc: number): boolean {
  return checkpoint.topicCrc === 0 || topicCrc === 0 || checkpoint.topicCrc === topicCrc
}

const magic = Uint8Array.of(0x76, 0x61, 0x72, 0x76, 0x65, 0x0d, 0x0a, 0x01)
const prefixBytes = 16
const headerBytes = 36
const slotUnitBytes = 4096
/** 100,000 logs with the longest names take 38 MB; a larger claim is damage, and reserves nothing. */
export const slotCapacityMax = 64 * 1024 * 1024
const logFixedBytes = 7 * 8 + 5 * 4

/**
 * The newest checkpoint in a file's bytes.
 *
 * Throws `VARVE_FORMAT_TOO_NEW`, with both versions, when a slot was written by a newer varve, and `VARVE_CORRUPT` when
 * no slot is whole: then the caller goes by Kafka's files, or by nothing, and checks more of each log.
 */
export function readCheckpoint(bytes: Uint8Array): CheckpointRead {
  // Where the second slot begins stands in the first; if that is damaged, the file's half says it.
  const first = readSlot(bytes, 0)
  const middle = first?.capacityBytes ?? Math.floor(bytes.length / 2)
  const second = readSlot(bytes, middle)
  const newest = first === undefined || (second !== undefined && second.generation > first.generation) ? second : first
  if (newest === undefined)
    throw new VarveError('VARVE_CORRUPT', `No slot of a ${varveCheckpointName} of ${bytes.length} bytes is whole.`)
  const { checkpoint, generation, capacityBytes } = newest
  const slot = newest === first ? 0 : 1
  return {
    checkpoint,
    file: { generation, slot, capacityBytes },
    otherDamaged: slot === 0 ? second === undefined && !isUnused(bytes, middle) : first === undefined,
  }
}

/** A slot of a new file is all zero until it is first written. */
function isUnused(file: Uint8Array, position: number): boolean {
  const header = file.subarray(position, position + headerBytes)
  return header.length === headerBytes && header.every((byte) => byte === 0)
}

/** What to write for the next checkpoint. @param file Of the last read or write; undefined when there is no usable file. */
export function planCheckpointWrite(checkpoint: Checkpoint, file: CheckpointFile | undefined): CheckpointWrite {
  const payload = encodePayload(checkpoint)
  const neededBytes = headerBytes + payload.length
  const generation = (file?.generation ?? 0) + 1
  if (file !== undefined && neededBytes <= file.capacityBytes) {
    const slot = file.slot === 0 ? 1 : 0
    const { capacityBytes } = file
    return {
      kind: 'in-place',
      position: slot * capacityBytes,
      bytes: encodeSlot(payload, generation, capacityBytes),
      file: { generation, slot, capacityBytes },
    }
  }
  const capacityBytes = capacityFor(neededBytes)
  const bytes = new Uint8Array(2 * capacityBytes)
  bytes.set(encodeSlot(payload, generation, capacityBytes))
  return { kind: 'replace', position: 0, bytes, file: { generation, slot: 0, capacityBytes } }
}

/** Twice the need, rounded up to a power of two, so that a growing store replaces the file seldom. */
function capacityFor(neededBytes: number): number {
  let capacityBytes = slotUnitBytes
  while (capacityBytes < 2 * neededBytes && capacityBytes < slotCapacityMax) capacityBytes *= 2
  if (neededBytes > capacityBytes)
    throw new VarveError('VARVE_UNSUPPORTED', `A checkpoint of ${neededBytes} bytes is larger than ${slotCapacityMax}.`)
  return capacityBytes
}

function encodeSlot(payload: Uint8Array, generation: number, capacityBytes: number): Uint8Array {
  const bytes = new Uint8Array(headerBytes + payload.length)
  const view = new DataView(bytes.buffer)
  bytes.set(magic)
  view.setUint16(8, varveCheckpointVersion)
  view.setUint32(12, crc32c(bytes.subarray(0, 12)))
  view.setUint32(16, capacityBytes)
  view.setUint32(20, payload.length)
  writeInt64(view, 24, generation)
  view.setUint32(32, crc32c(payload, crc32c(bytes.subarray(16, 32))))
  bytes.set(payload, headerBytes)
  return bytes
}

interface Slot {
  checkpoint: Checkpoint
  generation: number
  capacityBytes: number
}

/** Undefined for a slot that was never written or is damaged; a newer version throws. */
function readSlot(file: Uint8Array, position: number): Slot | undefined {
  const bytes = file.subarray(position)
  if (bytes.length < prefixBytes) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!magic.every((byte, i) => bytes[i] === byte)) return undefined
  if (view.getUint32(12) !== crc32c(bytes.subarray(0, 12))) return undefined
  const version = view.getUint16(8)
  if (version > varveCheckpointVersion)
    throw new VarveError(
      'VARVE_FORMAT_TOO_NEW',
      `The ${varveCheckpointName} has format version ${version}; this varve knows up to ${varveCheckpointVersion}. Open the folder with a newer varve.`,
      { details: { version, knownVersion: varveCheckpointVersion } },
    )
  if (version !== varveCheckpointVersion || bytes.length < headerBytes) return undefined
  const capacityBytes = view.getUint32(16)
  const payloadBytes = view.getUint32(20)
  if (capacityBytes > slotCapacityMax || payloadBytes > Math.min(capacityBytes, bytes.length) - headerBytes)
    return undefined
  const payload = bytes.subarray(headerBytes, headerBytes + payloadBytes)
  if (view.getUint32(32) !== crc32c(payload, crc32c(bytes.subarray(16, 32)))) return undefined
  // The second slot begins where the capacity says, or it is not that of this file.
  if (position !== 0 && position !== capacityBytes) return undefined
  const generation = readInt64(view, 24)
  const checkpoint = decodePayload(payload)
  if (checkpoint === undefined || !(generation > 0)) return undefined
  return { checkpoint, generation, capacityBytes }
}

function encodePayload({ kafkaFiles, logs }: Checkpoint): Uint8Array {
  const encoder = new TextEncoder()
  const fileNames = kafkaFiles.map(({ name }) => encoder.encode(name))
  const logNames = logs.map(({ name }) => encoder.encode(name))
  let size = 2 + 4
  for (const name of fileNames) size += 2 + name.length + 4
  for (const name of logNames) size += 2 + name.length + logFixedBytes
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  let at = 0
  const put16 = (value: number) => {
    view.setUint16(at, value)
    at += 2
  }
  const put32 = (value: number) => {
    view.setUint32(at, value)
    at += 4
  }
  const put64 = (value: number) => {
    writeInt64(view, at, value)
    at += 8
  }
  const putName = (name: Uint8Array) => {
    put16(name.length)
    bytes.set(name, at)
    at += name.length
  }
  put16(kafkaFiles.length)
  kafkaFiles.forEach((file, i) => {
    putName(fileNames[i]!)
    put32(file.crc)
  })
  put32(logs.length)
  logs.forEach((log, i) => {
    putName(logNames[i]!)
    put64(log.recoveryPoint)
    put64(log.segmentBaseOffset)
    put64(log.segmentPosition)
    put64(log.logStartOffset)
    put64(log.highWatermark)
    put64(log.maxTimestamp)
    put64(log.maxTimestampOffset)
    put32(log.indexEntries)
    put32(log.indexCrc)
    put32(log.timeIndexEntries)
    put32(log.timeIndexCrc)
    put32(log.topicCrc)
  })
  return bytes
}

/** Undefined when the bytes are no payload: their checksum was right, so only a bug or an attacker wrote them. */
function decodePayload(bytes: Uint8Array): Checkpoint | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let at = 0
  const take16 = () => {
    at += 2
    return view.getUint16(at - 2)
  }
  const take32 = () => {
    at += 4
    return view.getUint32(at - 4)
  }
  const take64 = () => {
    at += 8
    const value = readInt64(view, at - 8)
    if (!(value >= -1)) throw new RangeError('a number is out of bounds')
    return value
  }
  const takeName = () => {
    const length = take16()
    if (length > bytes.length - at) throw new RangeError('a name is cut')
    at += length
    return decoder.decode(bytes.subarray(at - length, at))
  }
  try {
    // A claimed count reserves nothing: reading past the end throws.
    const kafkaFiles: KafkaFileChecksum[] = []
    for (let left = take16(); left > 0; left -= 1) kafkaFiles.push({ name: takeName(), crc: take32() })
    const logs: LogCheckpoint[] = []
    for (let left = take32(); left > 0; left -= 1) {
      logs.push({
        name: takeName(),
        recoveryPoint: take64(),
        segmentBaseOffset: take64(),
        segmentPosition: take64(),
        logStartOffset: take64(),
        highWatermark: take64(),
        maxTimestamp: take64(),
        maxTimestampOffset: take64(),
        indexEntries: take32(),
        indexCrc: take32(),
        timeIndexEntries: take32(),
        timeIndexCrc: take32(),
        topicCrc: take32(),
      })
    }
    return at === bytes.length ? { kafkaFiles, logs } : undefined
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return undefined
    throw error
  }
}
