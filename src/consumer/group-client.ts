import type { CommitOutcome } from '../group/committed-offsets.ts'
import type { CommitRequest, FetchedOffset } from '../group/group-coordinator.ts'
import type {
  HeartbeatRequest,
  JoinRequest,
  JoinResult,
  LeaveRequest,
  LeaveResult,
  SyncRequest,
  SyncResult,
} from '../group/group-events.ts'

/** The coordinator of groups, in this process or behind a network. Errors are `VarveError`s; `retriable` ones may pass. */
export interface GroupClient {
  join(groupId: string, request: JoinRequest): Promise<JoinResult>
  sync(groupId: string, request: SyncRequest): Promise<SyncResult>
  heartbeat(groupId: string, request: HeartbeatRequest): Promise<void>
  leave(groupId: string, request: LeaveRequest): Promise<LeaveResult>
  commit(groupId: string, request: CommitRequest): Promise<readonly CommitOutcome[]>
  fetchOffsets(
    groupId: string,
    partitions: readonly { readonly topic: string; readonly partition: number }[],
  ): Promise<readonly FetchedOffset[]>
}
