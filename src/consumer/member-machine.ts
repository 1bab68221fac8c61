/**
 * One consumer's side of a classic group: joins, leads if it is asked to, keeps its session, gives partitions up and
 * takes them. Pure. After each error it does what the Java client does; `#joined` has the one exception.
 *
 * The way of a rebalance: something asks for it (`#wanted`); what must be given up is delivered and acknowledged; join;
 * the leader counts partitions and assigns; sync; the difference is delivered. A cooperative member that has to give
 * something up joins once more after that.
 */
import { check } from '../base/check.ts'
import { type ErrorCode, errorKinds } from '../errors.ts'
import {
  type Assignor,
  type AssignorMember,
  inPartitionOrder,
  type TopicPartition,
} from '../group/assignors/assignor.ts'
import { byTopic } from '../group/assignors/sticky.ts'
import type { JoinResult } from '../group/group-events.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../protocol/consumer-protocol/consumer-protocol.ts'
import type { MemberEffect, MemberEvent, MemberOptions, MemberTimer, RequestNumber } from './member-events.ts'

type Effects = readonly MemberEffect[]
type Event<Type extends MemberEvent['type']> = Extract<MemberEvent, { type: Type }>

/**
 * `idle`: not started, or out until the consumer polls again. `joining` and `syncing` wait for an answer, `counting` for
 * the numbers of partitions, `waiting` for the retry timer.
 */
export type MemberState = 'idle' | 'waiting' | 'joining' | 'counting' | 'syncing' | 'stable' | 'leaving' | 'ended'

const none: Effects = []
const protocolType = 'consumer'
const noGeneration = -1

/**
 * Invariants: an eager member owns nothing while it joins; what it owns is of a generation whose assignment it has got;
 * at most one join or sync, and one heartbeat, are waited for.
 */
export class MemberMachine {
  readonly #options: MemberOptions
  readonly #cooperative: boolean
  #topics: readonly string[]
  #state: MemberState = 'idle'
  #memberId = ''
  #generation = noGeneration
  #protocol: string | null = null
  #owned: readonly TopicPartition[] = []
  /** What the last join said that this member owns: the leader gave it to nobody else. */
  #claimed: readonly TopicPartition[] = []
  /** The last assignment and its generation, for assignors that want to keep it: an eager member owns it no more. */
  #previous: { readonly partitions: readonly TopicPartition[]; readonly generation: number } = {
    partitions: [],
    generation: noGeneration,
  }
  /** A rebalance is to begin as soon as nothing stands in its way. */
  #wanted = false
  /** Deliveries that were not acknowledged. */
  #deliveries = 0
  #nextRequest = 1
  /** The join or sync that is waited for. */
  #request: RequestNumber | null = null
  #heartbeat: { readonly request: RequestNumber; readonly generation: number } | null = null
  /** Of the generation that this member leads, until it has counted. */
  #led: JoinResult['members'] = []
  /** The partitions that it counted as the leader of the present generation; null before, and for others. */
  #counted: ReadonlyMap<string, number> | null = null
  /**
   * This member leads, and gave something to nobody in this generation (or does not know, having led in an earlier life):
   * its owner is to give it up and join again. Should the owner be replaced by another process of its name, nobody would.
   */
  #unfinished = false
  #polledAtMs = 0
  #effects: MemberEffect[] = []
  #nowMs = 0

  constructor(options: MemberOptions) {
    check(options.assignors.length > 0, 'a member has an assignor')
    this.#options = options
    this.#topics = options.topics
    this.#cooperative = options.assignors.every(({ rebalance }) => rebalance === 'cooperative')
  }

  get state(): MemberState {
    return this.#state
  }

  /** Empty before the group has given one. */
  get memberId(): string {
    return this.#memberId
  }

  /** -1 while the member is in none. */
  get generation(): number {
    return this.#generation
  }

  /**
   * As whom to commit; null while the member is in no generation, when nothing may be committed: a group without members
   * would take it for the commit of a consumer that assigns itself.
   */
  get committer(): { memberId: string; groupInstanceId: string | null; generation: number } | null {
    return this.#generation === noGeneration ? null : { ...this.#identity(), generation: this.#generation }
  }

  /** What this member may read, by topic and partition. */
  get owned(): readonly TopicPartition[] {
    return this.#owned
  }

  /** @param nowMs Monotonic. */
  step(event: MemberEvent, nowMs: number): Effects {
    this.#nowMs = nowMs
    // The most frequent event by far has no effect while all is well.
    if (event.type === 'polled' && (this.#state !== 'idle' || !this.#wanted)) {
      this.#polledAtMs = nowMs
      return none
    }
    if (this.#state === 'ended') return none
    this.#effects = []
    switch (event.type) {
      case 'start':
        check(this.#state === 'idle', 'a member is started once')
        return this.#start()
      case 'polled':
        return this.#start()
      case 'subscribe':
        this.#topics = event.topics
        return this.#state === 'idle' ? this.#effects : this.#want()
      case 'joined':
        return this.#joined(event)
      case 'synced':
        return this.#synced(event)
      case 'alive':
        if (event.request === this.#heartbeat?.request) this.#heartbeat = null
        return this.#effects
      case 'refused':
        return this.#refused(event)
      case 'commit-refused':
        return this.#told(event.error, event.generation)
      case 'partition-counts':
        return this.#count(event.counts)
      case 'delivered':
        check(this.#deliveries > 0, 'what is acknowledged was delivered')
        this.#deliveries -= 1
        return this.#proceed()
      case 'timer':
        return this.#timer(event.timer)
      case 'leave':
        return this.#leave()
    }
  }

  #start(): Effects {
    this.#polledAtMs = this.#nowMs
    this.#arm('poll', this.#options.maxPollIntervalMs)
    this.#state = 'waiting'
    return this.#want()
  }

  // Joining

  #want(): Effects {
    this.#wanted = true
    return this.#proceed()
  }

  /** Begins what is due, once every delivery is acknowledged and no answer is waited for. */
  #proceed(): Effects {
    if (this.#state === 'leaving') return this.#deliveries === 0 ? this.#goodbye() : this.#effects
    const busy = this.#state !== 'stable' && this.#state !== 'waiting'
    if (!this.#wanted || busy) return this.#effects
    this.#giveUp(this.#cooperative ? this.#unsubscribed() : this.#owned, 'revoked')
    return this.#deliveries === 0 ? this.#join() : this.#effects
  }

  #join(): Effects {
    this.#wanted = false
    this.#state = 'joining'
    this.#claimed = this.#owned
    this.#cancel('retry')
    this.#cancel('unfinished')
    // The group knows of a member that waits for a join, and an older answer would only confuse.
    this.#cancel('heartbeat')
    this.#heartbeat = null
    const { groupInstanceId, sessionTimeoutMs, maxPollIntervalMs, assignors } = this.#options
    this.#effects.push({
      type: 'join',
      request: this.#ask(),
      memberId: this.#memberId,
      groupInstanceId,
      protocolType,
      protocols: assignors.map((assignor) => ({ name: assignor.name, metadata: this.#subscription(assignor) })),
      sessionTimeoutMs,
      rebalanceTimeoutMs: maxPollIntervalMs,
    })
    return this.#effects
  }

  #subscription(assignor: Assignor): Uint8Array {
    const { partitions, generation } = this.#previous
    return encodeSubscription({
      topics: this.#topics,
      userData: assignor.userData(partitions, generation),
      ownedPartitions: byTopic(this.#owned),
      generationId: generation,
    })
  }

  #joined({ request, result }: Event<'joined'>): Effects {
    if (this.#state !== 'joining' || request !== this.#request) return this.#effects
    this.#request = null
    this.#memberId = result.memberId
    // A static member may be carried through a generation that it did not join, with what it said that it had before it
    // got what it has now: somebody else may have been given that. (The Java client keeps it here.)
    if (result.generation !== this.#generation + 1 && result.generation !== this.#generation)
      this.#giveUp(this.#owned, 'lost')
    this.#generation = result.generation
    this.#protocol = result.protocol
    this.#counted = null
    this.#unfinished = this.#cooperative && result.skipAssignment
    this.#arm('heartbeat', this.#options.heartbeatIntervalMs)
    this.#led = result.leader === result.memberId ? result.members : []
    if (result.leader !== result.memberId) return this.#sync([])
    const topics = new Set(this.#assignorMembers().flatMap((member) => member.topics))
    this.#effects.push({ type: 'count-partitions', topics: [...topics].sort() })
    // Who need not assign counts all the same, to notice when a topic grows. One that grew while nobody led is shared at the
    // next rebalance: what the earlier life of this member counted is known to nobody (as with the Java client).
    if (result.skipAssignment) return this.#sync([])
    this.#state = 'counting'
    return this.#effects
  }

  #count(counts: ReadonlyMap<string, number>): Effects {
    const settled = this.#state === 'stable' || this.#state === 'syncing'
    if (settled && this.#counted !== null) {
      const changed = [...this.#counted].some(([topic, count]) => (counts.get(topic) ?? count) !== count)
      return changed ? this.#want() : this.#effects
    }
    if (!settled && this.#state !== 'counting') return this.#effects
    const members = this.#assignorMembers()
    if (members.length === 0) return this.#effects
    this.#led = []
    this.#counted = new Map(members.flatMap(({ topics }) => topics.map((topic) => [topic, counts.get(topic) ?? 0])))
    if (this.#state !== 'counting') return this.#effects
    const assignor = this.#options.assignors.find(({ name }) => name === this.#protocol)
    // The group has chosen among what all members offered.
    if (assignor === undefined) return this.#end('VARVE_INCONSISTENT_GROUP_PROTOCOL')
    const assigned = assignor.assign(members, counts)
    let free = 0
    for (const count of this.#counted.values()) free += count
    for (const partitions of assigned.values()) free -= partitions.length
    this.#unfinished = free > 0
    return this.#sync(
      [...assigned].map(([memberId, partitions]) => ({
        memberId,
        assignment: encodeAssignment({ assignedPartitions: byTopic(partitions) }),
      })),
    )
  }

  #assignorMembers(): AssignorMember[] {
    return this.#led.map(({ memberId, groupInstanceId, metadata }) => {
      const read = readSubscription(metadata)
      return {
        memberId,
        groupInstanceId,
        topics: read?.topics ?? [],
        owned: fromTopics(read?.ownedPartitions ?? []),
        generation: read?.generationId ?? noGeneration,
        userData: read?.userData ?? null,
      }
    })
  }

  #sync(assignments: Extract<MemberEffect, { type: 'sync' }>['assignments']): Effects {
    this.#state = 'syncing'
    this.#effects.push({
      type: 'sync',
      request: this.#ask(),
      ...this.#identity(),
      generation: this.#generation,
      protocolType,
      protocol: this.#protocol,
      assignments,
    })
    return this.#effects
  }

  #synced({ request, assignment }: Event<'synced'>): Effects {
    if (this.#state !== 'syncing' || request !== this.#request) return this.#effects
    this.#request = null
    const assigned = readAssignment(assignment)
    if (assigned === undefined) return this.#end('VARVE_INVALID_MESSAGE')
    this.#state = 'stable'
    const subscribed = new Set(this.#topics)
    const partitions = inPartitionOrder(assigned.filter(({ topic }) => subscribed.has(topic)))
    const revoked = without(this.#owned, partitions)
    const added = without(partitions, this.#owned)
    this.#owned = without(this.#owned, revoked)
    this.#deliver('revoked', revoked)
    this.#owned = partitions
    this.#previous = { partitions, generation: this.#generation }
    this.#deliver('assigned', added)
    // By then an owner that died is out, which begins a rebalance too.
    if (this.#unfinished) this.#arm('unfinished', this.#options.sessionTimeoutMs)
    // What this member claimed and has no more is free once the group knows, which it does when it joins again.
    if (without(this.#claimed, partitions).length > 0) this.#wanted = true
    return this.#proceed()
  }

  // Errors

  #refused({ request, error, memberId }: Event<'refused'>): Effects {
    if (request === this.#heartbeat?.request) {
      const { generation } = this.#heartbeat
      this.#heartbeat = null
      return this.#told(error, generation)
    }
    if (request !== this.#request) return this.#effects
    this.#request = null
    const joining = this.#state === 'joining'
    this.#state = 'waiting'
    if (error === 'VARVE_MEMBER_ID_REQUIRED' && memberId !== undefined) {
      this.#memberId = memberId
      return this.#want()
    }
    if (error === 'VARVE_UNKNOWN_MEMBER_ID' || error === 'VARVE_ILLEGAL_GENERATION') return this.#startAnew(error)
    if (error === 'VARVE_REBALANCE_IN_PROGRESS' && !joining) return this.#want()
    if (!errorKinds[error].retriable) return this.#end(error)
    this.#arm('retry', this.#options.retryBackoffMs)
    return this.#effects
  }

  /** Of a heartbeat or a commit: it speaks of the generation in which that was sent. */
  #told(error: ErrorCode, generation: number): Effects {
    if (generation !== this.#generation || generation === noGeneration) return this.#effects
    // The group may have gone on to the generation that this member joins: the answer to its join tells.
    if (this.#state === 'joining') return this.#effects
    switch (error) {
      case 'VARVE_REBALANCE_IN_PROGRESS':
        // While the member syncs, the answer to that says the same, and later.
        return this.#state === 'stable' ? this.#want() : this.#effects
      case 'VARVE_UNKNOWN_MEMBER_ID':
      case 'VARVE_ILLEGAL_GENERATION':
        if (this.#state === 'leaving') return this.#effects
        this.#request = null
        this.#state = 'waiting'
        return this.#startAnew(error)
      case 'VARVE_FENCED_INSTANCE_ID':
        return this.#end(error)
      default:
        return this.#effects
    }
  }

  /** The group goes on without this member: it has nothing any more. With a generation that is over it keeps its id. */
  #startAnew(error: ErrorCode): Effects {
    if (error === 'VARVE_UNKNOWN_MEMBER_ID') this.#memberId = ''
    this.#forgetGeneration()
    return this.#want()
  }

  #forgetGeneration(): void {
    this.#generation = noGeneration
    this.#unfinished = false
    this.#cancel('heartbeat')
    this.#heartbeat = null
    this.#giveUp(this.#owned, 'lost')
  }

  // Session, leaving

  #timer(timer: MemberTimer): Effects {
    switch (timer) {
      case 'retry':
        return this.#state === 'waiting' ? this.#want() : this.#effects
      case 'unfinished':
        return this.#state === 'stable' && this.#unfinished ? this.#want() : this.#effects
      case 'heartbeat':
        return this.#beat()
      case 'poll':
        return this.#pollDue()
    }
  }

  #beat(): Effects {
    if (this.#generation === noGeneration || this.#state === 'joining') return this.#effects
    this.#arm('heartbeat', this.#options.heartbeatIntervalMs)
    if (this.#heartbeat !== null) return this.#effects
    const request = this.#number()
    this.#heartbeat = { request, generation: this.#generation }
    this.#effects.push({ type: 'heartbeat', request, ...this.#identity(), generation: this.#generation })
    return this.#effects
  }

  /** A consumer that does not ask for records holds partitions that nobody reads: it leaves, until it asks again. */
  #pollDue(): Effects {
    const dueMs = this.#polledAtMs + this.#options.maxPollIntervalMs
    if (this.#state === 'leaving' || this.#state === 'idle') return this.#effects
    if (this.#nowMs < dueMs) {
      this.#effects.push({ type: 'arm', timer: 'poll', dueMs })
      return this.#effects
    }
    this.#sendLeave()
    this.#request = null
    this.#cancel('retry')
    this.#state = 'idle'
    this.#wanted = true
    this.#memberId = ''
    this.#forgetGeneration()
    return this.#effects
  }

  #leave(): Effects {
    if (this.#state === 'leaving') return this.#effects
    this.#state = 'leaving'
    this.#request = null
    this.#giveUp(this.#owned, 'revoked')
    return this.#proceed()
  }

  #goodbye(): Effects {
    this.#sendLeave()
    return this.#end(null)
  }

  /** A static member stays: it is expected back under its name within its session timeout. */
  #sendLeave(): void {
    if (this.#options.groupInstanceId === null && this.#memberId !== '')
      this.#effects.push({ type: 'leave', ...this.#identity() })
  }

  #end(error: ErrorCode | null): Effects {
    this.#state = 'ended'
    this.#request = null
    this.#cancel('retry')
    this.#cancel('poll')
    this.#forgetGeneration()
    this.#effects.push({ type: 'ended', error })
    return this.#effects
  }

  // Effects

  #giveUp(partitions: readonly TopicPartition[], what: 'revoked' | 'lost'): void {
    this.#owned = without(this.#owned, partitions)
    this.#deliver(what, partitions)
  }

  #deliver(what: 'assigned' | 'revoked' | 'lost', partitions: readonly TopicPartition[]): void {
    if (partitions.length === 0) return
    this.#deliveries += 1
    this.#effects.push({ type: 'deliver', what, partitions })
  }

  /** What is owned of topics that are not wanted any more. */
  #unsubscribed(): TopicPartition[] {
    return this.#owned.filter(({ topic }) => !this.#topics.includes(topic))
  }

  #identity(): { readonly memberId: string; readonly groupInstanceId: string | null } {
    return { memberId: this.#memberId, groupInstanceId: this.#options.groupInstanceId }
  }

  #number(): RequestNumber {
    const number = this.#nextRequest
    this.#nextRequest += 1
    return number
  }

  #ask(): RequestNumber {
    this.#request = this.#number()
    return this.#request
  }

  #arm(timer: MemberTimer, delayMs: number): void {
    this.#effects.push({ type: 'arm', timer, dueMs: this.#nowMs + delayMs })
  }

  #cancel(timer: MemberTimer): void {
    this.#effects.push({ type: 'cancel', timer })
  }
}

function without(partitions: readonly TopicPartition[], others: readonly TopicPartition[]): TopicPartition[] {
  const keys = new Set(others.map(({ topic, partition }) => `${partition}:${topic}`))
  return partitions.filter(({ topic, partition }) => !keys.has(`${partition}:${topic}`))
}

function fromTopics(topics: readonly { topic: string; partitions: readonly number[] }[]): TopicPartition[] {
  return topics.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
}

/** Undefined for another member's mistake: it gets nothing, and the others are not held up. */
function readSubscription(metadata: Uint8Array): ReturnType<typeof decodeSubscription> | undefined {
  try {
    return decodeSubscription(metadata)
  } catch {
    return undefined
  }
}

/** No bytes: the leader gave nothing. Undefined: what it gave cannot be read. */
function readAssignment(assignment: Uint8Array): TopicPartition[] | undefined {
  if (assignment.byteLength === 0) return []
  try {
    return fromTopics(decodeAssignment(assignment).assignedPartitions)
  } catch {
    return undefined
  }
}
