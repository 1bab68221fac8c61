/** What a member machine is told, and what it wants done: one consumer's side of a classic group. */
import type { ErrorCode } from '../errors.ts'
import type { Assignor, TopicPartition } from '../group/assignors/assignor.ts'
import type { JoinRequest, JoinResult, SyncRequest } from '../group/group-events.ts'

/** Names a request; answers to one that is no longer waited for change nothing. */
export type RequestNumber = number

export interface MemberOptions {
  readonly topics: readonly string[]
  /** Of a static member; null for a dynamic one. */
  readonly groupInstanceId: string | null
  /** In the order of preference, at least one. Cooperative when all are; else members give all up before they join. */
  readonly assignors: readonly Assignor[]
  /** How long the group keeps a member that it does not hear of. */
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  /** Longest time between two `polled`, and how long the group waits for this member in a rebalance. */
  readonly maxPollIntervalMs: number
  /** Before a join is tried again after an error that time may mend. */
  readonly retryBackoffMs: number
}

export type MemberEvent =
  /** Joins the group. Once. */
  | { readonly type: 'start' }
  /** In place of the topics that there were. */
  | { readonly type: 'subscribe'; readonly topics: readonly string[] }
  /** The consumer asked for records: it is alive. */
  | { readonly type: 'polled' }
  | { readonly type: 'joined'; readonly request: RequestNumber; readonly result: JoinResult }
  | { readonly type: 'synced'; readonly request: RequestNumber; readonly assignment: Uint8Array }
  | { readonly type: 'alive'; readonly request: RequestNumber }
  /** Any request. One that got no answer in time: VARVE_TIMED_OUT. `memberId` comes with VARVE_MEMBER_ID_REQUIRED. */
  | {
      readonly type: 'refused'
      readonly request: RequestNumber
      readonly error: ErrorCode
      readonly memberId?: string
    }
  /** A commit that was made as of `generation`. */
  | { readonly type: 'commit-refused'; readonly generation: number; readonly error: ErrorCode }
  /** Answers `count-partitions`; may come unasked when a topic has grown. */
  | { readonly type: 'partition-counts'; readonly counts: ReadonlyMap<string, number> }
  /** The oldest `deliver` that was open is done. */
  | { readonly type: 'delivered' }
  | { readonly type: 'timer'; readonly timer: MemberTimer }
  /** Gives everything up and leaves the group. */
  | { readonly type: 'leave' }

export type MemberTimer = 'heartbeat' | 'retry' | 'poll' | 'unfinished'

export type MemberEffect =
  | ({ readonly type: 'join'; readonly request: RequestNumber } & Pick<
      JoinRequest,
      'memberId' | 'groupInstanceId' | 'protocolType' | 'protocols' | 'sessionTimeoutMs' | 'rebalanceTimeoutMs'
    >)
  | ({ readonly type: 'sync'; readonly request: RequestNumber } & SyncRequest)
  | {
      readonly type: 'heartbeat'
      readonly request: RequestNumber
      readonly memberId: string
      readonly groupInstanceId: string | null
      readonly generation: number
    }
  /** Nobody waits for the answer. */
  | { readonly type: 'leave'; readonly memberId: string; readonly groupInstanceId: string | null }
  | { readonly type: 'count-partitions'; readonly topics: readonly string[] }
  /**
   * Tell the consumer what it has got, what it has to give up (it may still commit), or what it has lost (another may
   * read it already: nothing can be committed). One after the other, each answered by `delivered`.
   */
  | {
      readonly type: 'deliver'
      readonly what: 'assigned' | 'revoked' | 'lost'
      readonly partitions: readonly TopicPartition[]
    }
  /** In place of a timer of the same name. Monotonic ms. */
  | { readonly type: 'arm'; readonly timer: MemberTimer; readonly dueMs: number }
  | { readonly type: 'cancel'; readonly timer: MemberTimer }
  /** The member is out for good: by `leave` (null), or for an error that joining again would not mend. */
  | { readonly type: 'ended'; readonly error: ErrorCode | null }
