import type { Clock, Timer } from '../env/clock.ts'
import { type ErrorCode, errorKinds, VarveError } from '../errors.ts'
import type { TopicPartition } from '../group/assignors/assignor.ts'
import type { GroupClient } from './group-client.ts'
import type { MemberEffect, MemberEvent, MemberOptions, MemberTimer } from './member-events.ts'
import { MemberMachine } from './member-machine.ts'

export interface MembershipParts {
  readonly group: string
  readonly client: () => Promise<GroupClient>
  readonly clock: Clock
  readonly clientId: string
  readonly options: MemberOptions
  /** How many partitions each of the topics has that there are. */
  readonly countPartitions: (topics: readonly string[]) => Promise<ReadonlyMap<string, number>>
  /** Called when there is something to deliver, or the member is out. */
  readonly wake: () => void
}

/** What the member has got, must give up, or has lost; told between two batches. */
export interface Delivery {
  readonly what: 'assigned' | 'revoked' | 'lost'
  readonly partitions: readonly TopicPartition[]
}

/**
 * A consumer's membership of its group: carries the effects of `MemberMachine` to the coordinator and its answers back.
 *
 * Deliveries wait until the consumer asks for them (`nextDelivery`), which it does between two batches: nothing is taken
 * away while a batch is being worked on, unless that takes longer than the group waits. It decides nothing itself.
 */
export class Membership {
  readonly #parts: MembershipParts
  readonly #machine: MemberMachine
  readonly #timers = new Map<MemberTimer, Timer>()
  /** Bounded by the machine: it waits for one to be acknowledged before it goes on. */
  readonly #deliveries: Delivery[] = []
  /** Requests that the end waits for. */
  #leaving: Promise<unknown> = Promise.resolve()
  #ended: { readonly error: ErrorCode | null } | null = null

  constructor(parts: MembershipParts) {
    this.#parts = parts
    this.#machine = new MemberMachine(parts.options)
  }

  /** As whom to commit; null while the member is in no generation, when nothing may be committed. */
  get committer(): { memberId: string; groupInstanceId: string | null; generation: number } | null {
    return this.#machine.committer
  }

  start(): void {
    this.#step({ type: 'start' })
  }

  /** The consumer is alive: it asks for the next batch. */
  polled(): void {
    this.#step({ type: 'polled' })
  }

  /** A topic has grown, or there is another one. */
  partitionsChanged(counts: ReadonlyMap<string, number>): void {
    this.#step({ type: 'partition-counts', counts })
  }

  subscribe(topics: readonly string[]): void {
    this.#step({ type: 'subscribe', topics })
  }

  commitRefused(generation: number, error: ErrorCode): void {
    this.#step({ type: 'commit-refused', generation, error })
  }

  /** What is to be told next; to be acknowledged by `delivered` before the one after it. */
  nextDelivery(): Delivery | undefined {
    return this.#deliveries[0]
  }

  delivered(): void {
    this.#deliveries.shift()
    this.#step({ type: 'delivered' })
  }

  /** Why the member is out for good, if it is. */
  failure(): VarveError | undefined {
    const error = this.#ended?.error
    if (error === null || error === undefined) return undefined
    const { group } = this.#parts
    return new VarveError(
      error,
      `This consumer is no member of group "${group}" any more: ${errorKinds[error].meaning}.`,
      {
        details: { group },
      },
    )
  }

  /** Gives everything up; what is to be told comes by `nextDelivery`. */
  leave(): void {
    this.#step({ type: 'leave' })
  }

  /** Resolves when the group has been told that the member left. */
  async left(): Promise<void> {
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
    await this.#leaving
  }

  #step(event: MemberEvent): void {
    for (const effect of this.#machine.step(event, this.#parts.clock.monotonicMs())) this.#perform(effect)
  }

  #perform(effect: MemberEffect): void {
    const { group, clientId } = this.#parts
    switch (effect.type) {
      case 'join': {
        const { type: _, request, ...rest } = effect
        const join = { ...rest, clientId, clientHost: '', memberIdRequired: true, skipAssignmentSupported: true }
        this.#ask(request, async (client) => {
          const result = await client.join(group, join)
          this.#step({ type: 'joined', request, result })
        })
        break
      }
      case 'sync': {
        const { type: _, request, ...sync } = effect
        this.#ask(request, async (client) => {
          const { assignment } = await client.sync(group, sync)
          this.#step({ type: 'synced', request, assignment })
        })
        break
      }
      case 'heartbeat': {
        const { type: _, request, ...heartbeat } = effect
        this.#ask(request, async (client) => {
          await client.heartbeat(group, heartbeat)
          this.#step({ type: 'alive', request })
        })
        break
      }
      case 'leave': {
        const { memberId, groupInstanceId } = effect
        // Nobody waits for the answer: a group that cannot be told finds out by its session timeout.
        this.#leaving = this.#parts
          .client()
          .then((client) => client.leave(group, { members: [{ memberId, groupInstanceId }] }))
          .catch(() => {})
        break
      }
      case 'count-partitions':
        this.#parts.countPartitions(effect.topics).then(
          (counts) => this.#step({ type: 'partition-counts', counts }),
          () => this.#step({ type: 'partition-counts', counts: new Map() }),
        )
        break
      case 'deliver':
        this.#deliveries.push(effect)
        this.#parts.wake()
        break
      case 'arm':
        this.#arm(effect.timer, effect.dueMs)
        break
      case 'cancel':
        this.#timers.get(effect.timer)?.cancel()
        this.#timers.delete(effect.timer)
        break
      case 'ended':
        this.#ended = effect
        this.#parts.wake()
        break
    }
  }

  #ask(request: number, run: (client: GroupClient) => Promise<void>): void {
    this.#parts
      .client()
      .then(run)
      .catch((failure: unknown) => {
        const known = failure instanceof VarveError
        const memberId = known ? failure.details.memberId : undefined
        this.#step({
          type: 'refused',
          request,
          error: known ? failure.code : 'VARVE_COORDINATOR_NOT_AVAILABLE',
          ...(typeof memberId === 'string' && { memberId }),
        })
      })
  }

  #arm(timer: MemberTimer, dueMs: number): void {
    const { clock } = this.#parts
    this.#timers.get(timer)?.cancel()
    const armed = clock.after(Math.max(0, dueMs - clock.monotonicMs()), () => {
      this.#timers.delete(timer)
      this.#step({ type: 'timer', timer })
    })
    this.#timers.set(timer, armed)
  }
}
