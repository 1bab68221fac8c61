/**
 * The header fields of a record batch that this folder's machines look at.
 *
 * A structural interface: whoever parses headers (record/, a row of a recovery scan) fills an object of this shape.
 * Appends reuse one object for every batch, so machines copy what they keep.
 */
export interface BatchFields {
  /** Offset of the first record. Before an append it is what the producer wrote, and means nothing. */
  baseOffset: number
  /** Offset of the last record minus `baseOffset`; compaction keeps it. */
  lastOffsetDelta: number
  /** Bytes of the whole batch, the 12 bytes before the leader epoch included. */
  sizeBytes: number
  leaderEpoch: number
  attributes: number
  /** Timestamp of the first record (of a compacted batch: see `attributeDeleteHorizon`). */
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

/** One constant, so that the parser of a header allocates no bigint for a batch without a producer. */
export const noProducerId = -1n
export const noProducerEpoch = -1
export const noSequence = -1
export const noCoordinatorEpoch = -1
export const noTimestamp = -1

/** Attribute bits 0-2: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd. */
export const attributeCodecMask = 0x07
export const attributeAppendTime = 0x08
export const attributeTransactional = 0x10
export const attributeControl = 0x20
/** Set by compaction only: the base timestamp is then a delete horizon in ms. */
export const attributeDeleteHorizon = 0x40
export const attributeUnusedMask = ~0x7f
export const codecMax = 4

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
  return (batch.attributes & attributeControl) !== 0
}

export function isTransactionalBatch(batch: BatchFields): boolean {
  return (batch.attributes & attributeTransactional) !== 0
}
