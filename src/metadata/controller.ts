import { VarveError } from '../errors.ts'
import { decodeMetadataRecord } from '../protocol/metadata-log/metadata-records.ts'
import { bootstrapCheckpointName, bootstrapRecords, type RegisteredEndPoint, supportedFeatures } from './bootstrap.ts'
import {
  ControllerMachine,
  type CreatedTopic,
  type Decision,
  type MorePartitions,
  type NewTopic,
  type Outcome,
  type TopicTarget,
} from './controller-machine.ts'
import type { MetadataImage, TopicImage } from './metadata-image.ts'
import { MetadataLog, type MetadataLogParts } from './metadata-log.ts'
import { decodeSnapshot } from './snapshot-file.ts'
import type { ConfigChange } from './topic-configs.ts'

export interface ControllerParts extends MetadataLogParts {
  /** The data folder. */
  readonly folder: string
  /** `directory.id` of its meta.properties. */
  readonly directoryId: string
  /** Where the broker of this process listens; none for an embedded store. */
  readonly endPoints: readonly RegisteredEndPoint[]
  /** Of topics that do not say. */
  readonly defaultPartitions: number
  /** 16 random bytes as 22 characters base64url; none that begins with `-`, which command lines take for an option. */
  readonly newId: () => string
}

/** A topic as a caller asks for it: its id is drawn here. */
export type TopicRequest = Omit<NewTopic, 'topicId'>

export interface RequestOptions {
  /** Only say what the answer would be. Default false. */
  readonly validateOnly?: boolean | undefined
}

/** Requests that wait for those before them; each takes one flush. What comes past it is refused, not kept. */
const waitingMax = 100_000

/**
 * The controller of a store: takes requests one after another, lets `ControllerMachine` decide each on the image as it
 * is then, and answers once the records are on disk and in the image.
 *
 * One owner, the store; on the thread that opened it. Nothing is decided here.
 */
export class Controller {
  readonly image: MetadataImage
  readonly #log: MetadataLog
  readonly #machine: ControllerMachine
  readonly #newId: () => string
  #turn: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #closing: Promise<void> | null = null
  #brokerEpoch = -1

  private constructor(log: MetadataLog, parts: ControllerParts) {
    const { nodeId, directoryId, defaultPartitions, newId } = parts
    this.image = log.image
    this.#log = log
    this.#machine = new ControllerMachine(log.image, { nodeId, directoryId, defaultPartitions })
    this.#newId = newId
  }

  /**
   * Loads the metadata, begins a term and registers this process's broker. A log that nobody began gets what Kafka would
   * begin it with.
   * @throws As `MetadataLog.load` and `Log.append`; the log is left open then.
   */
  static async open(parts: ControllerParts): Promise<Controller> {
    const log = await MetadataLog.load(parts)
    await log.begin()
    if (log.image.metadataVersion === undefined) await log.append(firstRecords(parts))
    const controller = new Controller(log, parts)
    await controller.#start(parts)
    return controller
  }

  async #start({ endPoints, newId }: ControllerParts): Promise<void> {
    const baseOffset = this.#log.nextOffset
    const start = { incarnationId: newId(), endPoints, features: supportedFeatures(), baseOffset }
    const { records, result } = this.#machine.startBroker(start)
    await this.#log.append(records)
    this.#brokerEpoch = result.brokerEpoch
  }

  get brokerEpoch(): number {
    return this.#brokerEpoch
  }

  // ---- topics

  /** Each topic's answer by itself; refusals as `ControllerMachine.createTopics`. Durable on return. */
  createTopics(topics: readonly TopicRequest[], options: RequestOptions = {}): Promise<Outcome<CreatedTopic>[]> {
    const withIds = topics.map((topic) => ({ ...topic, topicId: this.#newId() }))
    return this.#decide(() => this.#machine.createTopics(withIds), options)
  }

  /** @throws As `createTopics` refuses. */
  async createTopic(topic: TopicRequest, options: RequestOptions = {}): Promise<CreatedTopic> {
    return answerOf(await this.createTopics([topic], options))
  }

  /** Each target's answer by itself: the topic, with its partitions as they were. Refusals as `ControllerMachine.deleteTopics`. */
  deleteTopics(targets: readonly TopicTarget[]): Promise<Outcome<TopicImage>[]> {
    return this.#decide(() => this.#machine.deleteTopics(targets))
  }

  /** @throws As `deleteTopics` refuses. */
  async deleteTopic(target: TopicTarget): Promise<TopicImage> {
    return answerOf(await this.deleteTopics([target]))
  }

  /** @returns the topic as it is then. Refusals as `ControllerMachine.createPartitions`. */
  async createPartitions(request: MorePartitions, options: RequestOptions = {}): Promise<TopicImage> {
    return this.#decide(() => this.#machine.createPartitions(request), options)
  }

  /** Sets exactly these settings. @returns the topic as it is then. */
  async replaceConfigs(
    topic: string,
    configs: Readonly<Record<string, string>>,
    options: RequestOptions = {},
  ): Promise<TopicImage> {
    return this.#decide(() => this.#machine.replaceConfigs(topic, configs), options)
  }

  /** Changes these settings. @returns the topic as it is then. */
  async changeConfigs(
    topic: string,
    changes: readonly ConfigChange[],
    options: RequestOptions = {},
  ): Promise<TopicImage> {
    return this.#decide(() => this.#machine.changeConfigs(topic, changes), options)
  }

  // ---- producers

  /** A block of ids that nobody else gets. */
  allocateProducerIds(): Promise<{ readonly firstProducerId: bigint; readonly count: number }> {
    return this.#decide(() => this.#machine.allocateProducerIds())
  }

  // ---- turns

  /** One request after another: each is decided on what those before it have made. */
  async #decide<Result>(
    decide: () => Decision<Result>,
    { validateOnly = false }: RequestOptions = {},
  ): Promise<Result> {
    if (this.#closing !== null) throw new VarveError('VARVE_CLOSED', 'The store is closed. Open it again.')
    if (this.#waiting >= waitingMax) {
      throw new VarveError(
        'VARVE_BUSY',
        `${waitingMax} changes of topics are waiting already: await some of them first.`,
      )
    }
    this.#waiting++
    const answer = this.#turn
      .then(async () => {
        const { records, result } = decide()
        if (!validateOnly) await this.#log.append(records)
        return result
      })
      .finally(() => {
        this.#waiting--
      })
    this.#turn = answer.catch(() => {})
    return answer
  }

  /** Lets what waits be answered, fences the broker, and closes the log. Idempotent. @throws As `MetadataLog.close`. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#turn
    try {
      await this.#log.append(this.#machine.stopBroker().records)
    } finally {
      await this.#log.close()
    }
  }
}

/** What a folder was formatted with, if Kafka did that and was never started. */
function firstRecords({ disk, folder, codecs }: ControllerParts) {
  const bytes = disk.readFile(`${folder}/${bootstrapCheckpointName}`)
  if (bytes === null) return bootstrapRecords()
  const { records } = decodeSnapshot(bytes, (content) => disk.addon.crc32c(content, 0), codecs)
  return records.map((value) => decodeMetadataRecord(value))
}

function answerOf<Result>(outcomes: readonly Outcome<Result>[]): Result {
  const [outcome] = outcomes
  if (outcome instanceof VarveError) throw outcome
  return outcome as Result
}
