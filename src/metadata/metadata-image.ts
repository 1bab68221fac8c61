/**
 * What the records of the metadata log say together: topics, their partitions and settings, brokers, feature levels.
 *
 * A fold: the image is at any time what `apply` was given so far, and `records` gives it back as the least records that
 * make the same image, which is what a snapshot holds. What is not understood here (access control, quotas, passwords,
 * tokens, records of types that are not known) is kept and given back, so that nothing that a Kafka wrote is lost.
 *
 * One instance per store, owned by whoever writes the metadata log; readers see the latest. Pure.
 */
import { VarveError } from '../errors.ts'
import {
  decodeMetadataRecord,
  encodeMetadataRecord,
  type MetadataRecord,
  type MetadataRecordInput,
} from '../protocol/metadata-log/metadata-records.ts'
import { nilUuid } from '../protocol/schema/field.ts'
import { KeptRecords } from './kept-records.ts'
import { leastMetadataVersion, recordVersionsAt } from './record-versions.ts'
import { collisionKey } from './topic-name.ts'

type ValueOf<Type extends MetadataRecord['type']> = Extract<MetadataRecord, { type: Type }>['value']

export type BrokerRegistration = ValueOf<'RegisterBrokerRecord'>
export type ControllerRegistration = ValueOf<'RegisterControllerRecord'>

/** No leader, in partitions. */
export const noLeader = -1

/** Numbers that configuration records have for what they are of. */
export const ConfigResource = { topic: 2, broker: 4, clientMetrics: 16, group: 32 } as const

export interface PartitionImage {
  /** Broker ids, the preferred leader first. */
  readonly replicas: readonly number[]
  /** In-sync replicas. */
  readonly isr: readonly number[]
  /** -1 while nobody leads. */
  readonly leader: number
  /** Rises with each change of the leader, also to the same one. */
  readonly leaderEpoch: number
  /** Rises with each change. */
  readonly partitionEpoch: number
  readonly removingReplicas: readonly number[]
  readonly addingReplicas: readonly number[]
  /** 1 after an unclean election, until the leader has recovered. */
  readonly leaderRecoveryState: number
  /** Ids of the data folders, in the order of `replicas`. */
  readonly directories: readonly string[]
  /** KIP-966. */
  readonly eligibleLeaderReplicas: readonly number[]
  readonly lastKnownElr: readonly number[]
}

export interface TopicImage {
  readonly name: string
  readonly topicId: string
  /** By number, without holes. */
  readonly partitions: readonly PartitionImage[]
  /** Settings that were set for the topic, as texts, by Kafka's names. */
  readonly configs: ReadonlyMap<string, string>
}

interface MutableTopic extends TopicImage {
  readonly partitions: PartitionImage[]
  configs: ReadonlyMap<string, string>
}

const noConfigs: ReadonlyMap<string, string> = new Map()
const none: readonly never[] = Object.freeze([])

export class MetadataImage {
  readonly #byName = new Map<string, MutableTopic>()
  readonly #byId = new Map<string, MutableTopic>()
  /** Names by their collision key, of those that have a `.` or a `_` in them. */
  readonly #collisions = new Map<string, Set<string>>()
  /** By resource type, then name; a topic's stands in the topic too. */
  readonly #configs = new Map<number, Map<string, Map<string, string>>>()
  readonly #features = new Map<string, number>()
  readonly #brokers = new Map<number, BrokerRegistration>()
  readonly #controllers = new Map<number, ControllerRegistration>()
  readonly #kept = new KeptRecords()
  /** Records of a transaction that has not ended (KIP-868); null outside of one. */
  #transaction: { record: MetadataRecord; offset: number }[] | null = null
  #nextProducerId = 0n
  #partitionCount = 0

  // ---- what it says

  topic(name: string): TopicImage | undefined {
    return this.#byName.get(name)
  }

  topicById(topicId: string): TopicImage | undefined {
    return this.#byId.get(topicId)
  }

  /** In no order. */
  topics(): IterableIterator<TopicImage> {
    return this.#byName.values()
  }

  get topicCount(): number {
    return this.#byName.size
  }

  /** Of all topics. */
  get partitionCount(): number {
    return this.#partitionCount
  }

  /** Another topic whose name differs from this one by `.` and `_` alone. */
  collidingTopic(name: string): string | undefined {
    for (const other of this.#collisions.get(collisionKey(name)) ?? []) if (other !== name) return other
    return undefined
  }

  /** What was set for a resource: see `ConfigResource`. The empty name is that of all brokers. */
  configs(resourceType: number, resourceName: string): ReadonlyMap<string, string> {
    return this.#configs.get(resourceType)?.get(resourceName) ?? noConfigs
  }

  /** Finalized levels by the name of the feature. */
  get features(): ReadonlyMap<string, number> {
    return this.#features
  }

  /** Undefined before the first records of a new log. */
  get metadataVersion(): number | undefined {
    return this.#features.get('metadata.version')
  }

  broker(id: number): BrokerRegistration | undefined {
    return this.#brokers.get(id)
  }

  controller(id: number): ControllerRegistration | undefined {
    return this.#controllers.get(id)
  }

  /** All lower ids are given away. */
  get nextProducerId(): bigint {
    return this.#nextProducerId
  }

  /** Records of an unfinished transaction wait for its end: whoever writes next ends it. */
  get inTransaction(): boolean {
    return this.#transaction !== null
  }

  // ---- the fold

  /**
   * Takes in the value of a record of the log.
   * @throws VARVE_UNSUPPORTED_VERSION for a record whose type is known, but not its version: the image would be wrong.
   * VARVE_INVALID_MESSAGE; VARVE_CORRUPT as `apply`.
   */
  applyBytes(bytes: Uint8Array, offset: number): void {
    let record: MetadataRecord
    try {
      record = decodeMetadataRecord(bytes)
    } catch (failure) {
      if (!isUnknownType(failure)) throw failure
      this.#kept.addUnknown(bytes)
      return
    }
    this.apply(record, offset)
  }

  /** @throws VARVE_CORRUPT for a record that does not follow from those before, such as a partition of no topic. */
  apply(record: MetadataRecord, offset: number): void {
    switch (record.type) {
      case 'BeginTransactionRecord':
        if (this.#transaction !== null) throw misfit(offset, 'a transaction begins inside of another one')
        this.#transaction = []
        return
      case 'AbortTransactionRecord':
      case 'EndTransactionRecord': {
        const transaction = this.#transaction
        if (transaction === null) throw misfit(offset, 'a transaction ends that was not begun')
        this.#transaction = null
        if (record.type === 'EndTransactionRecord') for (const one of transaction) this.#fold(one.record, one.offset)
        return
      }
      default:
        if (this.#transaction === null) this.#fold(record, offset)
        else this.#transaction.push({ record, offset })
    }
  }

  /** What is wrong with it as a whole once all records were applied; undefined when nothing is. */
  fault(): string | undefined {
    for (const { name, partitions } of this.#byName.values()) {
      // A hole is found by its length only: iteration skips none, but reading one gives undefined.
      for (let index = 0; index < partitions.length; index++) {
        if (partitions[index] === undefined) return `topic "${name}" has no partition ${index}, but later ones`
      }
    }
    return undefined
  }

  #fold(record: MetadataRecord, offset: number): void {
    switch (record.type) {
      case 'TopicRecord':
        this.#addTopic(record.value, offset)
        break
      case 'PartitionRecord':
        this.#addPartition(record.value, offset)
        break
      case 'PartitionChangeRecord':
        this.#changePartition(record.value, offset)
        break
      case 'RemoveTopicRecord':
        this.#removeTopic(record.value.topicId, offset)
        break
      case 'ConfigRecord':
        this.#setConfig(record.value)
        break
      case 'FeatureLevelRecord':
        if (record.value.featureLevel === 0) this.#features.delete(record.value.name)
        else this.#features.set(record.value.name, record.value.featureLevel)
        break
      case 'RegisterBrokerRecord':
        this.#brokers.set(record.value.brokerId, record.value)
        break
      case 'UnregisterBrokerRecord':
        this.#registration(record.value.brokerId, record.value.brokerEpoch, offset)
        this.#brokers.delete(record.value.brokerId)
        break
      case 'FenceBrokerRecord':
        this.#changeRegistration(record.value.id, record.value.epoch, { fenced: true }, offset)
        break
      case 'UnfenceBrokerRecord':
        this.#changeRegistration(record.value.id, record.value.epoch, { fenced: false }, offset)
        break
      case 'BrokerRegistrationChangeRecord': {
        const { brokerId, brokerEpoch, fenced, inControlledShutdown, logDirs, cordonedLogDirs } = record.value
        const change = {
          ...(fenced === 0 ? {} : { fenced: fenced > 0 }),
          ...(inControlledShutdown === 0 ? {} : { inControlledShutdown: true }),
          ...(logDirs.length === 0 ? {} : { logDirs }),
          ...(cordonedLogDirs === null ? {} : { cordonedLogDirs }),
        }
        this.#changeRegistration(brokerId, brokerEpoch, change, offset)
        break
      }
      case 'RegisterControllerRecord':
        this.#controllers.set(record.value.controllerId, record.value)
        break
      case 'ProducerIdsRecord':
        this.#nextProducerId = record.value.nextProducerId
        break
      case 'ClearElrRecord':
        this.#clearEligible(record.value.topicName, offset)
        break
      case 'NoOpRecord':
        break
      default:
        this.#kept.fold(record)
    }
  }

  #addTopic({ name, topicId }: ValueOf<'TopicRecord'>, offset: number): void {
    if (this.#byName.has(name) || this.#byId.has(topicId)) throw misfit(offset, `topic "${name}" is created twice`)
    const configs = this.configs(ConfigResource.topic, name)
    const topic: MutableTopic = { name, topicId, partitions: [], configs }
    this.#byName.set(name, topic)
    this.#byId.set(topicId, topic)
    if (!/[._]/.test(name)) return
    const key = collisionKey(name)
    const names = this.#collisions.get(key)
    if (names === undefined) this.#collisions.set(key, new Set([name]))
    else names.add(name)
  }

  #removeTopic(topicId: string, offset: number): void {
    const topic = this.#topicOf(topicId, offset)
    this.#byId.delete(topicId)
    this.#byName.delete(topic.name)
    this.#partitionCount -= topic.partitions.length
    // A topic made anew under the name starts without settings.
    this.#configs.get(ConfigResource.topic)?.delete(topic.name)
    const key = collisionKey(topic.name)
    const names = this.#collisions.get(key)
    names?.delete(topic.name)
    if (names?.size === 0) this.#collisions.delete(key)
  }

  #addPartition(value: ValueOf<'PartitionRecord'>, offset: number): void {
    const { partitionId, topicId, replicas, isr, leader, leaderEpoch, partitionEpoch, leaderRecoveryState } = value
    const { partitions } = this.#topicOf(topicId, offset)
    if (partitionId < 0) throw misfit(offset, `a partition has the number ${partitionId}`)
    if (partitions[partitionId] === undefined) this.#partitionCount++
    // Ten thousand partitions of one broker have the same arrays: each is kept once.
    const like = partitions[partitions.length - 1]
    partitions[partitionId] = {
      replicas: shared(replicas, like?.replicas),
      isr: shared(isr, replicas, like?.isr),
      leader,
      leaderEpoch,
      partitionEpoch,
      removingReplicas: shared(value.removingReplicas, none),
      addingReplicas: shared(value.addingReplicas, none),
      leaderRecoveryState,
      directories: shared(directoriesOf(replicas, value.directories), like?.directories),
      eligibleLeaderReplicas: shared(value.eligibleLeaderReplicas ?? none, none),
      lastKnownElr: shared(value.lastKnownElr ?? none, none),
    }
  }

  #changePartition(change: ValueOf<'PartitionChangeRecord'>, offset: number): void {
    const { partitionId, topicId } = change
    const topic = this.#topicOf(topicId, offset)
    const before = topic.partitions[partitionId]
    if (before === undefined) throw misfit(offset, `"${topic.name}" has no partition ${partitionId} to be changed`)
    const keepsLeader = change.leader === unchangedLeader
    const replicas = change.replicas ?? before.replicas
    topic.partitions[partitionId] = {
      replicas,
      isr: change.isr === null ? before.isr : shared(change.isr, replicas, none),
      leader: keepsLeader ? before.leader : change.leader,
      leaderEpoch: keepsLeader ? before.leaderEpoch : before.leaderEpoch + 1,
      partitionEpoch: before.partitionEpoch + 1,
      removingReplicas: change.removingReplicas ?? before.removingReplicas,
      addingReplicas: change.addingReplicas ?? before.addingReplicas,
      leaderRecoveryState: change.leaderRecoveryState < 0 ? before.leaderRecoveryState : change.leaderRecoveryState,
      directories:
        change.directories ?? (change.replicas === null ? before.directories : directoriesOf(replicas, none)),
      eligibleLeaderReplicas: shared(change.eligibleLeaderReplicas ?? before.eligibleLeaderReplicas, replicas, none),
      lastKnownElr: shared(change.lastKnownElr ?? before.lastKnownElr, replicas, none),
    }
  }

  #clearEligible(topicName: string, offset: number): void {
    const topic = this.#byName.get(topicName)
    if (topic === undefined && topicName !== '') throw misfit(offset, `there is no topic "${topicName}"`)
    for (const { partitions } of topic === undefined ? this.#byName.values() : [topic]) {
      for (const [index, partition] of partitions.entries()) {
        if (partition.eligibleLeaderReplicas.length === 0 && partition.lastKnownElr.length === 0) continue
        partitions[index] = { ...partition, eligibleLeaderReplicas: none, lastKnownElr: none }
      }
    }
  }

  #setConfig({ resourceType, resourceName, name, value }: ValueOf<'ConfigRecord'>): void {
    const resources = this.#configs.get(resourceType) ?? new Map<string, Map<string, string>>()
    const configs = resources.get(resourceName) ?? new Map<string, string>()
    if (value === null) configs.delete(name)
    else configs.set(name, value)
    if (configs.size === 0) resources.delete(resourceName)
    else resources.set(resourceName, configs)
    this.#configs.set(resourceType, resources)
    if (resourceType !== ConfigResource.topic) return
    const topic = this.#byName.get(resourceName)
    if (topic !== undefined) topic.configs = configs.size === 0 ? noConfigs : configs
  }

  #registration(id: number, epoch: number, offset: number): BrokerRegistration {
    const known = this.#brokers.get(id)
    if (known?.brokerEpoch === epoch) return known
    throw misfit(offset, `broker ${id} is not registered with epoch ${epoch}`)
  }

  #changeRegistration(id: number, epoch: number, change: Partial<BrokerRegistration>, offset: number): void {
    this.#brokers.set(id, { ...this.#registration(id, epoch, offset), ...change })
  }

  #topicOf(topicId: string, offset: number): MutableTopic {
    const topic = this.#byId.get(topicId)
    if (topic !== undefined) return topic
    throw misfit(offset, `there is no topic with the id ${topicId}`)
  }

  // ---- as records

  /**
   * The records of a snapshot, encoded, in Kafka's order: feature levels, brokers, controllers, topics with their
   * partitions, settings, and what is kept. By name or id within each kind, so that the same image gives the same bytes.
   */
  *records(): Generator<Uint8Array> {
    for (const record of this.#ownRecords()) yield encodeMetadataRecord(record)
    const kept = this.#kept
    for (const record of kept.before) yield encodeMetadataRecord(record)
    if (this.#nextProducerId > 0n) {
      yield encodeMetadataRecord({
        type: 'ProducerIdsRecord',
        version: 0,
        // Whose block was given last is of no use any more.
        value: { brokerId: -1, brokerEpoch: -1, nextProducerId: this.#nextProducerId },
      })
    }
    for (const record of kept.behind) yield encodeMetadataRecord(record)
    yield* kept.unknown
  }

  *#ownRecords(): Generator<MetadataRecordInput> {
    const versions = recordVersionsAt(this.metadataVersion ?? leastMetadataVersion)
    const features = sorted(this.#features)
    // What version the others have follows from this one, so it comes first.
    for (const [name, featureLevel] of features.sort(([a], [b]) => rank(a) - rank(b))) {
      yield { type: 'FeatureLevelRecord', version: 0, value: { name, featureLevel } }
    }
    for (const [, value] of byId(this.#brokers)) {
      yield { type: 'RegisterBrokerRecord', version: versions.registerBroker, value }
    }
    for (const [, value] of byId(this.#controllers)) {
      yield { type: 'RegisterControllerRecord', version: 0, value }
    }
    for (const [name, { topicId, partitions }] of sorted(this.#byName)) {
      yield { type: 'TopicRecord', version: 0, value: { name, topicId } }
      for (const [partitionId, partition] of partitions.entries()) {
        const value = { ...partition, partitionId, topicId, ...eligibleOf(partition) }
        yield { type: 'PartitionRecord', version: versions.partition, value }
      }
    }
    for (const [resourceType, resources] of byId(this.#configs)) {
      for (const [resourceName, configs] of sorted(resources)) {
        for (const [name, value] of sorted(configs)) {
          yield { type: 'ConfigRecord', version: 0, value: { resourceType, resourceName, name, value } }
        }
      }
    }
  }
}

/** Of a change record: the leader stays, and so does its epoch. */
const unchangedLeader = -2

const rank = (feature: string): number => (feature === 'metadata.version' ? 0 : 1)

const sorted = <V>(map: ReadonlyMap<string, V>): [string, V][] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
const byId = <V>(map: ReadonlyMap<number, V>): [number, V][] => [...map].sort(([a], [b]) => a - b)

/** The first of `known` with the same elements, else `values`. */
function shared<T>(values: readonly T[], ...known: (readonly T[] | undefined)[]): readonly T[] {
  return known.find((other) => other !== undefined && sameElements(values, other)) ?? values
}

function sameElements<T>(a: readonly T[], b: readonly T[]): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}

/** Records of before KIP-858 have none: the folder is not known then. */
function directoriesOf(replicas: readonly number[], directories: readonly string[]): readonly string[] {
  return directories.length === replicas.length ? directories : replicas.map(() => nilUuid)
}

/** Kafka leaves out what is empty. */
function eligibleOf(partition: PartitionImage): {
  eligibleLeaderReplicas: readonly number[] | null
  lastKnownElr: readonly number[] | null
} {
  const { eligibleLeaderReplicas, lastKnownElr } = partition
  return {
    eligibleLeaderReplicas: eligibleLeaderReplicas.length === 0 ? null : eligibleLeaderReplicas,
    lastKnownElr: lastKnownElr.length === 0 ? null : lastKnownElr,
  }
}

function isUnknownType(failure: unknown): boolean {
  return (
    failure instanceof VarveError && failure.code === 'VARVE_UNSUPPORTED_VERSION' && 'recordType' in failure.details
  )
}

function misfit(offset: number, reason: string): VarveError {
  return new VarveError('VARVE_CORRUPT', `The metadata record at offset ${offset} does not fit: ${reason}.`, {
    details: { offset, reason },
  })
}
