/**
 * The header fields of a record batch that this folder's machines look at.
 *
 * A structural interface: whoever parses headers (record/, a row of a recovery scan) fills an object of this shape.
 * Appends reuse one object for every batch, so machines copy what they keep.
 */
import { readInt64 } from '../base/int64.ts'
import {
  Attribute,
  HeaderField,
  lengthOverhead,
  noProducerId,
  noSequence,
  noTimestamp,
} from '../record/batch-header.ts'

export interface BatchFields {
  /** Offset of the first record. Before an append it is what the producer wrote, and means nothing. */
  baseOffset: number
  /** Offset of the last record minus `baseOffset`; compaction keeps it. */
  lastOffsetDelta: number
  /** Bytes of the whole batch, the 12 bytes before the leader epoch included. */
  sizeBytes: number
  leaderEpoch: number
  attributes: number
  /** Timestamp of the first record (of a compacted batch: its delete horizon, see `Attribute`). */
  baseTimestamp: number
  /** Largest record timestamp, or the time of the append; -1 when no record has one. */
  maxTimestamp: number
  /** `noProducerId` when the batch comes from no idempotent producer. */
  producerId: bigint
  producerEpoch: number
  /** -1 for none. Kafka's group coordinator writes 0 without a producer id: never insist on -1 there. */
  baseSequence: number
  recordCount: number
}

export { noProducerId } from '../record/batch-header.ts'

export const noProducerEpoch = -1
export const noCoordinatorEpoch = -1

export function makeBatchFields(): BatchFields {
  return {
    baseOffset: 0,
    lastOffsetDelta: 0,
    sizeBytes: 0,
    leaderEpoch: 0,
    attributes: 0,
    baseTimestamp: noTimestamp,
    maxTimestamp: noTimestamp,
    producerId: noProducerId,
    producerEpoch: noProducerEpoch,
    baseSequence: noSequence,
    recordCount: 0,
  }
}

/**
 * Fills `fields` from the header at `position`, whose 61 bytes must be there. Validates nothing: a 64-bit number past
 * the safe integers becomes NaN, which `planAppend` refuses. Allocates only for a batch with a producer.
 */
export function readBatchFields(view: DataView, position: number, fields: BatchFields): void {
  fields.baseOffset = readInt64(view, position + HeaderField.baseOffset)
  fields.sizeBytes = view.getInt32(position + HeaderField.length) + lengthOverhead
  fields.leaderEpoch = view.getInt32(position + HeaderField.leaderEpoch)
  fields.attributes = view.getInt16(position + HeaderField.attributes)
  fields.lastOffsetDelta = view.getInt32(position + HeaderField.lastOffsetDelta)
  fields.baseTimestamp = readInt64(view, position + HeaderField.baseTimestamp)
  fields.maxTimestamp = readInt64(view, position + HeaderField.maxTimestamp)
  const idPosition = position + HeaderField.producerId
  fields.producerId =
    view.getInt32(idPosition) === -1 && view.getInt32(idPosition + 4) === -1
      ? noProducerId
      : view.getBigInt64(idPosition)
  fields.producerEpoch = view.getInt16(position + HeaderField.producerEpoch)
  fields.baseSequence = view.getInt32(position + HeaderField.baseSequence)
  fields.recordCount = view.getInt32(position + HeaderField.recordCount)
}

/** The producer id of a scan row, which has it as two unsigned halves. */
export function producerIdOf(high: number, low: number): bigint {
  if (high === 0xffff_ffff && low === 0xffff_ffff) return noProducerId
  return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low))
}

/** Sequences count records modulo 2^31. */
export const sequenceMax = 0x7fff_ffff

/** Sequence of the record `delta` places after the one with `sequence`. */
export function sequenceAfter(sequence: number, delta: number): number {
  return (sequence + delta) % (sequenceMax + 1)
}

/** Sequence of the record `delta` places before the one with `sequence`. */
export function sequenceBefore(sequence: number, delta: number): number {
  return sequence >= delta ? sequence - delta : sequence - delta + sequenceMax + 1
}

export function isControlBatch(batch: BatchFields): boolean {
  return (batch.attributes & Attribute.control) !== 0
}

export function isTransactionalBatch(batch: BatchFields): boolean {
  return (batch.attributes & Attribute.transactional) !== 0
}
