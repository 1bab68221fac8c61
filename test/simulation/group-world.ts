/**
 * A group under faults: the shipped machines of members and coordinator, a virtual clock, a network that delays and
 * loses, consumers that die and come back, and a coordinator that starts anew from its log. A seed decides everything.
 */
import type { MemberEffect } from '../../src/consumer/member-events.ts'
import { MemberMachine } from '../../src/consumer/member-machine.ts'
import type { ErrorCode } from '../../src/errors.ts'
import type { TopicPartition } from '../../src/group/assignors/assignor.ts'
import { assignors } from '../../src/group/assignors/assignors.ts'
import { CommittedOffsets } from '../../src/group/committed-offsets.ts'
import type {
  GroupEffect,
  GroupEvent,
  GroupLogRecord,
  GroupRequest,
  GroupResult,
} from '../../src/group/group-events.ts'
import { GroupMachine } from '../../src/group/group-machine.ts'
import type { groupMetadataValue } from '../../src/protocol/group-log/group-metadata.ts'
import { groupRecords } from '../../src/protocol/group-log/group-records.ts'
import type { MessageValue } from '../../src/protocol/schema/message.ts'
import { defaultGroupSettings } from '../../src/settings/group-settings.ts'
import { Random } from '../faults/random.ts'
import { EventQueue } from './event-queue.ts'
import {
  AllOwned,
  type Belief,
  CommitsStay,
  type GroupView,
  OffsetsRise,
  OneOwner,
  PresentGeneration,
} from './group-checkers.ts'

const group = 'g'
const faultsMs = 40_000
/** Longer than every session and rebalance timeout behind each other. */
const calmMs = 60_000

/** A request without what names it there; `answer` is called at most once. */
type Ask = Record<string, unknown> & { readonly type: GroupRequest['type'] | 'fetch' }
type Answer = (result: GroupResult | CommittedOffsets, error: ErrorCode | null, memberId?: string) => void

export class GroupWorld {
  readonly queue = new EventQueue()
  readonly random: Random
  readonly assignor: string
  readonly oneOwner = new OneOwner()
  readonly presentGeneration = new PresentGeneration()
  readonly offsetsRise = new OffsetsRise()
  readonly commitsStay = new CommitsStay()
  coordinator: SimulatedCoordinator
  readonly consumers: SimulatedConsumer[] = []
  readonly partitionCounts = new Map([
    ['t', 4],
    ['u', 3],
  ])
  /** What is in the log, in its order. */
  readonly log: GroupLogRecord[] = []

  constructor(seed: number) {
    this.random = new Random(seed)
    this.assignor = this.random.pick([...assignors.keys()])
    this.coordinator = new SimulatedCoordinator(this)
    const count = this.random.between(1, 4)
    for (let index = 0; index < count; index += 1) {
      const consumer = new SimulatedConsumer(this, `c${index}`, this.random.oneIn(3))
      this.consumers.push(consumer)
      this.queue.after(this.random.below(5_000), () => consumer.start())
    }
    for (let faults = this.random.below(8); faults > 0; faults -= 1)
      this.queue.after(this.random.below(faultsMs), () => this.#fail())
  }

  get faulty(): boolean {
    return this.queue.nowMs < faultsMs
  }

  run(): void {
    this.queue.runUntil(faultsMs)
    // Whoever is dead comes back, so that something is owned.
    for (const consumer of this.consumers) {
      const taken = this.consumers.some(({ alive, name }) => alive && name === consumer.name)
      if (!taken) consumer.start()
    }
    this.queue.runUntil(faultsMs + calmMs)
    new AllOwned().check(this.coordinator.view(), this.beliefs(), this.#places())
    this.restartCoordinator()
    this.commitsStay.check(({ topic, partition }) => this.coordinator.offsets.fetch(group, topic, partition)?.offset)
  }

  beliefs(): Belief[] {
    return this.consumers.filter(({ alive }) => alive).map((consumer) => consumer.belief())
  }

  look(): void {
    this.oneOwner.check(this.coordinator.view(), this.beliefs())
  }

  restartCoordinator(): void {
    this.coordinator.crash()
    this.coordinator = new SimulatedCoordinator(this)
    this.presentGeneration.restarted(this.coordinator.view().generation)
    this.commitsStay.check(({ topic, partition }) => this.coordinator.offsets.fetch(group, topic, partition)?.offset)
  }

  #places(): TopicPartition[] {
    return [...this.partitionCounts].flatMap(([topic, count]) =>
      Array.from({ length: count }, (_, partition) => ({ topic, partition })),
    )
  }

  #fail(): void {
    const consumer = this.random.pick(this.consumers)
    switch (this.random.below(6)) {
      case 0:
        this.restartCoordinator()
        return
      case 1:
        if (consumer.alive) consumer.crash()
        else consumer.start()
        return
      case 2:
        consumer.stop()
        return
      case 4:
        // While a static leader is away nobody would notice, see MemberMachine.
        if (this.consumers.some(({ isStatic }) => isStatic)) return
        this.partitionCounts.set('t', this.partitionCounts.get('t')! + 1)
        for (const each of this.consumers) each.grown()
        return
      case 3:
        // A new process under the name of one that still runs.
        if (consumer.isStatic && consumer.alive) {
          const successor = new SimulatedConsumer(this, consumer.name, true)
          this.consumers.push(successor)
          successor.start()
        }
        return
      default:
        // It hangs for longer than its session lasts, and goes on in the belief that it has what it had.
        consumer.hangUntilMs = this.queue.nowMs + this.random.between(1_000, 12_000)
        return
    }
  }
}

class SimulatedCoordinator {
  readonly #world: GroupWorld
  readonly #machine: GroupMachine
  readonly offsets = new CommittedOffsets()
  readonly #answers = new Map<number, { readonly ask: Ask; readonly answer: Answer }>()
  readonly #timers = new Map<string, number>()
  /** Begun and not told of yet, in their order. */
  readonly #writes: { readonly write: number; readonly records: readonly GroupLogRecord[] }[] = []
  #fetches: Answer[] = []
  #nextToken = 1
  #alive = true
  #view: GroupView | null = null

  constructor(world: GroupWorld) {
    this.#world = world
    this.#machine = new GroupMachine(group, defaultGroupSettings)
    let metadata: MessageValue<typeof groupMetadataValue> | null = null
    for (const { key, value } of world.log) {
      const record = groupRecords.decode(key, value)!
      this.offsets.apply(record)
      if (record.type === 'GroupMetadata') metadata = record.value
    }
    if (world.log.length > 0) this.#perform(this.#machine.restore(metadata, world.queue.nowMs))
  }

  /** Of the last step. */
  view(): GroupView {
    if (this.#view === null) {
      const { state, generation, members } = this.#machine.describe()
      this.#view = { state, generation, members: new Set(members.map(({ memberId }) => memberId)) }
    }
    return this.#view
  }

  ask(ask: Ask, answer: Answer): void {
    if (!this.#alive) return
    if (ask.type === 'fetch') {
      // As the shipped driver: what was accepted before is seen.
      if (this.#writes.length === 0) answer(this.offsets, null)
      else this.#fetches.push(answer)
      return
    }
    const token = this.#nextToken++
    this.#answers.set(token, { ask, answer })
    this.#step({ ...ask, token, uuid: `${this.#world.random.next()}` } as { type: GroupRequest['type'] })
  }

  /** Of the writes on their way some may be in the log, the first ones. */
  crash(): void {
    this.#alive = false
    const { random } = this.#world
    for (let survive = random.below(this.#writes.length + 1); survive > 0; survive -= 1)
      this.#store(this.#writes.shift()!)
    for (const { answer } of this.#answers.values())
      this.#world.queue.after(random.below(100), () => answer(null, 'VARVE_COORDINATOR_NOT_AVAILABLE'))
  }

  #step(event: { readonly type: GroupEvent['type'] } & Record<string, unknown>): void {
    const { nowMs } = this.#world.queue
    this.#view = null
    this.#perform(this.#machine.step({ ...event, wallMs: nowMs } as unknown as GroupEvent, nowMs))
    this.#world.look()
  }

  #perform(effects: readonly GroupEffect[]): void {
    for (const effect of effects) {
      switch (effect.type) {
        case 'reply': {
          const { ask, answer } = this.#answers.get(effect.token)!
          this.#answers.delete(effect.token)
          if (ask.type === 'join')
            this.#world.presentGeneration.told((effect.result as { generation: number }).generation)
          if (ask.type === 'commit') {
            const { places: committed } = ask as unknown as { places: [TopicPartition, number][] }
            for (const [place, offset] of committed) this.#world.commitsStay.acknowledged(place, offset)
          }
          answer(effect.result, null)
          break
        }
        case 'refuse': {
          const { answer } = this.#answers.get(effect.token)!
          this.#answers.delete(effect.token)
          answer(null, effect.error, effect.memberId)
          break
        }
        case 'persist':
          this.#persist(effect)
          break
        case 'arm':
          this.#arm(effect.timer, effect.dueMs)
          break
        case 'cancel':
          this.#timers.delete(effect.timer)
          break
      }
    }
  }

  #arm(timer: string, dueMs: number): void {
    this.#timers.set(timer, dueMs)
    this.#world.queue.at(dueMs, () => {
      if (!this.#alive || this.#timers.get(timer) !== dueMs) return
      this.#timers.delete(timer)
      this.#step({ type: 'timer', timer })
    })
  }

  #persist(effect: Extract<GroupEffect, { type: 'persist' }>): void {
    this.#accepted(effect.records)
    this.#writes.push(effect)
    const { random, queue } = this.#world
    queue.after(random.below(random.oneIn(10) ? 600 : 30), () => this.#written())
  }

  /** Any of the writes is done; they are told of in their order. */
  #written(): void {
    if (!this.#alive) return
    const { write, records } = this.#writes.shift()!
    const failed = this.#world.faulty && this.#world.random.oneIn(60)
    if (!failed) {
      this.#store({ records })
      for (const { key, value } of records) this.offsets.apply(groupRecords.decode(key, value)!)
    }
    this.#step({ type: failed ? 'persist-failed' : 'persisted', write })
    if (this.#writes.length > 0) return
    const fetches = this.#fetches
    this.#fetches = []
    for (const answer of fetches) answer(this.offsets, null)
  }

  #accepted(records: readonly GroupLogRecord[]): void {
    const commit = [...this.#answers.values()].at(-1)?.ask
    if (commit?.type !== 'commit' || commit.records !== records) return
    this.#world.presentGeneration.accepted(commit.generation as number)
  }

  #store({ records }: { readonly records: readonly GroupLogRecord[] }): void {
    for (const record of records) {
      this.#world.log.push(record)
      const read = groupRecords.decode(record.key, record.value)!
      if (read.type === 'OffsetCommit') this.#world.offsetsRise.logged(read.key, read.value?.offset ?? 0)
    }
  }
}

class SimulatedConsumer {
  readonly #world: GroupWorld
  readonly name: string
  readonly isStatic: boolean
  #machine: MemberMachine | null = null
  /** Counts the processes that this consumer was: what was meant for one does not reach the next. */
  #life = 0
  #positions = new Map<string, { readonly place: TopicPartition; offset: number }>()
  #timers = new Map<string, number>()
  #deliveries: Extract<MemberEffect, { type: 'deliver' }>[] = []
  /** Messages of one connection arrive in the order in which they were sent. */
  #lastSentMs = 0
  #lastAnsweredMs = 0
  hangUntilMs = 0

  constructor(world: GroupWorld, name: string, isStatic: boolean) {
    this.#world = world
    this.name = name
    this.isStatic = isStatic
  }

  get alive(): boolean {
    return this.#machine !== null
  }

  belief(): Belief {
    const { memberId, generation, owned } = this.#machine!
    return { name: this.name, memberId, generation, owned }
  }

  start(): void {
    if (this.#machine !== null) return
    this.#life += 1
    this.#positions = new Map()
    this.#timers = new Map()
    this.#deliveries = []
    this.hangUntilMs = 0
    this.#machine = new MemberMachine({
      topics: [...this.#world.partitionCounts.keys()],
      groupInstanceId: this.isStatic ? this.name : null,
      assignors: [assignors.get(this.#world.assignor)!],
      sessionTimeoutMs: 6_000,
      heartbeatIntervalMs: 2_000,
      maxPollIntervalMs: 10_000,
      retryBackoffMs: 100,
    })
    this.#step({ type: 'start' })
    this.#poll()
  }

  crash(): void {
    this.#machine = null
  }

  stop(): void {
    if (this.#machine !== null) this.#step({ type: 'leave' })
  }

  #step(event: Parameters<MemberMachine['step']>[0]): void {
    for (const effect of this.#machine!.step(event, this.#world.queue.nowMs)) this.#perform(effect)
    if (event.type !== 'polled') this.#world.look()
  }

  /** A topic has grown; who dies before it looks counts when it leads. */
  grown(): void {
    if (this.#machine === null) return
    const counts = new Map(this.#world.partitionCounts)
    this.#later(this.#world.queue.nowMs + this.#world.random.below(500), () =>
      this.#step({ type: 'partition-counts', counts }),
    )
  }

  /** Runs `then` in this life, once the process does not hang. */
  #later(atMs: number, then: () => void): void {
    const life = this.#life
    this.#world.queue.at(Math.max(atMs, this.hangUntilMs), () => {
      if (life !== this.#life || this.#machine === null) return
      if (this.#world.queue.nowMs < this.hangUntilMs) this.#later(this.hangUntilMs, then)
      else then()
    })
  }

  #poll(): void {
    this.#step({ type: 'polled' })
    for (const position of this.#positions.values()) position.offset += this.#world.random.below(3)
    // Whoever keeps what it has while it joins goes on to read and commit it.
    this.#commit(this.#machine!.owned)
    this.#later(this.#world.queue.nowMs + this.#world.random.between(500, 2_500), () => this.#poll())
  }

  #commit(owned: readonly TopicPartition[]): void {
    const held = owned.flatMap((place) => this.#positions.get(`${place.topic}-${place.partition}`) ?? [])
    const committer = this.#machine!.committer
    if (held.length === 0 || committer === null) return
    const committed = held.map(({ place, offset }) => [place, offset] as const)
    const { records } = new CommittedOffsets().commit(
      group,
      committed.map(([place, offset]) => ({ ...place, offset, leaderEpoch: -1, metadata: '' })),
      { wallMs: this.#world.queue.nowMs, metadataMaxBytes: 0 },
    )
    this.#send({ type: 'commit', ...committer, records, places: committed }, 2_000, (_, error) => {
      if (error !== null) this.#step({ type: 'commit-refused', generation: committer.generation, error })
    })
  }

  #perform(effect: MemberEffect): void {
    switch (effect.type) {
      case 'join':
        this.#request(
          { ...effect, clientId: this.name, clientHost: '', memberIdRequired: true, skipAssignmentSupported: true },
          effect.request,
          15_000,
          (result) => this.#step({ type: 'joined', request: effect.request, result: result as never }),
        )
        return
      case 'sync':
        this.#request({ ...effect }, effect.request, 15_000, (result) =>
          this.#step({
            type: 'synced',
            request: effect.request,
            assignment: (result as { assignment: Uint8Array }).assignment,
          }),
        )
        return
      case 'heartbeat':
        this.#request({ ...effect }, effect.request, 2_000, () =>
          this.#step({ type: 'alive', request: effect.request }),
        )
        return
      case 'leave':
        this.#send({ type: 'leave', members: [{ ...effect }] }, 2_000, () => {})
        return
      case 'count-partitions':
        this.#later(this.#world.queue.nowMs + this.#world.random.below(20), () =>
          this.#step({ type: 'partition-counts', counts: new Map(this.#world.partitionCounts) }),
        )
        return
      case 'deliver':
        this.#deliveries.push(effect)
        if (this.#deliveries.length === 1) this.#deliver()
        return
      case 'arm': {
        const { timer, dueMs } = effect
        this.#timers.set(timer, dueMs)
        this.#later(dueMs, () => {
          if (this.#timers.get(timer) !== dueMs) return
          this.#timers.delete(timer)
          this.#step({ type: 'timer', timer })
        })
        return
      }
      case 'cancel':
        this.#timers.delete(effect.timer)
        return
      case 'ended':
        this.#machine = null
    }
  }

  /** As a consumer does: what it gives up it commits; where it begins, it asks. */
  #deliver(): void {
    const { what, partitions } = this.#deliveries[0]!
    if (what === 'revoked') this.#commit(partitions)
    const done = (): void => {
      this.#deliveries.shift()
      this.#step({ type: 'delivered' })
      if (this.#deliveries.length > 0) this.#deliver()
    }
    if (what !== 'assigned') {
      for (const { topic, partition } of partitions) this.#positions.delete(`${topic}-${partition}`)
      this.#later(this.#world.queue.nowMs + this.#world.random.below(200), done)
      return
    }
    this.#send({ type: 'fetch' }, 2_000, (offsets, error) => {
      if (error !== null) {
        this.#deliver()
        return
      }
      for (const place of partitions) {
        const offset = (offsets as CommittedOffsets).fetch(group, place.topic, place.partition)?.offset ?? 0
        this.#positions.set(`${place.topic}-${place.partition}`, { place, offset })
      }
      done()
    })
  }

  #request(ask: Ask, request: number, timeoutMs: number, answered: (result: GroupResult) => void): void {
    this.#send(ask, timeoutMs, (result, error, memberId) => {
      if (error === null) answered(result as GroupResult)
      else this.#step({ type: 'refused', request, error, ...(memberId === undefined ? {} : { memberId }) })
    })
  }

  /** Over a network that delays, and loses while there are faults. Without an answer in time: VARVE_TIMED_OUT. */
  #send(ask: Ask, timeoutMs: number, answer: Answer): void {
    const { queue, random } = this.#world
    let open = true
    const finish: Answer = (...given) => {
      if (!open) return
      open = false
      answer(...given)
    }
    this.#later(queue.nowMs + timeoutMs, () => finish(null, 'VARVE_TIMED_OUT'))
    if (this.#lost()) return
    this.#lastSentMs = Math.max(this.#lastSentMs, queue.nowMs + random.below(40))
    const { coordinator } = this.#world
    queue.at(this.#lastSentMs, () =>
      coordinator.ask(ask, (...given) => {
        if (this.#lost()) return
        this.#lastAnsweredMs = Math.max(this.#lastAnsweredMs, queue.nowMs + random.below(40))
        this.#later(this.#lastAnsweredMs, () => finish(...given))
      }),
    )
  }

  #lost(): boolean {
    return this.#world.faulty && this.#world.random.oneIn(25)
  }
}
