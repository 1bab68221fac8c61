import type { BatchBuilder } from '../record/batch-builder.ts'
import type { LogSettings } from '../settings/log-settings.ts'

/** How far an append got before it was acknowledged. */
export type Durability = LogSettings['durability']

/** Which log takes a batch, and on what terms. */
export interface ProduceRequest {
  readonly topic: string
  readonly partition: number
  /** What the call asked for, else what the producer was made with; undefined leaves it to topic and store. */
  readonly durability: Durability | undefined
  /** Append only if the log ends here: compare and append. */
  readonly expectedOffset: number | undefined
}

/** Where a batch ended up. */
export interface ProducedBatch {
  /** Of the first record; for a batch that was there already the one that it got the first time. */
  readonly baseOffset: number
  /** Inclusive. */
  readonly lastOffset: number
  /** The time that the log gave all records (`LogAppendTime`), or -1 where they keep their own. */
  readonly appendTimestamp: number
  /** What was reached, which may be more than was asked. */
  readonly durability: Durability
}

/** What a producer has to know of a topic before it can send there. */
export interface ProduceTopic {
  readonly partitionCount: number
  /** `max.message.bytes`: records of several calls never share a batch that is larger. */
  readonly maxBatchBytes: number
}

/** Whose batches they are, so that the log knows one that it has already. */
export interface ProducerIdentity {
  readonly producerId: bigint
  readonly producerEpoch: number
}

/**
 * Where a producer's batches go. Nothing in it knows whether the log is in this process: an embedded target answers at
 * once where it can, a remote one with a promise. An answer that is not a promise costs no turn of the microtask queue,
 * so it is worth giving.
 *
 * What the target answers is final: the producer sends no batch twice. A target that can lose an answer (a network)
 * sends the same bytes again itself, with the same sequence, in the order in which it got them; the log then answers
 * with the offsets of the first time. A batch with an expected offset has no sequence: sent twice it would be refused
 * because of itself, so when its answer is lost the target says that the outcome is not known.
 */
export interface ProduceTarget {
  /**
   * The most batches of one partition that may be under way, at least 1. A remote target says 5: a log remembers so
   * many of a producer's last batches. One that stores at once and only waits for the disk may say thousands: what is
   * under way is bounded by `bufferBytes` too.
   */
  readonly inFlightMax: number
  /**
   * Asked at each `send`, so that a topic that grew is seen: a target that has to look it up elsewhere keeps it.
   * @throws VARVE_UNKNOWN_TOPIC, VARVE_CLOSED.
   */
  describeTopic(topic: string): ProduceTopic | Promise<ProduceTopic>
  /**
   * Appends the batch, all of it or nothing. Batches of one partition come in order and are appended in order, also
   * when earlier ones have not been answered. The builder is finished but for the CRC, which `build` or a log fills in;
   * its memory is used again once this has answered, and not before.
   * @throws VARVE_OFFSET_MISMATCH, VARVE_UNKNOWN_TOPIC, VARVE_RECORD_TOO_LARGE and others: by throwing what is known at
   * once, so that no batch behind it is sent for nothing.
   */
  produce(request: ProduceRequest, batch: BatchBuilder): ProducedBatch | Promise<ProducedBatch>
  /** An identity that no other producer has. */
  newProducerId(): ProducerIdentity | Promise<ProducerIdentity>
}
