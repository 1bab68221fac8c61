import type { Clock } from '../env/clock.ts'
import type { Logger } from '../env/logger.ts'
import { VarveError } from '../errors.ts'
import type { Durability } from '../log/log.ts'
import { applicableConfigs } from '../metadata/topic-configs.ts'
import type { Partition } from '../partition/partition.ts'
import type { LogSettings } from '../settings/log-settings.ts'
import { parseLogSettingTexts } from '../settings/parse-log-settings.ts'
import type { LogRoot } from '../storage/log-root.ts'
import { foldersPutAside, removeFolderLater } from './partition-folder.ts'
import type { Partitions } from './partitions.ts'

/** What the engine must know of a topic. */
export interface TopicFacts {
  readonly name: string
  readonly topicId: string
  /** By partition number. */
  readonly partitions: readonly PartitionFacts[]
  /** Settings that were set for the topic, as texts, by Kafka's names. */
  readonly configs: ReadonlyMap<string, string>
}

export interface PartitionFacts {
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
}

/** The topics that there are, as the metadata has them now. */
export interface TopicCatalog {
  topic(name: string): TopicFacts | undefined
  topics(): Iterable<TopicFacts>
}

export interface EngineParts {
  readonly root: LogRoot
  readonly partitions: Partitions
  readonly catalog: TopicCatalog
  readonly clock: Clock
  readonly logger: Logger
  /** What a topic has that sets nothing itself. */
  readonly defaults: LogSettings
  /** The level that somebody set for the store; null when nobody did. */
  readonly durability: Durability | null
}

/**
 * Topics and their partitions on one broker: finds the partition, opens its log when it is first used, and deletes what
 * belongs to topics that are gone.
 *
 * One owner, the store; on the thread that opened it.
 */
export class Engine {
  readonly partitions: Partitions
  readonly #parts: EngineParts
  /** By topic id: settings are parsed once, and again after a change. */
  readonly #settings = new Map<string, LogSettings>()
  #removing: Promise<void> = Promise.resolve()

  constructor(parts: EngineParts) {
    this.#parts = parts
    this.partitions = parts.partitions
  }

  /** @throws VARVE_UNKNOWN_TOPIC. */
  topic(name: string): TopicFacts {
    const topic = this.#parts.catalog.topic(name)
    if (topic !== undefined) return topic
    throw new VarveError('VARVE_UNKNOWN_TOPIC', `There is no topic "${name}". Make it with createTopic() first.`, {
      details: { topic: name },
    })
  }

  /** Whether there is such a partition. */
  has(name: string, index: number): boolean {
    return this.#parts.catalog.topic(name)?.partitions[index] !== undefined
  }

  /**
   * A partition, its log open.
   * @throws VARVE_UNKNOWN_TOPIC, VARVE_BUSY (retriable: an earlier topic of the name is being deleted), and as `openLog`.
   */
  partition(name: string, index: number): Partition {
    const topic = this.topic(name)
    const opened = this.partitions.opened(name, index)
    if (opened !== undefined) {
      if (opened.topicId === topic.topicId) return opened
      // What would be appended to it goes with the topic that was deleted.
      throw new VarveError('VARVE_BUSY', `The topic that was "${name}" before is still being deleted. Try again.`, {
        details: { topic: name, partition: index },
      })
    }
    const facts = topic.partitions[index]
    if (facts === undefined) {
      const last = topic.partitions.length - 1
      throw new VarveError('VARVE_UNKNOWN_TOPIC', `"${name}" has partitions 0 to ${last}, not ${index}.`, {
        details: { topic: name, partition: index, partitionCount: topic.partitions.length },
      })
    }
    return this.partitions.open({
      topic: name,
      topicId: topic.topicId,
      index,
      leaderEpoch: facts.leaderEpoch,
      partitionEpoch: facts.partitionEpoch,
      replicas: facts.replicas,
      inSyncReplicas: facts.isr,
      settings: this.settingsOf(topic),
      minDurability: this.#minDurabilityOf(topic),
    })
  }

  /** A topic's settings: what was set for it, else the store's. */
  settingsOf(topic: TopicFacts): LogSettings {
    let settings = this.#settings.get(topic.topicId)
    if (settings === undefined) {
      settings = parseLogSettingTexts(applicableConfigs(topic.configs), this.#parts.defaults)
      this.#settings.set(topic.topicId, settings)
    }
    return settings
  }

  /** Only a level that somebody set is a minimum; the built-in default is none. */
  #minDurabilityOf(topic: TopicFacts): Durability {
    return topic.configs.has('durability') ? this.settingsOf(topic).durability : (this.#parts.durability ?? 'buffered')
  }

  /** The topic's settings have changed: its open logs are told. */
  settingsChanged(topic: TopicFacts): void {
    this.#settings.delete(topic.topicId)
    const settings = this.settingsOf(topic)
    const minDurability = this.#minDurabilityOf(topic)
    for (let index = 0; index < topic.partitions.length; index++) {
      this.partitions.reconfigure(topic.name, index, settings, minDurability)
    }
  }

  /** The topic is gone from the metadata: its logs are closed, its folders put aside at once and removed later. */
  async removed(topic: TopicFacts): Promise<void> {
    this.#settings.delete(topic.topicId)
    for (let index = 0; index < topic.partitions.length; index++) {
      await this.partitions.remove({ topic: topic.name, topicId: topic.topicId, index })
    }
    await this.#parts.root.write()
    this.removePutAside()
  }

  /** Removes, in the background, the folders of topics that were deleted, also before this process began. */
  removePutAside(): void {
    const { root, logger } = this.#parts
    this.#removing = this.#removing.then(async () => {
      for (const folder of foldersPutAside(root)) {
        try {
          await removeFolderLater(root.disk, folder)
        } catch (failure) {
          logger.warn('the folder of a deleted topic could not be removed; the next open tries again', {
            folder,
            failure,
          })
        }
      }
    })
  }

  /** Closes every log. @returns whether everything was flushed. @throws the first failure, once all are closed. */
  async close(): Promise<boolean> {
    await this.#removing
    return this.partitions.close()
  }
}
