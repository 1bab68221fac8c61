import type { Clock, Timer } from '../env/clock.ts'
import { type ErrorCode, VarveError } from '../errors.ts'
import type { AppendOrigin } from '../log/append-plan.ts'
import type { Appendable } from '../log/batch-input.ts'
import type { BatchRun } from '../log/batch-run.ts'
import type { Durability, Log, ReadRequest } from '../log/log.ts'
import type { AppendResult } from '../log/log-appender.ts'
import type { TimestampedOffset } from '../log/timestamp-lookup.ts'
import { type FenceFault, PartitionMachine } from './partition-machine.ts'

export interface PartitionParts {
  readonly topic: string
  readonly topicId: string
  readonly index: number
  /** Id of this broker. */
  readonly self: number
  readonly clock: Clock
  /** The leader's term that the metadata knows. */
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly replicas: readonly number[]
  readonly inSyncReplicas: readonly number[]
  readonly replicaLagMaxMs: number
}

export interface PartitionAppend {
  /** Append only if the log ends here: compare and append. */
  readonly expectedOffset?: number | undefined
  /** The leader's term that the caller knows; whoever knows another one is refused. */
  readonly leaderEpoch?: number | undefined
  readonly origin?: AppendOrigin | undefined
}

export interface PartitionRead extends ReadRequest {
  /** The leader's term that the caller knows; whoever knows another one is refused. */
  readonly leaderEpoch?: number
}

/**
 * A partition on the broker that leads it: one log, and the decisions of `partition-machine.ts` before and after it.
 *
 * Owned by the engine, on the thread that owns the log. It holds no log of its own making: the engine opens logs when
 * they are first needed and closes them.
 */
export class Partition {
  readonly topic: string
  /** New for each creation of the topic. */
  readonly topicId: string
  readonly index: number
  readonly log: Log
  readonly #clock: Clock
  readonly #machine: PartitionMachine
  /** Made when somebody first watches. Bounded by the number of consumers and waiting fetches. */
  #watchers: Set<() => void> | null = null
  #wakeScheduled = false

  constructor(parts: PartitionParts, log: Log) {
    const { topic, topicId, index, self, clock, replicaLagMaxMs } = parts
    this.topic = topic
    this.topicId = topicId
    this.index = index
    this.log = log
    this.#clock = clock
    this.#machine = new PartitionMachine(self, { replicaLagMaxMs })
    this.#machine.step(
      {
        type: 'lead',
        leaderEpoch: log.leaderEpoch,
        partitionEpoch: parts.partitionEpoch,
        replicas: parts.replicas,
        inSyncReplicas: parts.inSyncReplicas,
        logStartOffset: log.logStartOffset,
        logEndOffset: log.logEndOffset,
        highWatermark: log.logEndOffset,
      },
      clock.monotonicMs(),
    )
  }

  get leaderEpoch(): number {
    return this.#machine.leaderEpoch
  }

  get logStartOffset(): number {
    return this.log.logStartOffset
  }

  get logEndOffset(): number {
    return this.log.logEndOffset
  }

  /** Exclusive: consumers read below it. */
  get highWatermark(): number {
    return this.#machine.highWatermark
  }

  /** Exclusive: readers of committed records read below it. At most the high watermark. */
  get lastStableOffset(): number {
    return Math.min(this.log.lastStableOffset, this.#machine.highWatermark)
  }

  /**
   * Appends batches at the log end: all of them, in order, or none.
   * @returns The offsets; for a producer's retry those that it got the first time. In the page cache on return:
   * `log.reach` waits for more.
   * @throws VARVE_OFFSET_MISMATCH, VARVE_NOT_LEADER, VARVE_FENCED_LEADER_EPOCH, VARVE_UNKNOWN_LEADER_EPOCH, and what
   * `Log.append` throws. Nothing was appended then.
   */
  append(batch: Appendable, request: PartitionAppend = {}): AppendResult {
    const { expectedOffset, leaderEpoch = -1, origin } = request
    this.#fence(leaderEpoch)
    const { log } = this
    if (expectedOffset !== undefined && expectedOffset !== log.logEndOffset) throw this.#mismatch(expectedOffset)
    const result = log.append(batch, origin)
    this.#moved()
    return result
  }

  /** Brings what was appended below `endOffset` to a durability; see `Log.reach`. */
  reach(endOffset: number, durability?: Durability): Durability | Promise<Durability> {
    return this.log.reach(endOffset, durability)
  }

  /**
   * Reads whole batches from the one that holds `offset` on, up to the high watermark or, for committed records, the
   * last stable offset; none where nothing is readable yet.
   * @throws As `Log.read`, and as `append` for a leader epoch that does not fit.
   */
  read(offset: number, request: PartitionRead = {}): BatchRun {
    const { leaderEpoch = -1, ...rest } = request
    this.#fence(leaderEpoch)
    return this.log.read(offset, rest)
  }

  /**
   * Calls `wake` after each burst of appends, and when the log was cut or closed, until it is cancelled. It keeps no
   * process alive.
   */
  watch(wake: () => void): Timer {
    this.#watchers ??= new Set()
    const watchers = this.#watchers
    // Of its own, so that one function may watch twice.
    const watcher = (): void => wake()
    watchers.add(watcher)
    return { cancel: () => void watchers.delete(watcher) }
  }

  /** See `Log.offsetForTimestamp`. */
  offsetForTimestamp(timestamp: number): TimestampedOffset | null {
    return this.log.offsetForTimestamp(timestamp)
  }

  /** See `Log.deleteBefore`. -1 stands for the high watermark. */
  deleteBefore(offset: number): number {
    const logStartOffset = this.log.deleteBefore(offset === -1 ? this.highWatermark : offset)
    this.#machine.step({ type: 'log-start', logStartOffset }, this.#clock.monotonicMs())
    return logStartOffset
  }

  /** Closes the log; whoever watches is told. */
  async close(): Promise<void> {
    try {
      await this.log.close()
    } finally {
      this.#wake()
    }
  }

  #moved(): void {
    this.#machine.step({ type: 'appended', logEndOffset: this.log.logEndOffset }, 0)
    if (this.#watchers === null || this.#watchers.size === 0 || this.#wakeScheduled) return
    this.#wakeScheduled = true
    this.#clock.soon(() => {
      this.#wakeScheduled = false
      this.#wake()
    })
  }

  #wake(): void {
    for (const watcher of [...(this.#watchers ?? [])]) watcher()
  }

  #fence(leaderEpoch: number): void {
    const fault = this.#machine.fence(leaderEpoch)
    if (fault === undefined) return
    const [code, what] = fenceFaults[fault]
    throw new VarveError(code, `${this.topic}-${this.index}: ${what}. Ask for the metadata again.`, {
      details: { topic: this.topic, partition: this.index, leaderEpoch, currentLeaderEpoch: this.leaderEpoch },
    })
  }

  #mismatch(expectedOffset: number): VarveError {
    const { topic, index, logEndOffset } = this
    return new VarveError(
      'VARVE_OFFSET_MISMATCH',
      `Nothing was appended to ${topic}-${index}: it ends at ${logEndOffset}, not at the expected ${expectedOffset}. ` +
        'Somebody else appended meanwhile: read what is new, and decide again.',
      { details: { topic, partition: index, expectedOffset, logEndOffset } },
    )
  }
}

const fenceFaults: Record<FenceFault, readonly [ErrorCode, string]> = {
  'not-leader': ['VARVE_NOT_LEADER', 'this broker does not lead it'],
  'fenced-epoch': ['VARVE_FENCED_LEADER_EPOCH', 'the leader epoch that was named is over'],
  'unknown-epoch': ['VARVE_UNKNOWN_LEADER_EPOCH', 'the leader epoch that was named has not begun here'],
}
