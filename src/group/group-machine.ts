/**
 * One classic group: who its members are, which generation they are in, who leads, and who may commit. Pure.
 *
 * A rebalance in short. A member joins, or goes: `PreparingRebalance` waits until all have joined again, or until the
 * longest rebalance timeout. Then a generation begins, `CompletingRebalance`: everybody learns who leads, and the
 * leader's sync brings the assignment of all. Once that is in the log the group is `Stable`, and heartbeats keep it so.
 *
 * What must be in the log before it counts is an effect `persist`, and goes on with the event `persisted`: the machine
 * takes other events meanwhile. Owned and driven by the group coordinator; several hundred lines, because the rules of
 * the protocol refer to each other at every step.
 */
import { check } from '../base/check.ts'
import type { ErrorCode } from '../errors.ts'
import { decodeSubscription } from '../protocol/consumer-protocol/consumer-protocol.ts'
import type { groupMetadataValue } from '../protocol/group-log/group-metadata.ts'
import { groupRecords } from '../protocol/group-log/group-records.ts'
import type { MessageValue } from '../protocol/schema/message.ts'
import type { GroupSettings } from '../settings/group-settings.ts'
import type { OffsetRetention } from './committed-offsets.ts'
import {
  type GroupDescription,
  type GroupEffect,
  type GroupEvent,
  type GroupLogRecord,
  type GroupResult,
  type GroupState,
  groupTextMax,
  type JoinRequest,
  type JoinResult,
  type LeaveResult,
  type RequestToken,
} from './group-events.ts'
import {
  copiedProtocols,
  electedProtocol,
  type GroupMember,
  metadataFor,
  noBytes,
  sameProtocols,
  sharedProtocols,
} from './group-member.ts'

export type GroupLimits = Pick<
  GroupSettings,
  | 'groupMinSessionTimeoutMs'
  | 'groupMaxSessionTimeoutMs'
  | 'groupMaxSize'
  | 'groupInitialRebalanceDelayMs'
  | 'groupNewMemberJoinTimeoutMs'
>

/**
 * Ids that were handed out and not used yet, about 2 MB. Each is forgotten after a session timeout; a client that asks for
 * one again and again must not fill the memory meanwhile.
 */
export const pendingMembersMax = 10_000

/** The version of GroupMetadata that Kafka 4.3 writes: readable by every Kafka since 2.3. */
const groupMetadataVersion = 3

/** Largest number that the log's fields for generations and timeouts hold. */
const int32Max = 0x7fff_ffff

type Effects = readonly GroupEffect[]
type Event<Type extends GroupEvent['type']> = Extract<GroupEvent, { type: Type }>
type Leaving = Event<'leave'>['members'][number]

/** A write that is not known to be in the log yet. */
type Write =
  | { readonly kind: 'assignment'; readonly generation: number; readonly assignments: ReadonlyMap<string, Uint8Array> }
  | {
      readonly kind: 'replacement'
      readonly generation: number
      readonly memberId: string
      readonly token: RequestToken
      readonly leaderBefore: string
    }
  | { readonly kind: 'commit'; readonly token: RequestToken }
  | { readonly kind: 'offset-deletion'; readonly token: RequestToken; readonly result: GroupResult }
  /** Without a token the group goes because its offsets have expired. */
  | { readonly kind: 'deletion'; readonly token: RequestToken | null }
  /** Nobody waits for it. */
  | { readonly kind: 'note' }

const replyOf = (token: RequestToken, result: GroupResult): GroupEffect => ({ type: 'reply', token, result })

/**
 * Invariants: there is a leader exactly when there are members; a generation's members have all joined it or are
 * static; the state is `Stable` only when the assignment of the present generation is in the log.
 */
export class GroupMachine {
  readonly groupId: string
  readonly #limits: GroupLimits
  #state: GroupState = 'Empty'
  /** Wall time of the last change of state. */
  #stateSinceMs = -1
  /** Null until a member has joined: the group only stores offsets. */
  #protocolType: string | null = null
  #protocol: string | null = null
  #generation = 0
  #leader: string | null = null
  readonly #members = new Map<string, GroupMember>()
  /** Ids that were handed out with VARVE_MEMBER_ID_REQUIRED and have not joined yet; `pendingMembersMax` at most. */
  readonly #pending = new Set<string>()
  /** In a rebalance from `Empty` with a delay: how much longer it may be put off, ms. Null in every other. */
  #initialDelayLeftMs: number | null = null
  /** A member joined since the initial delay began: it is worth waiting for more. */
  #joinedDuringDelay = false
  /** Something of the group is in the log, or was accepted to be. */
  #stored = false
  readonly #writes = new Map<number, Write>()
  #nextWrite = 0
  #effects: GroupEffect[] = []
  #nowMs = 0
  #wallMs = 0

  constructor(groupId: string, limits: GroupLimits) {
    this.groupId = groupId
    this.#limits = limits
  }

  get state(): GroupState {
    return this.#state
  }

  get generation(): number {
    return this.#generation
  }

  /** Empty in a group that only stores offsets. */
  get protocolType(): string {
    return this.#protocolType ?? ''
  }

  /** Nothing is known of such a group, or nothing any more: the driver forgets the machine, and makes another when asked. */
  get vacant(): boolean {
    if (this.#writes.size > 0) return false
    return this.#state === 'Dead' || (!this.#stored && this.#members.size === 0 && this.#pending.size === 0)
  }

  /**
   * The group as the log has it; for a machine that was just made. Members that do not come back within their session
   * timeout expire. Without a value: offsets were committed and nothing else.
   */
  restore(value: MessageValue<typeof groupMetadataValue> | null, nowMs: number): readonly GroupEffect[] {
    this.#begin(nowMs, 0)
    this.#stored = true
    if (value === null) return this.#effects
    this.#protocolType = value.protocolType === '' ? null : value.protocolType
    this.#generation = Math.max(0, value.generation)
    this.#stateSinceMs = value.currentStateTimestamp
    // Members without a protocol were in no generation: whoever is alive will join again.
    if (value.protocol === null || this.#protocolType === null) return this.#effects
    this.#protocol = value.protocol
    for (const stored of value.members) {
      const member: GroupMember = {
        memberId: stored.memberId,
        groupInstanceId: stored.groupInstanceId,
        clientId: stored.clientId,
        clientHost: stored.clientHost,
        sessionTimeoutMs: this.#withinSession(stored.sessionTimeout),
        rebalanceTimeoutMs:
          stored.rebalanceTimeout > 0 ? stored.rebalanceTimeout : this.#withinSession(stored.sessionTimeout),
        protocols: copiedProtocols([{ name: value.protocol, metadata: stored.subscription }]),
        assignment: new Uint8Array(stored.assignment),
        joinToken: null,
        syncToken: null,
        synced: true,
        isNew: false,
        skipAssignmentSupported: false,
      }
      this.#members.set(member.memberId, member)
    }
    if (this.#members.size === 0) return this.#effects
    this.#state = 'Stable'
    const leads = value.leader !== null && this.#members.has(value.leader)
    this.#leader = leads ? value.leader : this.#sorted()[0]!.memberId
    for (const member of this.#sorted()) this.#armSession(member)
    return this.#effects
  }

  /** @param nowMs Monotonic. */
  step(event: GroupEvent, nowMs: number): readonly GroupEffect[] {
    this.#begin(nowMs, event.wallMs)
    switch (event.type) {
      case 'join':
        return this.#join(event)
      case 'sync':
        return this.#sync(event)
      case 'heartbeat':
        return this.#heartbeat(event)
      case 'leave':
        return this.#leave(event)
      case 'commit':
        return this.#commit(event)
      case 'delete':
        return this.#delete(event)
      case 'delete-offsets':
        return this.#deleteOffsets(event)
      case 'expire':
        return this.#expire(event)
      case 'timer':
        return this.#timer(event.timer)
      case 'persisted':
      case 'persist-failed':
        return this.#written(event)
    }
  }

  /** The group as DescribeGroups tells it. */
  describe(): GroupDescription {
    const stable = this.#state === 'Stable'
    return {
      groupId: this.groupId,
      state: this.#state,
      protocolType: this.protocolType,
      protocol: stable ? this.#protocol : null,
      generation: this.#generation,
      members: this.#sorted().map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        metadata: stable ? metadataFor(member, this.#protocol) : noBytes,
        assignment: stable ? member.assignment : noBytes,
      })),
    }
  }

  /** From when the retention of the group's offsets counts, as in Kafka; null while none may expire. */
  offsetRetention(): OffsetRetention | null {
    if (this.#state === 'Dead' || this.#pending.size > 0) return null
    if (this.#protocolType === null) return { from: 'commit', keepTopics: null }
    if (this.#state === 'Empty') return { from: this.#stateSinceMs, keepTopics: null }
    const topics = this.#state === 'Stable' ? this.#subscribedTopics() : null
    return topics === null ? null : { from: 'commit', keepTopics: topics }
  }

  // Joining

  #join(event: Event<'join'>): Effects {
    const { token, memberId, sessionTimeoutMs, groupInstanceId } = event
    const fault = this.#faultOfJoin(event)
    if (fault !== null) return this.#refuse(token, fault)
    if (
      sessionTimeoutMs < this.#limits.groupMinSessionTimeoutMs ||
      sessionTimeoutMs > this.#limits.groupMaxSessionTimeoutMs
    )
      return this.#refuse(token, 'VARVE_INVALID_SESSION_TIMEOUT')
    if (this.#state === 'Dead') return this.#refuse(token, 'VARVE_COORDINATOR_NOT_AVAILABLE')
    if (!this.#hasRoomFor(memberId, groupInstanceId)) {
      const member = this.#members.get(memberId)
      if (member !== undefined) this.#remove(member)
      else this.#forgetPending(memberId)
      return this.#refuse(token, 'VARVE_GROUP_FULL')
    }
    if (!this.#supports(event)) return this.#refuse(token, 'VARVE_INCONSISTENT_GROUP_PROTOCOL')
    if (memberId === '') this.#joinUnknown(event)
    else this.#joinKnown(event)
    return this.#effects
  }

  #faultOfJoin(event: Event<'join'>): ErrorCode | null {
    if (this.groupId === '' || this.groupId.length > groupTextMax) return 'VARVE_INVALID_GROUP_ID'
    const texts = [event.clientId, event.clientHost, event.groupInstanceId ?? '', event.protocolType]
    const tooLong = [...texts, ...event.protocols.map(({ name }) => name)].some(({ length }) => length > groupTextMax)
    if (tooLong || event.groupInstanceId === '') return 'VARVE_INVALID_ARGUMENT'
    const { sessionTimeoutMs, rebalanceTimeoutMs } = event
    const times = [sessionTimeoutMs, rebalanceTimeoutMs]
    return times.every((ms) => Number.isInteger(ms) && ms >= 0 && ms <= int32Max) ? null : 'VARVE_INVALID_ARGUMENT'
  }

  #hasRoomFor(memberId: string, groupInstanceId: string | null): boolean {
    const known = this.#members.get(memberId) ?? this.#staticMember(groupInstanceId)
    const { groupMaxSize } = this.#limits
    if (this.#state !== 'PreparingRebalance') return known !== undefined || this.#members.size < groupMaxSize
    // Some of the members may not come back: those who have joined again are counted, first come first served.
    if (known?.joinToken != null) return true
    let joined = 0
    for (const { joinToken } of this.#members.values()) if (joinToken !== null) joined += 1
    return joined < groupMaxSize
  }

  #supports({ protocolType, protocols }: JoinRequest): boolean {
    if (protocolType === '' || protocols.length === 0) return false
    if (this.#members.size === 0) return true
    const shared = sharedProtocols([...this.#members.values()])
    return protocolType === this.#protocolType && protocols.some(({ name }) => shared.has(name))
  }

  #joinUnknown(event: Event<'join'>): Effects {
    const { token, groupInstanceId, clientId, uuid } = event
    const memberId = `${groupInstanceId ?? clientId}-${uuid}`
    if (groupInstanceId !== null) {
      const present = this.#staticMember(groupInstanceId)
      if (present === undefined) this.#add(event, memberId)
      else this.#replace(event, present, memberId)
    } else if (!event.memberIdRequired) this.#add(event, memberId)
    else if (this.#pending.size >= pendingMembersMax) this.#refuse(token, 'VARVE_COORDINATOR_NOT_AVAILABLE')
    else {
      this.#pending.add(memberId)
      this.#arm(sessionTimer(memberId), event.sessionTimeoutMs)
      this.#effects.push({ type: 'refuse', token, error: 'VARVE_MEMBER_ID_REQUIRED', memberId })
    }
    return this.#effects
  }

  #joinKnown(event: Event<'join'>): Effects {
    const { token, memberId, groupInstanceId } = event
    if (this.#pending.has(memberId)) {
      // Ids are handed out to dynamic members only.
      if (groupInstanceId !== null) return this.#refuse(token, 'VARVE_UNKNOWN_MEMBER_ID')
      return this.#add(event, memberId)
    }
    const member = this.#identify(event)
    if (typeof member === 'string') return this.#refuse(token, member)
    const unchanged = sameProtocols(member.protocols, event.protocols)
    // The answer got lost, so it is given again; in a stable group a leader asks for a rebalance by joining.
    const again =
      (this.#state === 'CompletingRebalance' && unchanged) ||
      (this.#state === 'Stable' && unchanged && member.memberId !== this.#leader)
    this.#update(member, event)
    if (again) {
      this.#replyJoin(member, token)
      this.#armSession(member)
      return this.#effects
    }
    this.#awaitJoin(member, token)
    return this.#rebalanceOrComplete()
  }

  #add(event: Event<'join'>, memberId: string): Effects {
    if (this.#state === 'PreparingRebalance' && this.#initialDelayLeftMs !== null) this.#joinedDuringDelay = true
    this.#pending.delete(memberId)
    this.#protocolType = event.protocolType
    const member: GroupMember = {
      memberId,
      groupInstanceId: event.groupInstanceId,
      clientId: event.clientId,
      clientHost: event.clientHost,
      sessionTimeoutMs: event.sessionTimeoutMs,
      rebalanceTimeoutMs: event.rebalanceTimeoutMs,
      protocols: copiedProtocols(event.protocols),
      assignment: noBytes,
      joinToken: null,
      syncToken: null,
      synced: false,
      isNew: true,
      skipAssignmentSupported: event.skipAssignmentSupported,
    }
    this.#members.set(memberId, member)
    this.#leader ??= memberId
    this.#awaitJoin(member, event.token)
    this.#arm(sessionTimer(memberId), this.#limits.groupNewMemberJoinTimeoutMs)
    return this.#rebalanceOrComplete()
  }

  /** A static member comes back without its member id: a new process under the same name. The old one is fenced. */
  #replace(event: Event<'join'>, member: GroupMember, memberId: string): Effects {
    const old = member.memberId
    const leaderBefore = this.#leader!
    this.#answerWaiting(member, 'VARVE_FENCED_INSTANCE_ID')
    this.#cancel(sessionTimer(old))
    this.#members.delete(old)
    member.memberId = memberId
    this.#members.set(memberId, member)
    if (this.#leader === old) this.#leader = memberId
    this.#update(member, event)
    this.#awaitJoin(member, event.token)
    this.#arm(sessionTimer(memberId), member.isNew ? this.#limits.groupNewMemberJoinTimeoutMs : member.sessionTimeoutMs)
    if (this.#state !== 'Stable' || electedProtocol([...this.#members.values()]) !== this.#protocol)
      return this.#rebalanceOrComplete()
    // Nothing changes for the others: the newcomer takes over the assignment, once the log knows its id.
    const { token } = event
    const write = { kind: 'replacement', generation: this.#generation, memberId, token, leaderBefore } as const
    return this.#persist(write, [this.#metadataRecord(this.#assignments())])
  }

  #update(member: GroupMember, event: Event<'join'>): void {
    member.protocols = copiedProtocols(event.protocols)
    member.clientId = event.clientId
    member.clientHost = event.clientHost
    member.sessionTimeoutMs = event.sessionTimeoutMs
    member.rebalanceTimeoutMs = event.rebalanceTimeoutMs
    member.skipAssignmentSupported = event.skipAssignmentSupported
  }

  /** The member's join waits for the generation. One that waited before was given up by whoever sent it. */
  #awaitJoin(member: GroupMember, token: RequestToken): void {
    if (member.joinToken !== null) this.#refuse(member.joinToken, 'VARVE_REBALANCE_IN_PROGRESS')
    member.joinToken = token
  }

  /** @param keep The assignment stands, so a leader need not assign. @param leader As it is told to the member. */
  #replyJoin(member: GroupMember, token: RequestToken, keep = false, leader = this.#leader!): Effects {
    const leads = member.memberId === leader
    const result: JoinResult = {
      memberId: member.memberId,
      generation: this.#generation,
      protocolType: this.#protocolType!,
      protocol: this.#protocol!,
      leader,
      skipAssignment: leads && keep,
      members: leads
        ? this.#sorted().map((each) => ({
            memberId: each.memberId,
            groupInstanceId: each.groupInstanceId,
            metadata: metadataFor(each, this.#protocol),
          }))
        : [],
    }
    this.#effects.push(replyOf(token, result))
    return this.#effects
  }

  // Rebalancing

  #rebalanceOrComplete(): Effects {
    if (this.#state !== 'PreparingRebalance') this.#prepareRebalance()
    else if (this.#initialDelayLeftMs === null && this.#allJoined()) this.#completeJoin()
    return this.#effects
  }

  #prepareRebalance(): Effects {
    const initial = this.#state === 'Empty'
    this.#cancel(syncTimer)
    for (const member of this.#sorted()) this.#answerSync(member, 'VARVE_REBALANCE_IN_PROGRESS')
    this.#become('PreparingRebalance')
    const { groupInitialRebalanceDelayMs } = this.#limits
    if (initial && groupInitialRebalanceDelayMs > 0) {
      this.#joinedDuringDelay = false
      this.#initialDelayLeftMs = Math.max(0, this.#rebalanceTimeoutMs() - groupInitialRebalanceDelayMs)
      this.#arm(joinTimer, groupInitialRebalanceDelayMs)
    } else if (initial || this.#allJoined()) this.#completeJoin()
    else this.#arm(joinTimer, this.#rebalanceTimeoutMs())
    return this.#effects
  }

  #completeJoin(): Effects {
    this.#cancel(joinTimer)
    this.#initialDelayLeftMs = null
    for (const member of this.#sorted()) {
      if (member.joinToken !== null || member.groupInstanceId !== null) continue
      this.#forget(member)
    }
    const members = this.#sorted()
    const joined = members.filter(({ joinToken }) => joinToken !== null)
    if (members.length > 0 && joined.length === 0) {
      // Only static members are left, and none has come back: their session timeouts decide.
      this.#arm(joinTimer, this.#rebalanceTimeoutMs())
      return this.#effects
    }
    this.#generation = this.#generation === int32Max ? 1 : this.#generation + 1
    this.#protocol = electedProtocol(members)
    if (members.length === 0) {
      this.#become('Empty')
      this.#persist({ kind: 'note' }, [this.#metadataRecord(new Map())])
      return this.#effects
    }
    // A leader that has not joined cannot assign.
    if (this.#members.get(this.#leader!)!.joinToken === null) this.#leader = joined[0]!.memberId
    this.#become('CompletingRebalance')
    for (const member of members) {
      member.synced = false
      const { joinToken } = member
      if (joinToken === null) continue
      member.joinToken = null
      member.isNew = false
      this.#replyJoin(member, joinToken)
      this.#armSession(member)
    }
    this.#arm(syncTimer, this.#rebalanceTimeoutMs())
    return this.#effects
  }

  #allJoined(): boolean {
    if (this.#pending.size > 0) return false
    for (const { joinToken } of this.#members.values()) if (joinToken === null) return false
    return true
  }

  #rebalanceTimeoutMs(): number {
    let longest = 0
    for (const { rebalanceTimeoutMs } of this.#members.values()) longest = Math.max(longest, rebalanceTimeoutMs)
    return longest
  }

  // Syncing, heartbeats, leaving

  #sync(event: Event<'sync'>): Effects {
    const { token, protocolType, protocol } = event
    const member = this.#identifyIn(event)
    if (typeof member === 'string') return this.#refuse(token, member)
    const differs = (asked: string | null, present: string | null): boolean => asked !== null && asked !== present
    if (differs(protocolType, this.#protocolType) || differs(protocol, this.#protocol))
      return this.#refuse(token, 'VARVE_INCONSISTENT_GROUP_PROTOCOL')
    if (this.#state === 'PreparingRebalance') return this.#refuse(token, 'VARVE_REBALANCE_IN_PROGRESS')
    member.synced = true
    if (this.#state === 'Stable') {
      this.#replySync(member, token)
      this.#armSession(member)
      this.#cancelSyncTimerOnceDone()
      return this.#effects
    }
    this.#answerSync(member, 'VARVE_REBALANCE_IN_PROGRESS') // whoever sent an earlier one has given it up
    member.syncToken = token
    if (member.memberId === this.#leader && !this.#assigning()) {
      const given = new Map(event.assignments.map(({ memberId, assignment }) => [memberId, assignment]))
      const assignments = new Map<string, Uint8Array>()
      for (const { memberId } of this.#members.values())
        assignments.set(memberId, new Uint8Array(given.get(memberId) ?? noBytes))
      const write = { kind: 'assignment', generation: this.#generation, assignments } as const
      this.#persist(write, [this.#metadataRecord(assignments)])
    }
    return this.#effects
  }

  /** The leader's assignment of the present generation is on its way into the log. */
  #assigning(): boolean {
    for (const write of this.#writes.values())
      if (write.kind === 'assignment' && write.generation === this.#generation) return true
    return false
  }

  #replySync(member: GroupMember, token: RequestToken): Effects {
    this.#effects.push(
      replyOf(token, {
        protocolType: this.#protocolType!,
        protocol: this.#protocol!,
        assignment: member.assignment,
      }),
    )
    return this.#effects
  }

  #cancelSyncTimerOnceDone(): void {
    for (const { synced } of this.#members.values()) if (!synced) return
    this.#cancel(syncTimer)
  }

  #heartbeat(event: Event<'heartbeat'>): Effects {
    const member = this.#identifyIn(event)
    if (typeof member === 'string') return this.#refuse(event.token, member)
    this.#armSession(member)
    if (this.#state === 'PreparingRebalance') this.#refuse(event.token, 'VARVE_REBALANCE_IN_PROGRESS')
    else this.#effects.push(replyOf(event.token, null))
    return this.#effects
  }

  #leave({ token, members }: Event<'leave'>): Effects {
    if (this.groupId === '') return this.#refuse(token, 'VARVE_INVALID_GROUP_ID')
    if (this.#state === 'Dead') return this.#refuse(token, 'VARVE_COORDINATOR_NOT_AVAILABLE')
    const result: LeaveResult['members'][number][] = []
    const sizeBefore = this.#members.size
    for (const { memberId, groupInstanceId } of members)
      result.push({ memberId, groupInstanceId, error: this.#take({ memberId, groupInstanceId }) })
    this.#effects.push(replyOf(token, { members: result }))
    if (this.#members.size < sizeBefore) this.#afterRemoval()
    return this.#effects
  }

  #take({ memberId, groupInstanceId }: Leaving): ErrorCode | null {
    if (this.#pending.has(memberId)) {
      this.#forgetPending(memberId)
      return null
    }
    // An administrator names a static member by its instance id alone.
    const byName = memberId === '' && groupInstanceId !== null ? this.#staticMember(groupInstanceId) : undefined
    const member = byName ?? this.#identify({ memberId, groupInstanceId })
    if (typeof member === 'string') return member
    this.#forget(member)
    return null
  }

  // Commits, deletion, expiry

  #commit(event: Event<'commit'>): Effects {
    const { token, records } = event
    const error = this.#faultOfCommit(event)
    if (error !== null) return this.#refuse(token, error)
    if (records.length === 0) {
      this.#effects.push(replyOf(token, null))
      return this.#effects
    }
    this.#stored = true
    return this.#persist({ kind: 'commit', token }, records)
  }

  #faultOfCommit(event: Event<'commit'>): ErrorCode | null {
    if (this.#state === 'Dead') return 'VARVE_COORDINATOR_NOT_AVAILABLE'
    const { memberId, groupInstanceId, generation } = event
    // Without members anybody may commit: consumers that assign themselves, and administrators.
    if (generation < 0 && this.#state === 'Empty') return null
    if (generation < 0 && memberId === '' && groupInstanceId === null) return 'VARVE_UNKNOWN_MEMBER_ID'
    if (this.vacant) return 'VARVE_ILLEGAL_GENERATION'
    const member = this.#identifyIn(event)
    if (typeof member === 'string') return member
    // The member has not learnt its partitions yet: what it commits is of the generation before.
    if (this.#state === 'CompletingRebalance') return 'VARVE_REBALANCE_IN_PROGRESS'
    this.#armSession(member)
    return null
  }

  #delete({ token, offsetRecords }: Event<'delete'>): Effects {
    if (this.vacant || this.#state === 'Dead') return this.#refuse(token, 'VARVE_GROUP_NOT_FOUND')
    if (this.#state !== 'Empty' || this.#pending.size > 0) return this.#refuse(token, 'VARVE_GROUP_NOT_EMPTY')
    // Its tombstones would not cover an offset that is still on its way into the log.
    if (this.#writes.size > 0) return this.#refuse(token, 'VARVE_COORDINATOR_NOT_AVAILABLE')
    this.#become('Dead')
    return this.#persist({ kind: 'deletion', token }, [...offsetRecords, this.#tombstone()])
  }

  #deleteOffsets({ token, partitions }: Event<'delete-offsets'>): Effects {
    if (this.vacant || this.#state === 'Dead') return this.#refuse(token, 'VARVE_GROUP_NOT_FOUND')
    const busy = this.#members.size > 0
    if (busy && this.#protocolType !== 'consumer') return this.#refuse(token, 'VARVE_GROUP_NOT_EMPTY')
    const subscribed = busy ? this.#subscribedTopics() : new Set<string>()
    const records: GroupLogRecord[] = []
    const result = partitions.map(({ topic, partition, record }) => {
      const taken = subscribed === null || subscribed.has(topic)
      if (!taken && record !== null) records.push(record)
      return { topic, partition, error: taken ? ('VARVE_GROUP_SUBSCRIBED' as const) : null }
    })
    if (records.length === 0) this.#effects.push(replyOf(token, result))
    else this.#persist({ kind: 'offset-deletion', token, result }, records)
    return this.#effects
  }

  #expire({ records, remaining }: Event<'expire'>): Effects {
    // A tombstone behind a commit that is on its way would take the new offset with the old one: the next look will do.
    if (this.#state === 'Dead' || this.#writes.size > 0) return this.#effects
    const unused = this.#state === 'Empty' && this.#pending.size === 0
    if (unused && remaining === 0) {
      this.#become('Dead')
      this.#persist({ kind: 'deletion', token: null }, [...records, this.#tombstone()])
    } else if (records.length > 0) this.#persist({ kind: 'note' }, records)
    return this.#effects
  }

  /** Topics that some member subscribes to; null where that cannot be told. */
  #subscribedTopics(): Set<string> | null {
    if (this.#protocolType !== 'consumer') return null
    const topics = new Set<string>()
    for (const { protocols } of this.#members.values()) {
      try {
        for (const { metadata } of protocols) for (const topic of decodeSubscription(metadata).topics) topics.add(topic)
      } catch {
        return null // its member sent something of its own
      }
    }
    return topics
  }

  // What comes later

  #timer(timer: string): Effects {
    if (timer === joinTimer) return this.#joinDue()
    if (timer === syncTimer) return this.#syncDue()
    const memberId = timer.slice(sessionPrefix.length)
    if (this.#pending.has(memberId)) return this.#forgetPending(memberId)
    const member = this.#members.get(memberId)
    if (member === undefined) return this.#effects
    // Who waits for an answer sends no heartbeats; the answer starts the session anew.
    if (!member.isNew && (member.joinToken !== null || member.syncToken !== null)) return this.#effects
    return this.#remove(member)
  }

  #joinDue(): Effects {
    if (this.#state !== 'PreparingRebalance') return this.#effects
    const left = this.#initialDelayLeftMs
    if (left === null || left === 0 || !this.#joinedDuringDelay) return this.#completeJoin()
    const delayMs = Math.min(this.#limits.groupInitialRebalanceDelayMs, left)
    this.#joinedDuringDelay = false
    this.#initialDelayLeftMs = left - delayMs
    this.#arm(joinTimer, delayMs)
    return this.#effects
  }

  /** Members that joined a generation and never asked for their assignment hold partitions that nobody reads. */
  #syncDue(): Effects {
    if (this.#state !== 'CompletingRebalance' && this.#state !== 'Stable') return this.#effects
    const silent = this.#sorted().filter(({ synced }) => !synced)
    // The log is slow, not a member.
    if (silent.length === 0) return this.#effects
    for (const member of silent) this.#forget(member)
    return this.#afterRemoval()
  }

  #written({ type, write: number }: Event<'persisted'> | Event<'persist-failed'>): Effects {
    const write = this.#writes.get(number)
    check(write !== undefined, 'a write is told of once')
    this.#writes.delete(number)
    const failed = type === 'persist-failed'
    switch (write.kind) {
      case 'note':
        return this.#effects
      case 'commit':
      case 'offset-deletion':
        if (failed) return this.#refuse(write.token, 'VARVE_COORDINATOR_NOT_AVAILABLE')
        this.#effects.push(replyOf(write.token, write.kind === 'commit' ? null : write.result))
        return this.#effects
      case 'deletion':
        if (failed) this.#become('Empty')
        if (write.token === null) return this.#effects
        if (failed) this.#refuse(write.token, 'VARVE_COORDINATOR_NOT_AVAILABLE')
        else this.#effects.push(replyOf(write.token, null))
        return this.#effects
      case 'assignment':
        return this.#assigned(write, failed)
      case 'replacement':
        return this.#replaced(write, failed)
    }
    return this.#effects
  }

  #assigned({ generation, assignments }: Extract<Write, { kind: 'assignment' }>, failed: boolean): Effects {
    // A rebalance that began meanwhile has answered everybody.
    if (this.#state !== 'CompletingRebalance' || this.#generation !== generation) return this.#effects
    const members = this.#sorted()
    if (failed) {
      for (const member of members) this.#answerSync(member, 'VARVE_COORDINATOR_NOT_AVAILABLE')
      return this.#prepareRebalance()
    }
    this.#become('Stable')
    for (const member of members) {
      member.assignment = assignments.get(member.memberId) ?? noBytes
      const { syncToken } = member
      if (syncToken === null) continue
      member.syncToken = null
      this.#replySync(member, syncToken)
      this.#armSession(member)
    }
    this.#cancelSyncTimerOnceDone()
    return this.#effects
  }

  #replaced(
    { generation, memberId, token, leaderBefore }: Extract<Write, { kind: 'replacement' }>,
    failed: boolean,
  ): Effects {
    const member = this.#members.get(memberId)
    // It was replaced again, or a rebalance began meanwhile, which its join is part of.
    if (member?.joinToken !== token || this.#state !== 'Stable' || this.#generation !== generation) return this.#effects
    member.joinToken = null
    this.#armSession(member)
    if (failed) return this.#refuse(token, 'VARVE_COORDINATOR_NOT_AVAILABLE')
    // An old client that leads would assign anew although nothing changed: it is told of the leader that there was.
    if (member.skipAssignmentSupported) this.#replyJoin(member, token, true)
    else this.#replyJoin(member, token, false, leaderBefore)
    return this.#effects
  }

  // Members

  #identify({ memberId, groupInstanceId }: Leaving): GroupMember | ErrorCode {
    if (groupInstanceId !== null) {
      const member = this.#staticMember(groupInstanceId)
      if (member === undefined) return 'VARVE_UNKNOWN_MEMBER_ID'
      return member.memberId === memberId ? member : 'VARVE_FENCED_INSTANCE_ID'
    }
    return this.#members.get(memberId) ?? 'VARVE_UNKNOWN_MEMBER_ID'
  }

  /** The member, if it is in the present generation. */
  #identifyIn(request: Leaving & { readonly generation: number }): GroupMember | ErrorCode {
    if (this.groupId === '') return 'VARVE_INVALID_GROUP_ID'
    if (this.#state === 'Dead') return 'VARVE_COORDINATOR_NOT_AVAILABLE'
    const member = this.#identify(request)
    return typeof member === 'string' || request.generation === this.#generation ? member : 'VARVE_ILLEGAL_GENERATION'
  }

  #staticMember(groupInstanceId: string | null): GroupMember | undefined {
    if (groupInstanceId === null) return undefined
    for (const member of this.#members.values()) if (member.groupInstanceId === groupInstanceId) return member
    return undefined
  }

  #remove(member: GroupMember): Effects {
    this.#forget(member)
    return this.#afterRemoval()
  }

  #forget(member: GroupMember): void {
    this.#answerWaiting(member, 'VARVE_UNKNOWN_MEMBER_ID')
    this.#cancel(sessionTimer(member.memberId))
    this.#members.delete(member.memberId)
    if (this.#leader === member.memberId) this.#leader = this.#sorted()[0]?.memberId ?? null
  }

  /** An id that was handed out is given back, or was not used in time: a rebalance need not wait for it. */
  #forgetPending(memberId: string): Effects {
    if (!this.#pending.delete(memberId)) return this.#effects
    this.#cancel(sessionTimer(memberId))
    if (this.#state === 'PreparingRebalance') this.#rebalanceOrComplete()
    return this.#effects
  }

  /** Those who stay share what the others had. */
  #afterRemoval(): Effects {
    if (this.#state !== 'Empty' && this.#state !== 'Dead') this.#rebalanceOrComplete()
    return this.#effects
  }

  #answerWaiting(member: GroupMember, error: ErrorCode): void {
    if (member.joinToken !== null) this.#refuse(member.joinToken, error)
    if (member.syncToken !== null) this.#refuse(member.syncToken, error)
    member.joinToken = null
    member.syncToken = null
  }

  #answerSync(member: GroupMember, error: ErrorCode): void {
    if (member.syncToken === null) return
    this.#refuse(member.syncToken, error)
    member.syncToken = null
    this.#armSession(member)
  }

  /** By rising member id, so that equal histories have equal effects. */
  #sorted(): GroupMember[] {
    return [...this.#members.values()].sort((a, b) => (a.memberId < b.memberId ? -1 : 1))
  }

  // Effects

  #begin(nowMs: number, wallMs: number): void {
    this.#effects = []
    this.#nowMs = nowMs
    this.#wallMs = wallMs
  }

  #become(state: GroupState): void {
    this.#state = state
    this.#stateSinceMs = this.#wallMs
  }

  #refuse(token: RequestToken, error: ErrorCode): Effects {
    this.#effects.push({ type: 'refuse', token, error })
    return this.#effects
  }

  #arm(timer: string, delayMs: number): void {
    this.#effects.push({ type: 'arm', timer, dueMs: this.#nowMs + delayMs })
  }

  #armSession(member: GroupMember): void {
    this.#arm(sessionTimer(member.memberId), member.sessionTimeoutMs)
  }

  #cancel(timer: string): void {
    this.#effects.push({ type: 'cancel', timer })
  }

  #persist(write: Write, records: readonly GroupLogRecord[]): Effects {
    this.#stored = true
    const number = this.#nextWrite
    this.#nextWrite += 1
    this.#writes.set(number, write)
    this.#effects.push({ type: 'persist', write: number, records })
    return this.#effects
  }

  #assignments(): Map<string, Uint8Array> {
    return new Map([...this.#members.values()].map(({ memberId, assignment }) => [memberId, assignment]))
  }

  #metadataRecord(assignments: ReadonlyMap<string, Uint8Array>): GroupLogRecord {
    return {
      key: groupRecords.encodeKey('GroupMetadata', { group: this.groupId }),
      value: groupRecords.encodeValue(
        'GroupMetadata',
        {
          protocolType: this.protocolType,
          generation: this.#generation,
          protocol: this.#protocol,
          leader: this.#leader,
          currentStateTimestamp: this.#stateSinceMs,
          members: this.#sorted().map((member) => ({
            memberId: member.memberId,
            groupInstanceId: member.groupInstanceId,
            clientId: member.clientId,
            clientHost: member.clientHost,
            rebalanceTimeout: member.rebalanceTimeoutMs,
            sessionTimeout: member.sessionTimeoutMs,
            subscription: metadataFor(member, this.#protocol),
            assignment: assignments.get(member.memberId) ?? noBytes,
          })),
        },
        groupMetadataVersion,
      ),
    }
  }

  #tombstone(): GroupLogRecord {
    return { key: groupRecords.encodeKey('GroupMetadata', { group: this.groupId }), value: null }
  }

  #withinSession(timeoutMs: number): number {
    return Math.min(Math.max(timeoutMs, this.#limits.groupMinSessionTimeoutMs), this.#limits.groupMaxSessionTimeoutMs)
  }
}

const joinTimer = 'join'
const syncTimer = 'sync'
const sessionPrefix = 'session:'
const sessionTimer = (memberId: string): string => `${sessionPrefix}${memberId}`
