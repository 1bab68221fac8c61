import type { Clock, Timer } from '../env/clock.ts'
import { type Logger, silentLogger } from '../env/logger.ts'
import { type ErrorCode, errorKinds, VarveError } from '../errors.ts'
import type { groupMetadataValue } from '../protocol/group-log/group-metadata.ts'
import { groupRecords } from '../protocol/group-log/group-records.ts'
import type { MessageValue } from '../protocol/schema/message.ts'
import { defaultGroupSettings, type GroupSettings } from '../settings/group-settings.ts'
import { type CommitOutcome, type CommittedOffset, CommittedOffsets, type OffsetToCommit } from './committed-offsets.ts'
import type {
  GroupDescription,
  GroupEffect,
  GroupEvent,
  GroupLogRecord,
  GroupRequest,
  GroupResult,
  GroupState,
  HeartbeatRequest,
  JoinRequest,
  JoinResult,
  LeaveRequest,
  LeaveResult,
  OffsetDeletionResult,
  RequestToken,
  SyncRequest,
  SyncResult,
} from './group-events.ts'
import { GroupMachine } from './group-machine.ts'

/** Where the coordinator keeps what must outlive it: `__consumer_offsets`, or what stands for it. */
export interface GroupLog {
  /**
   * Appends records behind all that were appended before; resolves when they are as durable as they are to be. The
   * records of one call go in together or not at all.
   */
  append(records: readonly GroupLogRecord[]): Promise<void>
}

export interface GroupCoordinatorOptions {
  readonly clock: Clock
  readonly log: GroupLog
  /** A random text that no other call gives: part of member ids. */
  readonly randomId: () => string
  /** As `parseGroupSettings` gives them. Default: its defaults. */
  readonly settings?: GroupSettings
  readonly logger?: Logger
}

export interface CommitRequest {
  /** Empty, with generation -1, for a commit into a group without members. */
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly generation: number
  readonly offsets: readonly OffsetToCommit[]
  /** OffsetCommit 2 to 4: how long these offsets are to be kept, ms; -1, the default, for the coordinator's setting. */
  readonly retentionMs?: number
}

export interface FetchedOffset extends CommittedOffset {
  readonly topic: string
  readonly partition: number
}

export interface GroupListing {
  readonly groupId: string
  readonly protocolType: string
  readonly state: GroupState
}

interface Group {
  readonly machine: GroupMachine
  readonly timers: Map<string, Timer>
  /** Why the last write failed. */
  writeFailure: unknown
}

interface Waiting {
  readonly groupId: string
  readonly resolve: (result: GroupResult) => void
  readonly reject: (error: VarveError) => void
}

/**
 * The groups of one store: carries requests to their machines and the machines' effects out into the world.
 *
 * Lifecycle: `replay` every record of the log in its order, `start`, requests, `close`. Owner: the store. Everything
 * runs on one thread; a group's requests are decided in the order in which they come. Decides nothing itself: that is
 * what `GroupMachine` and `CommittedOffsets` do. A group that nothing is known of has no machine.
 *
 * Errors of every call: VARVE_CLOSED; VARVE_COORDINATOR_NOT_AVAILABLE (the log refused a write, see `cause`, or the group
 * is being deleted: try again); what the machine refuses with. All have Kafka's number in `kafkaCode`.
 */
export class GroupCoordinator {
  readonly #clock: Clock
  readonly #log: GroupLog
  readonly #randomId: () => string
  readonly #settings: GroupSettings
  readonly #logger: Logger
  readonly #groups = new Map<string, Group>()
  readonly #offsets = new CommittedOffsets()
  /** Last GroupMetadata of each group, while the log is replayed. */
  readonly #replayed = new Map<string, MessageValue<typeof groupMetadataValue>>()
  /** Bounded by the members of groups: each has one join and one sync that wait, and others are answered at once. */
  readonly #waiting = new Map<RequestToken, Waiting>()
  #nextToken = 1
  /** Settles once every write that was begun is known to be in the log, or not, and the machines have been told. */
  #written: Promise<void> = Promise.resolve()
  #expiry: Timer | null = null
  #closed = false

  constructor({
    clock,
    log,
    randomId,
    settings = defaultGroupSettings,
    logger = silentLogger,
  }: GroupCoordinatorOptions) {
    this.#clock = clock
    this.#log = log
    this.#randomId = randomId
    this.#settings = settings
    this.#logger = logger
  }

  /** Takes in a record of the log. One that cannot be read is reported and passed by: it is about one key alone. */
  replay(key: Uint8Array | null, value: Uint8Array | null): void {
    try {
      const record = groupRecords.decode(key, value)
      if (record === undefined) return
      this.#offsets.apply(record)
      if (record.type !== 'GroupMetadata') return
      if (record.value === null) this.#replayed.delete(record.key.group)
      else this.#replayed.set(record.key.group, record.value)
    } catch (error) {
      this.#logger.warn('A record of the group log cannot be read and is passed by.', { error })
    }
  }

  /** The log has been replayed: members have their session timeout from now on to show that they are there. */
  start(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const groupId of [...new Set([...this.#replayed.keys(), ...this.#offsets.groupIds()])].sort()) {
      const group = this.#group(groupId)
      this.#perform(group, group.machine.restore(this.#replayed.get(groupId) ?? null, nowMs))
    }
    this.#replayed.clear()
    this.#expireLater()
  }

  /**
   * Joins a group, or joins it again; resolves when the generation begins, which may take a rebalance timeout.
   * Errors: VARVE_MEMBER_ID_REQUIRED (`details.memberId`), VARVE_UNKNOWN_MEMBER_ID, VARVE_FENCED_INSTANCE_ID,
   * VARVE_INCONSISTENT_GROUP_PROTOCOL, VARVE_INVALID_SESSION_TIMEOUT, VARVE_INVALID_GROUP_ID, VARVE_GROUP_FULL,
   * VARVE_REBALANCE_IN_PROGRESS (a later join of the same member has taken its place).
   */
  join(groupId: string, request: JoinRequest): Promise<JoinResult> {
    return this.#ask(groupId, (token) => ({ type: 'join', token, uuid: this.#randomId(), ...request }))
  }

  /**
   * Brings (the leader) and gets (everybody) the assignment; resolves when it is in the log.
   * Errors: VARVE_UNKNOWN_MEMBER_ID, VARVE_ILLEGAL_GENERATION, VARVE_FENCED_INSTANCE_ID, VARVE_REBALANCE_IN_PROGRESS,
   * VARVE_INCONSISTENT_GROUP_PROTOCOL.
   */
  sync(groupId: string, request: SyncRequest): Promise<SyncResult> {
    return this.#ask(groupId, (token) => ({ type: 'sync', token, ...request }))
  }

  /**
   * Keeps a member's session.
   * Errors: VARVE_REBALANCE_IN_PROGRESS (join again), VARVE_UNKNOWN_MEMBER_ID, VARVE_ILLEGAL_GENERATION,
   * VARVE_FENCED_INSTANCE_ID.
   */
  async heartbeat(groupId: string, request: HeartbeatRequest): Promise<void> {
    await this.#ask(groupId, (token) => ({ type: 'heartbeat', token, ...request }))
  }

  /** Takes members out of their group; the result has an error for each that could not be. */
  leave(groupId: string, request: LeaveRequest): Promise<LeaveResult> {
    return this.#ask(groupId, (token) => ({ type: 'leave', token, ...request }))
  }

  /**
   * Commits offsets; resolves when they are in the log, with an outcome for each.
   * Errors: VARVE_UNKNOWN_MEMBER_ID, VARVE_ILLEGAL_GENERATION, VARVE_FENCED_INSTANCE_ID, VARVE_REBALANCE_IN_PROGRESS.
   */
  async commit(groupId: string, request: CommitRequest): Promise<readonly CommitOutcome[]> {
    const { offsets, retentionMs = -1, ...identity } = request
    const { records, outcome } = this.#offsets.commit(groupId, offsets, {
      wallMs: this.#clock.wallMs(),
      metadataMaxBytes: this.#settings.offsetMetadataMaxBytes,
      retentionMs,
    })
    await this.#ask(groupId, (token) => ({ type: 'commit', token, ...identity, records }))
    return outcome
  }

  /**
   * The offsets that a group has committed, those of commits too that were accepted before and are on their way.
   * @param partitions Which; default all. Those without a commit are left out.
   */
  async fetchOffsets(
    groupId: string,
    partitions: readonly { readonly topic: string; readonly partition: number }[] | null = null,
  ): Promise<FetchedOffset[]> {
    await this.#settled()
    if (partitions === null) return this.#offsets.fetchAll(groupId)
    return partitions.flatMap(({ topic, partition }) => {
      const committed = this.#offsets.fetch(groupId, topic, partition)
      return committed === undefined ? [] : [{ topic, partition, ...committed }]
    })
  }

  /** Every group, by id. */
  list(): GroupListing[] {
    return [...this.#groups]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([groupId, { machine }]) => ({ groupId, protocolType: machine.protocolType, state: machine.state }))
  }

  /** Undefined for a group that nothing is known of. */
  describe(groupId: string): GroupDescription | undefined {
    return this.#groups.get(groupId)?.machine.describe()
  }

  /** Deletes a group and its offsets. Errors: VARVE_GROUP_NOT_FOUND, VARVE_GROUP_NOT_EMPTY. */
  async delete(groupId: string): Promise<void> {
    await this.#settled()
    const offsetRecords = this.#offsets.tombstones(groupId)
    await this.#ask(groupId, (token) => ({ type: 'delete', token, offsetRecords }))
  }

  /**
   * Deletes committed offsets; the result has an error for each that must stay.
   * Errors: VARVE_GROUP_NOT_FOUND, VARVE_GROUP_NOT_EMPTY (of a group whose subscriptions are not those of consumers).
   */
  async deleteOffsets(
    groupId: string,
    partitions: readonly { readonly topic: string; readonly partition: number }[],
  ): Promise<OffsetDeletionResult> {
    await this.#settled()
    const deletions = partitions.map(({ topic, partition }) => ({
      topic,
      partition,
      record: this.#offsets.tombstone(groupId, topic, partition),
    }))
    return this.#ask(groupId, (token) => ({ type: 'delete-offsets', token, partitions: deletions }))
  }

  /** Answers everybody who waits with VARVE_CLOSED, and resolves when nothing is being written any more. Idempotent. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true
      this.#expiry?.cancel()
      for (const { timers } of this.#groups.values()) for (const timer of timers.values()) timer.cancel()
      const waiting = [...this.#waiting.values()]
      this.#waiting.clear()
      for (const { reject } of waiting) reject(closedError())
    }
    await this.#written
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** What was accepted before this call is applied. */
  async #settled(): Promise<void> {
    if (this.#closed) throw closedError()
    await this.#written
    if (this.#closed) throw closedError()
  }

  #ask<Result extends GroupResult>(groupId: string, request: (token: RequestToken) => GroupRequest): Promise<Result> {
    if (this.#closed) return Promise.reject(closedError())
    return new Promise((resolve, reject) => {
      const token = this.#nextToken
      this.#nextToken += 1
      this.#waiting.set(token, { groupId, resolve: resolve as Waiting['resolve'], reject })
      this.#step(this.#group(groupId), { ...request(token), wallMs: this.#clock.wallMs() })
    })
  }

  #group(groupId: string): Group {
    const known = this.#groups.get(groupId)
    if (known !== undefined) return known
    const group = { machine: new GroupMachine(groupId, this.#settings), timers: new Map(), writeFailure: undefined }
    this.#groups.set(groupId, group)
    return group
  }

  #step(group: Group, event: GroupEvent): void {
    if (this.#closed) return
    this.#perform(group, group.machine.step(event, this.#clock.monotonicMs()))
    if (!group.machine.vacant) return
    for (const timer of group.timers.values()) timer.cancel()
    group.timers.clear()
    this.#groups.delete(group.machine.groupId)
  }

  #perform(group: Group, effects: readonly GroupEffect[]): void {
    for (const effect of effects) {
      switch (effect.type) {
        case 'persist':
          this.#persist(group, effect.write, effect.records)
          break
        case 'reply':
          this.#answer(effect.token, ({ resolve }) => resolve(effect.result))
          break
        case 'refuse':
          this.#answer(effect.token, ({ reject, groupId }) => reject(refusal(groupId, effect, group.writeFailure)))
          break
        case 'arm':
          this.#arm(group, effect.timer, effect.dueMs)
          break
        case 'cancel':
          group.timers.get(effect.timer)?.cancel()
          group.timers.delete(effect.timer)
          break
      }
    }
  }

  #answer(token: RequestToken, how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(token)
    this.#waiting.delete(token)
    if (waiting !== undefined) how(waiting)
  }

  #arm(group: Group, name: string, dueMs: number): void {
    group.timers.get(name)?.cancel()
    const timer = this.#clock.after(Math.max(0, dueMs - this.#clock.monotonicMs()), () => {
      group.timers.delete(name)
      this.#step(group, { type: 'timer', timer: name, wallMs: this.#clock.wallMs() })
    })
    group.timers.set(name, timer)
  }

  /** Appends are begun at once, in the order of the effects; what became of them is told in the same order. */
  #persist(group: Group, write: number, records: readonly GroupLogRecord[]): void {
    const before = this.#written
    const outcome = this.#append(records)
    this.#written = (async () => {
      await before
      const failure = await outcome
      if (failure === null) for (const { key, value } of records) this.#offsets.apply(groupRecords.decode(key, value)!)
      else group.writeFailure = failure.cause
      const type = failure === null ? 'persisted' : 'persist-failed'
      this.#step(group, { type, write, wallMs: this.#clock.wallMs() })
    })()
  }

  async #append(records: readonly GroupLogRecord[]): Promise<{ readonly cause: unknown } | null> {
    try {
      await this.#log.append(records)
      return null
    } catch (cause) {
      this.#logger.error('The group log refused a write.', { error: cause })
      return { cause }
    }
  }

  #expireLater(): void {
    this.#expiry = this.#clock.after(this.#settings.offsetsRetentionCheckIntervalMs, () => {
      this.#expire()
      this.#expireLater()
    })
  }

  #expire(): void {
    const wallMs = this.#clock.wallMs()
    const retentionMs = this.#settings.offsetsRetentionMinutes * 60_000
    for (const [groupId, group] of [...this.#groups]) {
      const expired = this.#offsets.expired(groupId, group.machine.offsetRetention(), { wallMs, retentionMs })
      this.#step(group, { type: 'expire', ...expired, wallMs })
    }
  }
}

function refusal(
  groupId: string,
  { error, memberId }: { readonly error: ErrorCode; readonly memberId?: string },
  writeFailure: unknown,
): VarveError {
  const details = memberId === undefined ? { groupId } : { groupId, memberId }
  const cause = error === 'VARVE_COORDINATOR_NOT_AVAILABLE' ? writeFailure : undefined
  return new VarveError(error, `Group "${groupId.slice(0, 80)}": ${errorKinds[error].meaning}.`, { details, cause })
}

const closedError = (): VarveError => new VarveError('VARVE_CLOSED', 'The group coordinator is closed.')
