import type { Clock, Timer } from '../env/clock.ts'
import { VarveError } from '../errors.ts'
import type { TopicPartition } from '../group/assignors/assignor.ts'
import { type OffsetToCommit, requireCommitted } from '../group/committed-offsets.ts'
import type { ConsumedRecord } from './consumed-batch.ts'
import { type ConsumerOptions, type ConsumerSettings, consumerSettings } from './consumer-options.ts'
import type { FetchSource, Position } from './fetch-source.ts'
import { GroupBatch } from './group-batch.ts'
import type { GroupClient } from './group-client.ts'
import { type Delivery, Membership } from './membership.ts'
import { nextBatch } from './next-batch.ts'
import { PositionMachine } from './position-machine.ts'

export interface ConsumerParts {
  readonly source: FetchSource
  readonly clock: Clock
  /** The coordinator; asked for when the loop begins, since what groups have committed is read then. */
  readonly client: () => Promise<GroupClient>
  /** All topics that a pattern may take in. */
  readonly topicNames: () => readonly string[]
  /** Called once when the consumer has left its group. */
  readonly onClosed: () => void
}

/** How often a consumer looks for topics that match its pattern, and for partitions that were added. */
const topicCheckMs = 1000
/** Before a join is tried again; as Kafka's `retry.backoff.ms`. */
const retryBackoffMs = 100

/** How far a consumer is behind in a partition. */
export interface ConsumerLag extends Position {
  /** Exclusive. */
  readonly highWatermark: number
  /** Records that it has not been given yet. */
  readonly lag: number
}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`

/**
 * A member of a consumer group: `for await (const batch of consumer)` yields the records of the partitions that are its
 * share, at least once.
 *
 * Only asking for the next batch, or `batch.commit()`, commits a batch. Leaving the loop by `break` or `throw`, the
 * signal and `close()` never commit the one in hand (JavaScript cannot tell a break from a throw): it comes again, to
 * whoever gets the partition. What was finished is committed, and the group is left.
 *
 * Partitions are handed over between two batches; a batch that is being worked on keeps its partition for up to
 * `maxPollIntervalMs`. A consumer may be iterated once. While its loop waits the process stays alive.
 */
export class Consumer implements AsyncIterable<GroupBatch> {
  readonly #parts: ConsumerParts
  readonly #options: ConsumerOptions
  readonly #settings: ConsumerSettings
  readonly #positions = new PositionMachine()
  readonly #membership: Membership
  /** What is finished and not committed yet, by partition. */
  readonly #finished = new Map<string, OffsetToCommit>()
  #commitTimer: Timer | null = null
  /** One commit after the other. */
  #committing: Promise<void> = Promise.resolve()
  #topicTimer: Timer | null = null
  #watch: { cancel(): void } | null = null
  #begun = false
  #closing: Promise<void> | null = null
  /** What ends the loop: a commit or a look at the topics that failed. */
  #failure: unknown
  #wake: () => void = () => {}

  /** @throws VARVE_INVALID_ARGUMENT naming the option. */
  constructor(parts: ConsumerParts, options: ConsumerOptions) {
    this.#parts = parts
    this.#options = options
    this.#settings = consumerSettings(options)
    const { group, groupInstanceId, clientId, assignors, sessionTimeoutMs } = this.#settings
    const { heartbeatIntervalMs, maxPollIntervalMs } = this.#settings
    this.#membership = new Membership({
      group,
      client: parts.client,
      clock: parts.clock,
      clientId,
      options: {
        topics: this.#topics(),
        groupInstanceId,
        assignors,
        sessionTimeoutMs,
        heartbeatIntervalMs,
        maxPollIntervalMs,
        retryBackoffMs,
      },
      countPartitions: (topics) => this.#countPartitions(topics),
      wake: () => this.#wake(),
    })
  }

  get group(): string {
    return this.#settings.group
  }

  /** The partitions that are this member's now. */
  assignment(): readonly TopicPartition[] {
    return this.#positions.positions().map(({ topic, partition }) => ({ topic, partition }))
  }

  /** Where it stands in each of them: the offset of the next record that it is given. */
  positions(): Position[] {
    return this.#positions.positions()
  }

  /** How far it is behind in each of them. */
  async lag(): Promise<ConsumerLag[]> {
    return Promise.all(
      this.positions().map(async (position) => {
        const { highWatermark } = await this.#parts.source.bounds(position.topic, position.partition)
        return { ...position, highWatermark, lag: Math.max(0, highWatermark - position.offset) }
      }),
    )
  }

  /** Goes on at another offset; commits nothing. @throws VARVE_INVALID_ARGUMENT for a partition that is not assigned. */
  seek(topic: string, partition: number, offset: number): void {
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new VarveError('VARVE_INVALID_ARGUMENT', `An offset is an integer from 0 on, not ${String(offset)}.`, {
        details: { argument: 'offset' },
      })
    }
    this.#positions.seek(topic, partition, offset)
    this.#wake()
  }

  /** Gives no more records of a partition until `resume`; it stays this member's. */
  pause(topic: string, partition: number): void {
    this.#positions.pause(topic, partition, true)
  }

  resume(topic: string, partition: number): void {
    this.#positions.pause(topic, partition, false)
    this.#wake()
  }

  /**
   * Commits what is finished: every batch after which another one was asked for.
   * @throws what the coordinator refuses it with, such as VARVE_ILLEGAL_GENERATION after partitions went to another.
   */
  async commit(): Promise<void> {
    await this.#commitFinished(() => true)
  }

  /**
   * Yields batch by batch, each of one partition, in offset order within it.
   * @throws VARVE_UNKNOWN_TOPIC, VARVE_CORRUPT, what a callback throws, what a commit was refused with for good,
   * VARVE_FENCED_INSTANCE_ID and others that put the member out, and the signal's reason.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<GroupBatch, void> {
    if (this.#begun) throw new VarveError('VARVE_INVALID_ARGUMENT', 'A consumer is iterated once: make another one.')
    this.#begun = true
    const { maxBytes, isolation, views } = this.#settings
    const { signal } = this.#options
    try {
      signal?.throwIfAborted()
      await this.#checkTopics()
      this.#membership.start()
      this.#watchTopics()
      while (this.#closing === null) {
        signal?.throwIfAborted()
        if (this.#failure !== undefined) throw this.#failure
        this.#membership.polled()
        await this.#deliverAll()
        const failure = this.#membership.failure()
        if (failure !== undefined) throw failure
        const batch = await nextBatch(this.#parts.source, this.#positions, { maxBytes, isolation, views }).catch(
          (failure: unknown) => this.#passByDeleted(failure),
        )
        if (batch === undefined) {
          await this.#wait()
          continue
        }
        yield new GroupBatch(batch, (offset, leaderEpoch) => {
          return this.#commitNow([{ ...placeOf(batch), offset, leaderEpoch, metadata: '' }])
        })
        // Reached only when the next batch is asked for.
        this.#finish({ ...placeOf(batch), offset: batch.nextOffset, leaderEpoch: batch.leaderEpoch, metadata: '' })
      }
    } finally {
      await this.#leave()
    }
  }

  /** The same, record by record: the batch of a record is finished when the first record of the next one is asked for. */
  async *records(): AsyncGenerator<ConsumedRecord, void> {
    for await (const batch of this) yield* batch
  }

  /** Ends the loop, commits what is finished (not the batch in hand), and leaves the group. Idempotent. */
  close(): Promise<void> {
    return this.#leave()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // ---- partitions come and go

  async #deliverAll(): Promise<void> {
    for (let next = this.#membership.nextDelivery(); next !== undefined; next = this.#membership.nextDelivery()) {
      try {
        await this.#deliver(next)
      } finally {
        // Also when a callback throws: the group waits for this member, which is about to leave.
        this.#membership.delivered()
      }
    }
  }

  async #deliver({ what, partitions }: Delivery): Promise<void> {
    const { onAssigned, onRevoked, onLost } = this.#options
    if (what === 'assigned') {
      await this.#assign(partitions)
      this.#watchPartitions()
      await onAssigned?.(partitions)
      return
    }
    const gone = new Set(partitions.map(keyOf))
    // Nobody else has them before this is acknowledged: what is finished is still this member's to commit.
    if (what === 'revoked') await this.#commitFinished((key) => gone.has(key)).catch(() => {})
    for (const key of gone) this.#finished.delete(key)
    for (const { topic, partition } of partitions) this.#positions.revoke(topic, partition)
    this.#watchPartitions()
    await (what === 'revoked' ? onRevoked : onLost)?.(partitions)
  }

  async #assign(partitions: readonly TopicPartition[]): Promise<void> {
    const { group, from, isolation } = this.#settings
    const { source } = this.#parts
    const client = await this.#parts.client()
    const committed = new Map(
      (await client.fetchOffsets(group, partitions)).map((offset) => [keyOf(offset), offset.offset]),
    )
    for (const { topic, partition } of partitions) {
      const { logStartOffset, highWatermark, lastStableOffset } = await source.bounds(topic, partition)
      const end = isolation === 'read_committed' ? lastStableOffset : highWatermark
      const known = committed.get(keyOf({ topic, partition }))
      const start = known ?? (from === 'earliest' ? logStartOffset : end)
      // What retention took is gone; what a power cut took comes under the same offsets again, to be read once more.
      this.#positions.assign(topic, partition, Math.min(Math.max(start, logStartOffset), highWatermark))
    }
  }

  #watchPartitions(): void {
    this.#watch?.cancel()
    this.#watch = this.#parts.source.watch(this.#positions.positions(), () => {
      this.#positions.wake()
      this.#wake()
    })
  }

  // ---- topics come and grow

  #topics(): readonly string[] {
    const { topics } = this.#settings
    if (!(topics instanceof RegExp)) return topics
    // A pattern with a state of its own would answer differently each time.
    const pattern = new RegExp(topics.source, topics.flags.replace(/[gy]/g, ''))
    return this.#parts.topicNames().filter((name) => pattern.test(name))
  }

  /** Names that were given must be there when the loop begins; a pattern may match nothing yet. */
  async #checkTopics(): Promise<void> {
    if (this.#settings.topics instanceof RegExp) return
    for (const topic of this.#topics()) await this.#parts.source.partitionCount(topic)
  }

  async #countPartitions(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>()
    for (const topic of topics) {
      try {
        counts.set(topic, await this.#parts.source.partitionCount(topic))
      } catch (failure) {
        // Deleted meanwhile: it has no partitions to be shared out.
        if (!(failure instanceof VarveError) || failure.code !== 'VARVE_UNKNOWN_TOPIC') throw failure
      }
    }
    return counts
  }

  /** A topic that was deleted is no partition of anybody's: the next rebalance knows, and until then it is passed by. */
  #passByDeleted(failure: unknown): undefined {
    if (!(failure instanceof VarveError) || failure.code !== 'VARVE_UNKNOWN_TOPIC') throw failure
    const gone = this.#positions.positions().filter(({ topic }) => topic === failure.details.topic)
    if (gone.length === 0) throw failure
    for (const { topic, partition } of gone) {
      this.#positions.revoke(topic, partition)
      this.#finished.delete(keyOf({ topic, partition }))
    }
  }

  #watchTopics(): void {
    let known = this.#topics().join()
    const look = async (): Promise<void> => {
      const topics = this.#topics()
      if (topics.join() !== known) {
        known = topics.join()
        this.#membership.subscribe(topics)
      }
      this.#membership.partitionsChanged(await this.#countPartitions(topics))
    }
    this.#topicTimer = this.#parts.clock.after(topicCheckMs, () => {
      if (this.#closing !== null) return
      look().then(
        () => this.#watchTopics(),
        (failure: unknown) => this.#fail(failure),
      )
    })
  }

  // ---- commits

  #finish(offset: OffsetToCommit): void {
    const key = keyOf(offset)
    // Closed with the batch in hand, which is not committed then.
    if (this.#closing !== null || !this.#settings.autoCommit) return
    // It went to another member meanwhile: that one starts where the last commit was.
    if (!this.#positions.isAssigned(offset.topic, offset.partition)) return
    this.#finished.set(key, offset)
    this.#commitTimer ??= this.#parts.clock.after(this.#settings.autoCommitIntervalMs, () => {
      this.#commitTimer = null
      this.#commitFinished(() => true).catch((failure: unknown) => {
        if (!(failure instanceof VarveError) || !failure.retriable) this.#fail(failure)
      })
    })
  }

  /** Commits what is finished of the partitions that are wanted. What could not be is kept, for the next attempt. */
  async #commitFinished(wanted: (key: string) => boolean): Promise<void> {
    const offsets = [...this.#finished].filter(([key]) => wanted(key))
    if (offsets.length === 0) return
    for (const [key] of offsets) this.#finished.delete(key)
    try {
      await this.#commitNow(offsets.map(([, offset]) => offset))
    } catch (failure) {
      for (const [key, offset] of offsets) if (!this.#finished.has(key)) this.#finished.set(key, offset)
      throw failure
    }
  }

  #commitNow(offsets: readonly OffsetToCommit[]): Promise<void> {
    const { group } = this.#settings
    const { committer } = this.#membership
    const run = async (): Promise<void> => {
      if (committer === null) {
        throw new VarveError(
          'VARVE_REBALANCE_IN_PROGRESS',
          `Group "${group}" is sharing its partitions out anew: what was not committed comes again.`,
          { details: { group } },
        )
      }
      const client = await this.#parts.client()
      requireCommitted(group, await client.commit(group, { ...committer, offsets }))
    }
    const commit = this.#committing.then(run)
    this.#committing = commit.catch((failure: unknown) => {
      if (failure instanceof VarveError && committer !== null) {
        this.#membership.commitRefused(committer.generation, failure.code)
      }
    })
    return commit
  }

  // ---- the end

  #leave(): Promise<void> {
    this.#closing ??= this.#end().finally(() => this.#parts.onClosed())
    return this.#closing
  }

  async #end(): Promise<void> {
    this.#wake()
    this.#topicTimer?.cancel()
    this.#commitTimer?.cancel()
    this.#watch?.cancel()
    if (!this.#begun) return
    let failure: unknown
    try {
      await this.#commitFinished(() => true)
    } catch (cause) {
      // Partitions that went to another member are that one's to commit.
      if (!(cause instanceof VarveError) || !lostCodes.has(cause.code)) failure = cause
    }
    this.#finished.clear()
    this.#membership.leave()
    while (this.#membership.nextDelivery() !== undefined) {
      await this.#deliverAll().catch((cause: unknown) => {
        failure ??= cause
      })
    }
    this.#watch?.cancel()
    await this.#membership.left()
    if (failure !== undefined) throw failure
  }

  #fail(failure: unknown): void {
    this.#failure ??= failure
    this.#wake()
  }

  /** Until something may be there. */
  #wait(): Promise<void> {
    const isDue = this.#closing !== null || this.#failure !== undefined || this.#positions.next() !== undefined
    if (isDue || this.#membership.nextDelivery() !== undefined || this.#membership.failure() !== undefined) {
      return Promise.resolve()
    }
    const { signal } = this.#options
    if (signal?.aborted) return Promise.resolve()
    const { clock } = this.#parts
    return new Promise((resolve) => {
      const hold = clock.hold()
      // Who waits is alive: the loop says so each time it goes round.
      const round = clock.after(Math.max(1, this.#settings.maxPollIntervalMs / 3), () => wake())
      const wake = (): void => {
        this.#wake = () => {}
        hold.cancel()
        round.cancel()
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      this.#wake = wake
      // The loop looks at the signal.
      signal?.addEventListener('abort', wake, { once: true })
    })
  }
}

/** Refusals that say that another member has the partitions. */
const lostCodes: ReadonlySet<string> = new Set([
  'VARVE_ILLEGAL_GENERATION',
  'VARVE_UNKNOWN_MEMBER_ID',
  'VARVE_FENCED_INSTANCE_ID',
  'VARVE_REBALANCE_IN_PROGRESS',
])

const placeOf = ({ topic, partition }: TopicPartition): TopicPartition => ({ topic, partition })
