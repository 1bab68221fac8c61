/**
 * What the controller of a store decides: which records a request becomes, or why it is refused. Pure.
 *
 * Each decision is a function of the image and the request; nothing changes before its records are in the metadata log
 * and folded into the image. Whoever drives it decides one request after another. A request over several topics answers
 * each by itself: those that are accepted share one batch, so that all of them are there after a crash or none.
 */
import { check } from '../base/check.ts'
import { VarveError } from '../errors.ts'
import type { MetadataRecordInput } from '../protocol/metadata-log/metadata-records.ts'
import type { RegisteredEndPoint, RegisteredFeature } from './bootstrap.ts'
import { ConfigResource, type MetadataImage, type PartitionImage, type TopicImage } from './metadata-image.ts'
import { leastMetadataVersion, type RecordVersions, recordVersionsAt } from './record-versions.ts'
import { type ConfigChange, changedConfigs, configDifference, replacedConfigs } from './topic-configs.ts'
import { collisionKey, metadataTopic, requireTopicName } from './topic-name.ts'

/** What a decision leaves to be written, in one batch, before its result is told. */
export interface Decision<Result> {
  readonly records: readonly MetadataRecordInput[]
  readonly result: Result
}

/** One of several that a request asks for. */
export type Outcome<Result> = Result | VarveError

export interface NewTopic {
  readonly name: string
  /** 16 random bytes, base64url: drawn by the caller for this creation. */
  readonly topicId: string
  /** Undefined or -1: as many as the store's default says, or as `assignments` has. */
  readonly partitions?: number | undefined
  /** Undefined or -1 is the default, 1. */
  readonly replicationFactor?: number | undefined
  /** Brokers of each partition, by its number. */
  readonly assignments?: readonly (readonly number[])[] | undefined
  /** Texts by either name of the setting. */
  readonly configs?: Readonly<Record<string, string>> | undefined
}

export interface CreatedTopic {
  readonly name: string
  readonly topicId: string
  readonly partitionCount: number
  readonly replicationFactor: number
  readonly configs: ReadonlyMap<string, string>
}

export type TopicTarget = { readonly name: string } | { readonly topicId: string }

export interface MorePartitions {
  readonly topic: string
  /** How many there are to be in all. */
  readonly count: number
  /** Brokers of each new partition. */
  readonly assignments?: readonly (readonly number[])[] | null | undefined
}

export interface BrokerStart {
  /** Made anew at each start of the process. */
  readonly incarnationId: string
  readonly endPoints: readonly RegisteredEndPoint[]
  readonly features: readonly RegisteredFeature[]
  /** Offset that the first record of the decision will get. */
  readonly baseOffset: number
}

/** Whose partitions these are. */
export interface ControllerSelf {
  readonly nodeId: number
  /** `directory.id` of meta.properties. */
  readonly directoryId: string
  /** `num.partitions` */
  readonly defaultPartitions: number
}

/**
 * Partitions of one topic, and records of one decision, as with Kafka: what is decided together is written as one batch,
 * about 700 KB then. A partition's number has four digits at most, so the longest topic name and it fit a file name.
 */
export const partitionsPerTopicMax = 10_000

/** Partitions of a store: about 70 MB of heap for their image, and two seconds of opening. */
export const partitionsMax = 200_000

/** Producer ids that are given away at once, as with Kafka. */
export const producerIdBlockSize = 1000

const int64Max = (1n << 63n) - 1n

export class ControllerMachine {
  readonly #image: MetadataImage
  readonly #self: ControllerSelf

  constructor(image: MetadataImage, self: ControllerSelf) {
    this.#image = image
    this.#self = self
  }

  // ---- topics

  /**
   * Refusals by code: VARVE_INVALID_TOPIC, VARVE_TOPIC_EXISTS, VARVE_INVALID_PARTITIONS, VARVE_INVALID_CONFIG,
   * VARVE_INVALID_REPLICATION_FACTOR, VARVE_INVALID_REPLICA_ASSIGNMENT, VARVE_INVALID_ARGUMENT, VARVE_POLICY_VIOLATION.
   */
  createTopics(topics: readonly NewTopic[]): Decision<Outcome<CreatedTopic>[]> {
    const records: MetadataRecordInput[] = []
    const names = new Map<string, string>()
    let partitionCount = this.#image.partitionCount
    const result = topics.map((topic) =>
      outcomeOf(() => {
        const { created, records: its } = this.#createTopic(topic, names)
        checkStoreLimit(partitionCount + created.partitionCount)
        if (records.length > 0) checkDecisionSize(records.length + its.length)
        partitionCount += created.partitionCount
        names.set(topic.name, topic.name)
        names.set(sameKey(topic.name), topic.name)
        records.push(...its)
        return created
      }),
    )
    return { records, result }
  }

  #createTopic(
    topic: NewTopic,
    names: ReadonlyMap<string, string>,
  ): { created: CreatedTopic; records: MetadataRecordInput[] } {
    const { name, topicId, assignments, partitions = -1, replicationFactor = -1 } = topic
    this.#checkNewName(name, names)
    check(this.#image.topicById(topicId) === undefined, 'the id of a new topic is new')
    const partitionCount = this.#partitionCount(name, partitions, assignments)
    if (assignments === undefined) this.#checkReplicationFactor(name, replicationFactor)
    else if (partitions !== -1 || replicationFactor !== -1) {
      throw new VarveError(
        'VARVE_INVALID_ARGUMENT',
        `Topic "${name}" has assignments and a number of partitions or replicas too: leave those at -1.`,
        { details: { topic: name } },
      )
    } else this.#checkAssignments(name, assignments)
    const configs = replacedConfigs(new Map(), Object.entries(topic.configs ?? {}))
    const records: MetadataRecordInput[] = [{ type: 'TopicRecord', version: 0, value: { name, topicId } }]
    for (const [config, value] of [...configs].sort(([a], [b]) => (a < b ? -1 : 1))) {
      records.push(configRecord(name, config, value))
    }
    for (let index = 0; index < partitionCount; index++) records.push(this.#newPartition(topicId, index))
    return { created: { name, topicId, partitionCount, replicationFactor: 1, configs }, records }
  }

  #checkNewName(name: string, names: ReadonlyMap<string, string>): void {
    requireTopicName(name)
    if (name === metadataTopic) {
      throw new VarveError('VARVE_INVALID_TOPIC', `"${name}" is the store's own log: choose another name.`, {
        details: { topic: name },
      })
    }
    if (names.get(name) === name) {
      throw new VarveError('VARVE_INVALID_ARGUMENT', `Topic "${name}" is named twice in one request.`, {
        details: { topic: name },
      })
    }
    if (this.#image.topic(name) !== undefined) {
      throw new VarveError('VARVE_TOPIC_EXISTS', `There is a topic "${name}" already.`, { details: { topic: name } })
    }
    const other = this.#image.collidingTopic(name) ?? names.get(sameKey(name))
    if (other === undefined) return
    throw new VarveError(
      'VARVE_INVALID_TOPIC',
      `"${name}" collides with topic "${other}": names may not differ by "." and "_" alone.`,
      { details: { topic: name, other } },
    )
  }

  #partitionCount(name: string, asked: number, assignments: NewTopic['assignments']): number {
    const count = assignments?.length ?? (asked === -1 ? this.#self.defaultPartitions : asked)
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new VarveError(
        'VARVE_INVALID_PARTITIONS',
        `Topic "${name}" cannot have ${String(count)} partitions: ask for 1 to ${partitionsPerTopicMax}.`,
        { details: { topic: name, partitions: count } },
      )
    }
    checkTopicLimit(name, count)
    return count
  }

  #checkReplicationFactor(name: string, factor: number): void {
    if (factor === -1 || factor === 1) return
    throw new VarveError(
      'VARVE_INVALID_REPLICATION_FACTOR',
      `Topic "${name}" cannot have ${String(factor)} replicas: there is one broker.`,
      { details: { topic: name, replicationFactor: factor } },
    )
  }

  #checkAssignments(name: string, assignments: readonly (readonly number[])[]): void {
    for (const [index, brokers] of assignments.entries()) {
      if (brokers?.length === 1 && brokers[0] === this.#self.nodeId) continue
      throw new VarveError(
        'VARVE_INVALID_REPLICA_ASSIGNMENT',
        `New partition ${index} of "${name}" cannot be on brokers [${String(brokers)}]: there is broker ${this.#self.nodeId} alone.`,
        { details: { topic: name, index } },
      )
    }
  }

  #newPartition(topicId: string, partitionId: number): MetadataRecordInput {
    const { nodeId, directoryId } = this.#self
    return {
      type: 'PartitionRecord',
      version: this.#versions.partition,
      value: {
        partitionId,
        topicId,
        replicas: [nodeId],
        isr: [nodeId],
        removingReplicas: [],
        addingReplicas: [],
        leader: nodeId,
        leaderEpoch: 0,
        partitionEpoch: 0,
        directories: [directoryId],
      },
    }
  }

  /**
   * Refusals by code: VARVE_UNKNOWN_TOPIC, VARVE_UNKNOWN_TOPIC_ID, VARVE_INVALID_ARGUMENT, VARVE_POLICY_VIOLATION.
   * The result is the topics with their partitions as they were.
   */
  deleteTopics(targets: readonly TopicTarget[]): Decision<Outcome<TopicImage>[]> {
    const records: MetadataRecordInput[] = []
    const gone = new Set<string>()
    const result = targets.map((target) =>
      outcomeOf(() => {
        const topic = 'name' in target ? this.#topic(target.name) : this.#topicById(target.topicId)
        if (gone.has(topic.topicId)) {
          throw new VarveError('VARVE_INVALID_ARGUMENT', `Topic "${topic.name}" is named twice in one request.`, {
            details: { topic: topic.name },
          })
        }
        const dropped = configDifference(topic.configs, new Map())
        checkDecisionSize(records.length + dropped.length + 1)
        gone.add(topic.topicId)
        // They go with the topic; but Kafka, reading its log from the start, gives them to the next topic of the name.
        for (const [name, value] of dropped) records.push(configRecord(topic.name, name, value))
        records.push({ type: 'RemoveTopicRecord', version: 0, value: { topicId: topic.topicId } })
        return topic
      }),
    )
    return { records, result }
  }

  /** Refusals by code: VARVE_UNKNOWN_TOPIC, VARVE_INVALID_PARTITIONS, VARVE_INVALID_REPLICA_ASSIGNMENT, VARVE_POLICY_VIOLATION. */
  createPartitions({ topic: name, count, assignments }: MorePartitions): Decision<TopicImage> {
    const topic = this.#topic(name)
    const before = topic.partitions.length
    if (!Number.isSafeInteger(count) || count <= before) {
      throw new VarveError(
        'VARVE_INVALID_PARTITIONS',
        `Topic "${name}" has ${before} partitions and cannot get ${String(count)}: there can only be more.`,
        { details: { topic: name, partitions: before, asked: count } },
      )
    }
    checkTopicLimit(name, count)
    checkStoreLimit(this.#image.partitionCount + count - before)
    const added = count - before
    if (assignments !== undefined && assignments !== null) {
      if (assignments.length !== added) {
        throw new VarveError(
          'VARVE_INVALID_REPLICA_ASSIGNMENT',
          `Topic "${name}" gets ${added} partitions, but ${assignments.length} were placed.`,
          { details: { topic: name } },
        )
      }
      this.#checkAssignments(name, assignments)
    }
    const records = Array.from({ length: added }, (_, index) => this.#newPartition(topic.topicId, before + index))
    return { records, result: topic }
  }

  // ---- settings

  /** Sets exactly these. Refusals by code: VARVE_UNKNOWN_TOPIC, VARVE_INVALID_CONFIG, VARVE_INVALID_ARGUMENT. */
  replaceConfigs(name: string, configs: Readonly<Record<string, string>>): Decision<TopicImage> {
    const topic = this.#topic(name)
    return this.#configDecision(topic, replacedConfigs(topic.configs, Object.entries(configs)))
  }

  /** Changes these and lets the others be. Refusals as `replaceConfigs`. */
  changeConfigs(name: string, changes: readonly ConfigChange[]): Decision<TopicImage> {
    const topic = this.#topic(name)
    return this.#configDecision(topic, changedConfigs(topic.configs, changes))
  }

  #configDecision(topic: TopicImage, after: ReadonlyMap<string, string>): Decision<TopicImage> {
    const difference = configDifference(topic.configs, after)
    return { records: difference.map(([name, value]) => configRecord(topic.name, name, value)), result: topic }
  }

  // ---- producers and brokers

  /** Refused with VARVE_POLICY_VIOLATION when no id is left. */
  allocateProducerIds(): Decision<{ readonly firstProducerId: bigint; readonly count: number }> {
    const { nodeId } = this.#self
    const firstProducerId = this.#image.nextProducerId
    const nextProducerId = firstProducerId + BigInt(producerIdBlockSize)
    if (nextProducerId > int64Max) throw new VarveError('VARVE_POLICY_VIOLATION', 'No producer id is left.')
    const brokerEpoch = this.#image.broker(nodeId)?.brokerEpoch ?? -1
    return {
      records: [{ type: 'ProducerIdsRecord', version: 0, value: { brokerId: nodeId, brokerEpoch, nextProducerId } }],
      result: { firstProducerId, count: producerIdBlockSize },
    }
  }

  /**
   * The broker of this process begins: it is registered anew, with the offset of that record as its epoch, and leads what
   * it can lead. As with Kafka each of its partitions gets a new leader epoch: what a process lost that was killed is told
   * apart from what the next one writes. May be more records than one batch takes; each counts by itself.
   */
  startBroker({ incarnationId, endPoints, features, baseOffset }: BrokerStart): Decision<{ brokerEpoch: number }> {
    const { nodeId, directoryId } = this.#self
    const versions = this.#versions
    const records: MetadataRecordInput[] = [
      {
        type: 'RegisterBrokerRecord',
        version: versions.registerBroker,
        value: {
          brokerId: nodeId,
          incarnationId,
          brokerEpoch: baseOffset,
          endPoints,
          features,
          rack: null,
          // There is no other controller that would have to hear of it first.
          fenced: false,
          logDirs: versions.registerBroker >= 3 ? [directoryId] : [],
        },
      },
    ]
    for (const { topicId, partitions } of [...this.#image.topics()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      for (const [partitionId, partition] of partitions.entries()) {
        const change = leading(partition, nodeId, versions)
        if (change === undefined) continue
        const value = { partitionId, topicId, ...change }
        records.push({ type: 'PartitionChangeRecord', version: versions.partition, value })
      }
    }
    return { records, result: { brokerEpoch: baseOffset } }
  }

  /** The broker of this process ends: the next one, which may be a Kafka, need not wait for its session to run out. */
  stopBroker(): Decision<void> {
    const registration = this.#image.broker(this.#self.nodeId)
    if (registration === undefined || registration.fenced) return { records: [], result: undefined }
    const { brokerId, brokerEpoch } = registration
    const version = this.#versions.registrationChange
    return {
      records: [{ type: 'BrokerRegistrationChangeRecord', version, value: { brokerId, brokerEpoch, fenced: 1 } }],
      result: undefined,
    }
  }

  // ---- the rest

  get #versions(): RecordVersions {
    return recordVersionsAt(this.#image.metadataVersion ?? leastMetadataVersion)
  }

  #topic(name: string): TopicImage {
    requireTopicName(name)
    const topic = this.#image.topic(name)
    if (topic !== undefined) return topic
    throw new VarveError('VARVE_UNKNOWN_TOPIC', `There is no topic "${name}".`, { details: { topic: name } })
  }

  #topicById(topicId: string): TopicImage {
    const topic = this.#image.topicById(topicId)
    if (topic !== undefined) return topic
    throw new VarveError('VARVE_UNKNOWN_TOPIC_ID', `There is no topic with the id "${String(topicId).slice(0, 22)}".`, {
      details: { topicId },
    })
  }
}

/** What makes this broker the partition's leader, in a new epoch; undefined where it cannot lead. */
function leading(partition: PartitionImage, nodeId: number, { partition: version }: RecordVersions) {
  const { replicas, isr, leaderRecoveryState, eligibleLeaderReplicas, lastKnownElr } = partition
  const isAlone = replicas.length === 1 && replicas[0] === nodeId
  if (!isAlone && !isr.includes(nodeId) && !eligibleLeaderReplicas.includes(nodeId)) return undefined
  const isInSync = isr.length === 1 && isr[0] === nodeId
  return {
    leader: nodeId,
    ...(isInSync ? {} : { isr: [nodeId] }),
    // With nobody else in sync, what it has is what there is.
    ...(leaderRecoveryState === 0 ? {} : { leaderRecoveryState: 0 }),
    ...(version < 2 || eligibleLeaderReplicas.length === 0 ? {} : { eligibleLeaderReplicas: [] }),
    ...(version < 2 || lastKnownElr.length === 0 ? {} : { lastKnownElr: [] }),
  }
}

function configRecord(resourceName: string, name: string, value: string | null): MetadataRecordInput {
  return { type: 'ConfigRecord', version: 0, value: { resourceType: ConfigResource.topic, resourceName, name, value } }
}

/** A key for names that collide; no name of a topic begins so. */
const sameKey = (name: string): string => `/${collisionKey(name)}`

/** A refusal is the answer for one of several; our own mistakes go through. */
function outcomeOf<Result>(decide: () => Result): Outcome<Result> {
  try {
    return decide()
  } catch (failure) {
    if (failure instanceof VarveError) return failure
    throw failure
  }
}

function checkTopicLimit(topic: string, partitions: number): void {
  if (partitions <= partitionsPerTopicMax) return
  throw new VarveError(
    'VARVE_POLICY_VIOLATION',
    `Topic "${topic}" cannot have ${partitions} partitions: the most is ${partitionsPerTopicMax}.`,
    { details: { topic, partitions, partitionsPerTopicMax } },
  )
}

function checkStoreLimit(partitions: number): void {
  if (partitions <= partitionsMax) return
  throw new VarveError(
    'VARVE_POLICY_VIOLATION',
    `The store would have ${partitions} partitions: the most is ${partitionsMax}. Delete topics first.`,
    { details: { partitions, partitionsMax } },
  )
}

/** One topic always fits; several share a batch up to the same size. */
function checkDecisionSize(recordCount: number): void {
  if (recordCount <= partitionsPerTopicMax) return
  throw new VarveError(
    'VARVE_POLICY_VIOLATION',
    `One request may not become more than ${partitionsPerTopicMax} records: ask for fewer at once.`,
    { details: { recordCount } },
  )
}
