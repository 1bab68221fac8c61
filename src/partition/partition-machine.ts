/**
 * What a partition's leader decides: who may append, how far consumers may read, and who counts as in sync. Pure.
 *
 * One replica is the common case and costs one comparison an append. Followers, in the vocabulary of Kafka's ISR
 * protocol, are events and effects of the same machine; who drives them is replication's affair.
 */
import { check } from '../base/check.ts'

/** A replica on another broker, as its leader sees it. */
interface Follower {
  /** The offset that it asked for last: it has everything below. */
  logEndOffset: number
  /** When it last had all that the log held when it asked, by the monotonic clock. */
  caughtUpAtMs: number
  /** The log end when it asked last. */
  leaderEndAtFetch: number
  /** When it asked last. */
  fetchedAtMs: number
}

export type PartitionEvent =
  /** This broker leads from now on. `inSyncReplicas` and `replicas` hold its own id too. */
  | {
      readonly type: 'lead'
      readonly leaderEpoch: number
      readonly partitionEpoch: number
      readonly replicas: readonly number[]
      readonly inSyncReplicas: readonly number[]
      readonly logStartOffset: number
      readonly logEndOffset: number
      /** What is known of it: the last leader's, at most. */
      readonly highWatermark: number
    }
  /** Another broker leads, or nobody does. */
  | { readonly type: 'resign'; readonly leaderEpoch: number }
  /** The leader's own log grew, or was cut. */
  | { readonly type: 'appended'; readonly logEndOffset: number }
  | { readonly type: 'log-start'; readonly logStartOffset: number }
  /** A follower asks for what is at `offset`. */
  | { readonly type: 'follower-fetch'; readonly replica: number; readonly offset: number }
  /** Time passed: who lags too long leaves the in-sync replicas. */
  | { readonly type: 'tick' }
  /** The controller's answer to `alter-isr`. */
  | {
      readonly type: 'isr-altered'
      readonly inSyncReplicas: readonly number[]
      readonly partitionEpoch: number
    }

export type PartitionEffect =
  | { readonly type: 'high-watermark'; readonly offset: number }
  /** Ask the controller; until it answers both sets count: the larger one for the high watermark. */
  | {
      readonly type: 'alter-isr'
      readonly inSyncReplicas: readonly number[]
      readonly leaderEpoch: number
      readonly partitionEpoch: number
    }

export interface PartitionLimits {
  /** `replica.lag.time.max.ms` */
  readonly replicaLagMaxMs: number
}

/** Why a request is refused before anything of the log is looked at. */
export type FenceFault = 'not-leader' | 'fenced-epoch' | 'unknown-epoch'

const none: readonly PartitionEffect[] = []

/**
 * The leader's side of one partition.
 *
 * Invariants: logStartOffset <= highWatermark <= logEndOffset; the high watermark never falls within one term; it is at
 * most the log end of every in-sync replica.
 */
export class PartitionMachine {
  readonly #self: number
  readonly #limits: PartitionLimits
  #leading = false
  #leaderEpoch = -1
  #partitionEpoch = -1
  #replicas: readonly number[] = []
  #inSync: readonly number[] = []
  /** Asked of the controller, not answered yet. */
  #asked: readonly number[] | null = null
  readonly #followers = new Map<number, Follower>()
  #logEndOffset = 0
  #highWatermark = 0

  /** @param self Id of this broker. */
  constructor(self: number, limits: PartitionLimits) {
    this.#self = self
    this.#limits = limits
  }

  get leading(): boolean {
    return this.#leading
  }

  get leaderEpoch(): number {
    return this.#leaderEpoch
  }

  /** First offset not known to be on all in-sync replicas: consumers read below it. */
  get highWatermark(): number {
    return this.#highWatermark
  }

  /** By rising id. */
  get inSyncReplicas(): readonly number[] {
    return this.#inSync
  }

  /**
   * Whether a request may be served here.
   * @param epoch The leader's epoch that the caller knows; -1 when it does not tell.
   */
  fence(epoch: number): FenceFault | undefined {
    if (!this.#leading) return 'not-leader'
    if (epoch === -1 || epoch === this.#leaderEpoch) return undefined
    return epoch < this.#leaderEpoch ? 'fenced-epoch' : 'unknown-epoch'
  }

  step(event: PartitionEvent, nowMs: number): readonly PartitionEffect[] {
    switch (event.type) {
      case 'appended': {
        this.#logEndOffset = event.logEndOffset
        // A cut below the high watermark happens in a new term, or where nobody else has the records.
        if (this.#highWatermark > event.logEndOffset) this.#highWatermark = event.logEndOffset
        return this.#advance()
      }
      case 'lead':
        return this.#lead(event, nowMs)
      case 'resign':
        check(event.leaderEpoch >= this.#leaderEpoch, 'leader epochs rise')
        this.#leading = false
        this.#leaderEpoch = event.leaderEpoch
        this.#asked = null
        this.#followers.clear()
        return none
      case 'log-start':
        if (this.#highWatermark < event.logStartOffset) this.#highWatermark = event.logStartOffset
        return none
      case 'follower-fetch':
        return this.#followerFetch(event, nowMs)
      case 'tick':
        return this.#shrink(nowMs)
      case 'isr-altered':
        return this.#altered(event)
    }
  }

  #lead(event: Extract<PartitionEvent, { type: 'lead' }>, nowMs: number): readonly PartitionEffect[] {
    check(event.leaderEpoch >= this.#leaderEpoch, 'leader epochs rise')
    check(event.inSyncReplicas.includes(this.#self), 'a leader is in sync with itself')
    this.#leading = true
    this.#leaderEpoch = event.leaderEpoch
    this.#partitionEpoch = event.partitionEpoch
    this.#replicas = rising(event.replicas)
    this.#inSync = rising(event.inSyncReplicas)
    this.#asked = null
    this.#logEndOffset = event.logEndOffset
    this.#highWatermark = Math.min(Math.max(event.highWatermark, event.logStartOffset), event.logEndOffset)
    this.#followers.clear()
    for (const replica of this.#replicas) {
      if (replica === this.#self) continue
      // Nothing is known of it, but it gets its time to catch up before it is judged.
      this.#followers.set(replica, {
        logEndOffset: -1,
        caughtUpAtMs: nowMs,
        leaderEndAtFetch: event.logEndOffset,
        fetchedAtMs: nowMs,
      })
    }
    return this.#advance()
  }

  #followerFetch(
    { replica, offset }: Extract<PartitionEvent, { type: 'follower-fetch' }>,
    nowMs: number,
  ): readonly PartitionEffect[] {
    const follower = this.#followers.get(replica)
    if (!this.#leading || follower === undefined) return none
    if (offset >= this.#logEndOffset) follower.caughtUpAtMs = nowMs
    // It has now what the log held when it asked before, so it was caught up as of then.
    else if (offset >= follower.leaderEndAtFetch)
      follower.caughtUpAtMs = Math.max(follower.caughtUpAtMs, follower.fetchedAtMs)
    follower.logEndOffset = offset
    follower.leaderEndAtFetch = this.#logEndOffset
    follower.fetchedAtMs = nowMs
    const effects = this.#advance()
    if (this.#inSync.includes(replica) || this.#asked !== null || offset < this.#highWatermark) return effects
    // As with Kafka, who has all up to the high watermark is in sync again.
    return [...effects, this.#ask([...this.#inSync, replica])]
  }

  #shrink(nowMs: number): readonly PartitionEffect[] {
    if (!this.#leading || this.#asked !== null) return none
    const left = this.#inSync.filter((replica) => {
      const follower = this.#followers.get(replica)
      if (follower === undefined || follower.logEndOffset === this.#logEndOffset) return true
      return nowMs - follower.caughtUpAtMs <= this.#limits.replicaLagMaxMs
    })
    return left.length === this.#inSync.length ? none : [this.#ask(left)]
  }

  #ask(inSyncReplicas: readonly number[]): PartitionEffect {
    this.#asked = rising(inSyncReplicas)
    return {
      type: 'alter-isr',
      inSyncReplicas: this.#asked,
      leaderEpoch: this.#leaderEpoch,
      partitionEpoch: this.#partitionEpoch,
    }
  }

  #altered(event: Extract<PartitionEvent, { type: 'isr-altered' }>): readonly PartitionEffect[] {
    if (!this.#leading || event.partitionEpoch <= this.#partitionEpoch) return none
    this.#partitionEpoch = event.partitionEpoch
    this.#inSync = rising(event.inSyncReplicas)
    this.#asked = null
    return this.#advance()
  }

  #advance(): readonly PartitionEffect[] {
    if (!this.#leading) return none
    let lowest = this.#logEndOffset
    if (this.#followers.size > 0) {
      // A replica that is asked in counts already, one that is asked out counts still: the controller may have decided.
      const counted = this.#asked === null ? this.#inSync : new Set([...this.#inSync, ...this.#asked])
      for (const replica of counted) {
        const follower = this.#followers.get(replica)
        if (follower !== undefined && follower.logEndOffset < lowest) lowest = follower.logEndOffset
      }
    }
    if (lowest <= this.#highWatermark) return none
    this.#highWatermark = lowest
    return [{ type: 'high-watermark', offset: lowest }]
  }
}

const rising = (ids: readonly number[]): readonly number[] => [...new Set(ids)].sort((a, b) => a - b)
