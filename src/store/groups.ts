import type { Engine } from '../engine/engine.ts'
import type { Clock } from '../env/clock.ts'
import type { Logger } from '../env/logger.ts'
import { VarveError } from '../errors.ts'
import { requireCommitted } from '../group/committed-offsets.ts'
import { type FetchedOffset, GroupCoordinator } from '../group/group-coordinator.ts'
import type { GroupDescription, GroupState } from '../group/group-events.ts'
import type { Partition } from '../partition/partition.ts'
import { decodeAssignment } from '../protocol/consumer-protocol/consumer-protocol.ts'
import { offsetsTopic, type StoreGroupLog } from './group-log.ts'

export interface GroupInfo {
  readonly group: string
  readonly state: GroupState
  /** 'consumer' for groups of consumers; empty for one that only has committed offsets. */
  readonly protocolType: string
}

export interface GroupMemberInfo {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly assignment: readonly { readonly topic: string; readonly partitions: readonly number[] }[]
}

/** Where a group stands in a partition. */
export interface GroupLag {
  readonly topic: string
  readonly partition: number
  /** The next record that the group wants. */
  readonly committedOffset: number
  /** Exclusive. */
  readonly highWatermark: number
  /** Records that it has not committed yet. */
  readonly lag: number
  /** How long ago the oldest of them was written, by its timestamp; 0 when there is none. */
  readonly lagMs: number
}

export interface GroupDetails extends GroupInfo {
  readonly generation: number
  /** Name of the assignor; null while the group rebalances, or has no members. */
  readonly protocol: string | null
  readonly members: readonly GroupMemberInfo[]
  readonly offsets: readonly GroupLag[]
}

/** Where a group is to go on: see `Groups.resetOffsets`. */
export type ResetTarget =
  | 'earliest'
  | 'latest'
  | number
  | { readonly timestamp: number }
  | { readonly durationMs: number }
  | { readonly shiftBy: number }
  | { readonly [partition: number]: number }

export interface GroupsParts {
  readonly engine: Engine
  readonly log: StoreGroupLog
  readonly clock: Clock
  readonly logger: Logger
  readonly randomId: () => string
}

/**
 * The consumer groups of a store: who is in them, how far they are, and where they go on.
 *
 * What groups have committed stands in `__consumer_offsets` and is read when the first call needs it, not at the open.
 */
export class Groups {
  readonly #parts: GroupsParts
  #coordinator: GroupCoordinator | null = null

  constructor(parts: GroupsParts) {
    this.#parts = parts
  }

  /** For members: the coordinator, with its log ready to be written. */
  async coordinator(): Promise<GroupCoordinator> {
    await this.#parts.log.prepare()
    return this.#loaded()
  }

  /** All groups that have members or committed offsets, by name. */
  list(): GroupInfo[] {
    return this.#loaded()
      .list()
      .map(({ groupId, state, protocolType }) => ({ group: groupId, state, protocolType }))
  }

  /**
   * Members with their partitions, and how far behind the group is, in records and in time.
   * @throws VARVE_GROUP_NOT_FOUND.
   */
  async describe(group: string): Promise<GroupDetails> {
    const coordinator = this.#loaded()
    const described = coordinator.describe(group)
    if (described === undefined) throw notFound(group)
    const { state, protocolType, protocol, generation, members } = described
    const offsets = (await coordinator.fetchOffsets(group)).flatMap((offset) => this.#lag(offset) ?? [])
    return { group, state, protocolType, protocol, generation, members: members.map(memberInfo), offsets }
  }

  /** How far behind a group is, in each partition that it has committed. @throws VARVE_GROUP_NOT_FOUND. */
  async lag(group: string): Promise<readonly GroupLag[]> {
    return (await this.describe(group)).offsets
  }

  /**
   * Deletes a group and what it has committed.
   * @throws VARVE_GROUP_NOT_FOUND, VARVE_GROUP_NOT_EMPTY: it has members.
   */
  async delete(group: string): Promise<void> {
    if (this.#loaded().describe(group) === undefined) throw notFound(group)
    await (await this.coordinator()).delete(group)
  }

  /**
   * Lets a group without members go on elsewhere in a topic.
   * @param to The first record, behind the last one, an offset, the first record at or after a time, that of a span ago,
   * so many records forth or back (from what is committed), or an offset for each partition. Within what the partition
   * holds.
   * @returns What is committed then, for each partition that was reset.
   * @throws VARVE_UNKNOWN_TOPIC, VARVE_INVALID_ARGUMENT, VARVE_UNKNOWN_MEMBER_ID (the group has members: close them first).
   */
  async resetOffsets(
    group: string,
    topic: string,
    to: ResetTarget,
  ): Promise<readonly { readonly partition: number; readonly offset: number }[]> {
    const { engine } = this.#parts
    const partitions = engine.topic(topic).partitions.map((_, index) => engine.partition(topic, index))
    const coordinator = await this.coordinator()
    const committed = new Map(
      (
        await coordinator.fetchOffsets(
          group,
          partitions.map(({ index }) => ({ topic, partition: index })),
        )
      ).map(({ partition, offset }) => [partition, offset]),
    )
    const wanted = partitions.flatMap((partition) => {
      const offset = this.#target(partition, to, committed.get(partition.index))
      return offset === undefined ? [] : [{ topic, partition: partition.index, offset, leaderEpoch: -1, metadata: '' }]
    })
    const request = { memberId: '', groupInstanceId: null, generation: -1, offsets: wanted }
    requireCommitted(group, await coordinator.commit(group, request))
    return wanted.map(({ partition, offset }) => ({ partition, offset }))
  }

  async close(): Promise<void> {
    await this.#coordinator?.close()
  }

  #loaded(): GroupCoordinator {
    if (this.#coordinator !== null) return this.#coordinator
    const { log, clock, logger, randomId } = this.#parts
    const coordinator = new GroupCoordinator({ clock, log, randomId, logger })
    log.replay((key, value) => coordinator.replay(key, value))
    coordinator.start()
    this.#coordinator = coordinator
    return coordinator
  }

  /** Undefined for a topic that is gone, and for what the store keeps for itself. */
  #lag({ topic, partition: index, offset }: FetchedOffset): GroupLag | undefined {
    const { engine, clock } = this.#parts
    if (topic === offsetsTopic || !engine.has(topic, index)) return undefined
    const partition = engine.partition(topic, index)
    const { highWatermark, logStartOffset } = partition
    const from = Math.max(offset, logStartOffset)
    const lag = Math.max(0, highWatermark - from)
    const oldest = lag === 0 ? -1 : timestampAt(partition, from)
    const lagMs = oldest < 0 ? 0 : Math.max(0, clock.wallMs() - oldest)
    return { topic, partition: index, committedOffset: offset, highWatermark, lag, lagMs }
  }

  #target(partition: Partition, to: ResetTarget, committed: number | undefined): number | undefined {
    const { logStartOffset, highWatermark } = partition
    const within = (offset: number): number => Math.min(Math.max(offset, logStartOffset), highWatermark)
    const at = (timestamp: number): number => partition.offsetForTimestamp(timestamp)?.offset ?? highWatermark
    if (to === 'earliest') return logStartOffset
    if (to === 'latest') return highWatermark
    if (typeof to === 'number' && Number.isSafeInteger(to) && to >= 0) return within(to)
    if (typeof to !== 'object' || to === null) throw badTarget(to)
    const given = to as Record<string, unknown>
    const [name, ...others] = Object.keys(given)
    const value = given[name ?? '']
    if (name === 'timestamp' || name === 'durationMs' || name === 'shiftBy') {
      if (others.length > 0 || !Number.isSafeInteger(value)) throw badTarget(to)
      if (name === 'timestamp') return at(value as number)
      if (name === 'durationMs') return at(this.#parts.clock.wallMs() - (value as number))
      return within((committed ?? logStartOffset) + (value as number))
    }
    for (const [index, offset] of Object.entries(given)) {
      if (!/^[0-9]+$/.test(index) || !Number.isSafeInteger(offset) || (offset as number) < 0) throw badTarget(to)
    }
    const own = given[partition.index] as number | undefined
    return own === undefined ? undefined : within(own)
  }
}

/** Of the first record at or after an offset; -1 for none. */
function timestampAt(partition: Partition, offset: number): number {
  for (const batch of partition.read(offset, { maxBytes: 1 })) {
    for (const record of batch) if (record.offset >= offset) return record.timestamp
  }
  return -1
}

function memberInfo({ memberId, groupInstanceId, clientId, assignment }: GroupDescription['members'][number]) {
  return { memberId, groupInstanceId, clientId, assignment: assignmentOf(assignment) }
}

/** Members of other protocols say what only they understand. */
function assignmentOf(bytes: Uint8Array): GroupMemberInfo['assignment'] {
  if (bytes.byteLength === 0) return []
  try {
    return decodeAssignment(bytes).assignedPartitions
  } catch {
    return []
  }
}

function notFound(group: string): VarveError {
  return new VarveError('VARVE_GROUP_NOT_FOUND', `There is no group "${group}".`, { details: { group } })
}

function badTarget(to: unknown): VarveError {
  return new VarveError(
    'VARVE_INVALID_ARGUMENT',
    `Offsets are reset to "earliest", "latest", an offset, { timestamp }, { durationMs }, { shiftBy } or { [partition]: offset }, not ${JSON.stringify(to) ?? String(to)}.`,
    { details: { argument: 'to' } },
  )
}
