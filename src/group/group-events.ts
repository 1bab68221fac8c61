/**
 * What a group machine is told, and what it answers: the requests of Kafka's classic group protocol without their
 * encoding, so that the same machine serves callers in this process and, later, sockets.
 */
import type { ErrorCode } from '../errors.ts'

/** Kafka's names, as DescribeGroups and ListGroups show them. */
export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'

/** Longest group id, client id, instance id and protocol name, in UTF-16 units: three bytes each still fit a string of the log. */
export const groupTextMax = 10_000

/** A record of `__consumer_offsets`, encoded; a null value is a tombstone. */
export interface GroupLogRecord {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
}

/** Names a request until it is answered; each request has exactly one answer. Chosen by the driver, never used twice. */
export type RequestToken = number

export interface MemberProtocol {
  readonly name: string
  /** Opaque to the group: a subscription, in groups of type `consumer`. */
  readonly metadata: Uint8Array
}

/** Who speaks. */
interface Identity {
  /** Empty: not known yet, or a commit without membership. */
  readonly memberId: string
  /** Of a static member (KIP-345); null for a dynamic one. */
  readonly groupInstanceId: string | null
}

export interface JoinRequest extends Identity {
  readonly clientId: string
  readonly clientHost: string
  /** `consumer`, `connect` or anything. */
  readonly protocolType: string
  /** In the member's order of preference. */
  readonly protocols: readonly MemberProtocol[]
  readonly sessionTimeoutMs: number
  /** How long the group waits for this member in a rebalance. Before JoinGroup 1: the session timeout. */
  readonly rebalanceTimeoutMs: number
  /** JoinGroup 4 and later: a first join is answered VARVE_MEMBER_ID_REQUIRED with an id, so that retries make no ghosts. */
  readonly memberIdRequired: boolean
  /** JoinGroup 9 and later: a leader that comes back as a static member understands that it need not assign anew. */
  readonly skipAssignmentSupported: boolean
}

export interface JoinResult {
  readonly memberId: string
  readonly generation: number
  readonly protocolType: string
  readonly protocol: string
  /** Member id. */
  readonly leader: string
  /** The leader keeps the assignment that is there. */
  readonly skipAssignment: boolean
  /** For the leader alone; empty for others. By rising member id. */
  readonly members: readonly { memberId: string; groupInstanceId: string | null; metadata: Uint8Array }[]
}

export interface SyncRequest extends Identity {
  readonly generation: number
  /** Null before SyncGroup 5. */
  readonly protocolType: string | null
  readonly protocol: string | null
  /** From the leader; empty from others. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[]
}

export interface SyncResult {
  readonly protocolType: string
  readonly protocol: string
  readonly assignment: Uint8Array
}

export interface HeartbeatRequest extends Identity {
  readonly generation: number
}

export interface LeaveRequest {
  /** One before LeaveGroup 3. A static member may be named by its instance id alone. */
  readonly members: readonly Identity[]
}

export interface LeaveResult {
  readonly members: readonly (Identity & { readonly error: ErrorCode | null })[]
}

export interface GroupDescription {
  readonly groupId: string
  readonly state: GroupState
  /** Empty in a group that only stores offsets. */
  readonly protocolType: string
  /** Null unless the group is stable. */
  readonly protocol: string | null
  readonly generation: number
  /** By rising member id. Metadata and assignment are empty unless the group is stable. */
  readonly members: readonly (Identity & {
    readonly clientId: string
    readonly clientHost: string
    readonly metadata: Uint8Array
    readonly assignment: Uint8Array
  })[]
}

/** An offset that is to be deleted. */
export interface OffsetDeletion {
  readonly topic: string
  readonly partition: number
  /** Its tombstone; null when nothing was committed there. */
  readonly record: GroupLogRecord | null
}

export type OffsetDeletionResult = readonly {
  readonly topic: string
  readonly partition: number
  readonly error: ErrorCode | null
}[]

export type GroupRequest =
  /** `uuid` is random, and unique: member ids are made with it. */
  | ({ readonly type: 'join'; readonly token: RequestToken; readonly uuid: string } & JoinRequest)
  | ({ readonly type: 'sync'; readonly token: RequestToken } & SyncRequest)
  | ({ readonly type: 'heartbeat'; readonly token: RequestToken } & HeartbeatRequest)
  | ({ readonly type: 'leave'; readonly token: RequestToken } & LeaveRequest)
  /** `records` are persisted when the member may commit. */
  | ({
      readonly type: 'commit'
      readonly token: RequestToken
      readonly generation: number
      readonly records: readonly GroupLogRecord[]
    } & Identity)
  /** `offsetRecords` are the tombstones of all offsets that the group has committed. */
  | { readonly type: 'delete'; readonly token: RequestToken; readonly offsetRecords: readonly GroupLogRecord[] }
  | { readonly type: 'delete-offsets'; readonly token: RequestToken; readonly partitions: readonly OffsetDeletion[] }

export type GroupEvent = (
  | GroupRequest
  /** `records` are the tombstones of offsets past their retention; `remaining` counts those that stay. */
  | { readonly type: 'expire'; readonly records: readonly GroupLogRecord[]; readonly remaining: number }
  /** An armed timer is due. */
  | { readonly type: 'timer'; readonly timer: string }
  | { readonly type: 'persisted'; readonly write: number }
  | { readonly type: 'persist-failed'; readonly write: number }
) & {
  /** Wall time in ms: stamps records, and judges nothing. */
  readonly wallMs: number
}

export type GroupResult = JoinResult | SyncResult | LeaveResult | OffsetDeletionResult | null

export type GroupEffect =
  /**
   * Append these, in the order of the effects; then tell by `persisted` or `persist-failed`, in the same order. No other
   * effect of the step waits for it: what depends on the write follows from the event.
   */
  | { readonly type: 'persist'; readonly write: number; readonly records: readonly GroupLogRecord[] }
  | { readonly type: 'reply'; readonly token: RequestToken; readonly result: GroupResult }
  | {
      readonly type: 'refuse'
      readonly token: RequestToken
      readonly error: ErrorCode
      /** With VARVE_MEMBER_ID_REQUIRED. */
      readonly memberId?: string
    }
  /** In place of a timer of the same name. Monotonic ms. */
  | { readonly type: 'arm'; readonly timer: string; readonly dueMs: number }
  | { readonly type: 'cancel'; readonly timer: string }
