/** What goes into a batch. */

/** Text becomes UTF-8; null is kept apart from empty. */
export type RecordData = string | Uint8Array | null

/** Names may repeat and are kept in order. */
export type RecordHeaders =
  | readonly (readonly [name: string, value: RecordData])[]
  | { readonly [name: string]: RecordData }

export interface RecordInput {
  readonly key?: RecordData | undefined
  /** null is a tombstone to compaction. */
  readonly value: RecordData
  readonly headers?: RecordHeaders | undefined
  /** Milliseconds since 1970. Without it the record gets the batch's time, see `BatchBuilderOptions.now`. */
  readonly timestamp?: number | undefined
}

/** CRC-32C (Castagnoli) of bytes as an unsigned 32-bit number. */
export type Crc32c = (bytes: Uint8Array) => number

/** The idempotence key of a batch. */
export interface ProducerFields {
  readonly producerId: bigint
  readonly producerEpoch: number
  /** Sequence number of the first record; the others follow it modulo 2^31. -1 in transaction markers. */
  readonly baseSequence: number
  /** The records are part of the producer's transaction. Default false. */
  readonly transactional?: boolean | undefined
}
