import type { ConsumedBatch, ConsumedRecord } from './consumed-batch.ts'

/** A batch as a member of a group gets it: it can be committed. */
export class GroupBatch implements Iterable<ConsumedRecord> {
  readonly #batch: ConsumedBatch
  readonly #commit: (offset: number, leaderEpoch: number) => Promise<void>

  constructor(batch: ConsumedBatch, commit: (offset: number, leaderEpoch: number) => Promise<void>) {
    this.#batch = batch
    this.#commit = commit
  }

  get topic(): string {
    return this.#batch.topic
  }

  get partition(): number {
    return this.#batch.partition
  }

  /** Offset of the first record. */
  get baseOffset(): number {
    return this.#batch.baseOffset
  }

  /** Where the partition goes on: what a commit of this batch commits. */
  get nextOffset(): number {
    return this.#batch.nextOffset
  }

  /** Term of the leader that wrote it. */
  get leaderEpoch(): number {
    return this.#batch.leaderEpoch
  }

  /** Exclusive end of what could be read when this was fetched. */
  get highWatermark(): number {
    return this.#batch.highWatermark
  }

  /** Records in the batch. */
  get length(): number {
    return this.#batch.length
  }

  [Symbol.iterator](): IterableIterator<ConsumedRecord> {
    return this.#batch[Symbol.iterator]()
  }

  /**
   * Commits this batch now: the group goes on behind it, whoever gets the partition. Resolves when that is as durable as
   * `__consumer_offsets` has it.
   * @throws VARVE_ILLEGAL_GENERATION, VARVE_UNKNOWN_MEMBER_ID, VARVE_FENCED_INSTANCE_ID, VARVE_REBALANCE_IN_PROGRESS:
   * the partition went, or is about to go, to another member.
   */
  commit(): Promise<void> {
    return this.#commit(this.nextOffset, this.leaderEpoch)
  }
}
