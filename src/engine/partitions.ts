import type { Clock } from '../env/clock.ts'
import type { CompressionCodecs } from '../env/codecs.ts'
import type { Logger } from '../env/logger.ts'
import type { Durability } from '../log/log.ts'
import { type Backend, openLogIn, segmentOptionsFor } from '../log/open-log-in.ts'
import type { RecoveryProgress } from '../log/recovery.ts'
import { Partition } from '../partition/partition.ts'
import type { LogSettings } from '../settings/log-settings.ts'
import type { LogRoot } from '../storage/log-root.ts'
import { partitionFolderName } from '../storage/segment-names.ts'
import { type PartitionIdentity, preparePartitionFolder, putAside } from './partition-folder.ts'

/** What the metadata says of a partition, and what its topic's settings are. */
export interface PartitionDescription extends PartitionIdentity {
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly replicas: readonly number[]
  readonly inSyncReplicas: readonly number[]
  readonly settings: LogSettings
  /** What somebody set for the store or the topic; 'buffered' when nobody did. */
  readonly minDurability: Durability
}

export interface PartitionsParts {
  readonly root: LogRoot
  /** Id of this broker. */
  readonly self: number
  readonly clock: Clock
  readonly logger: Logger
  readonly codecs: CompressionCodecs
  readonly backend: Backend | undefined
  readonly onProgress?: ((progress: RecoveryProgress) => void) | undefined
}

/** Kafka's `replica.lag.time.max.ms`. */
const replicaLagMaxMs = 30_000

/**
 * The partitions whose logs are open. A log is opened, and after a crash checked, when its partition is first used: a
 * store with ten thousand partitions opens as fast as one with ten.
 *
 * One owner, the engine; calls are synchronous but for closing.
 */
export class Partitions {
  readonly #parts: PartitionsParts
  /** By folder name. */
  readonly #open = new Map<string, Partition>()
  /** Every log so far was flushed as it was closed. */
  #clean = true

  constructor(parts: PartitionsParts) {
    this.#parts = parts
  }

  /** Those that are open, in no order. */
  values(): Iterable<Partition> {
    return this.#open.values()
  }

  /** The partition if its log is open. */
  opened(topic: string, index: number): Partition | undefined {
    return this.#open.get(`${topic}-${index}`)
  }

  /**
   * The partition, opened if it was not. Cost then: a few small reads, and after a crash a pass over what was appended
   * since the log's last checkpoint.
   * @throws As `openLog`.
   */
  open(description: PartitionDescription): Partition {
    const { topic, index, settings, minDurability, leaderEpoch } = description
    const name = partitionFolderName(topic, index)
    const known = this.#open.get(name)
    if (known !== undefined) return known
    const { root, clock, logger, codecs, backend, onProgress, self } = this.#parts
    const folder = preparePartitionFolder(root, description)
    const log = openLogIn({
      root,
      location: { folder, root: root.folder, logName: name },
      settings,
      minDurability,
      backend,
      clock,
      logger,
      codecs,
      onProgress,
      leaderEpoch,
      onClosed: (clean) => {
        this.#clean &&= clean
        this.#open.delete(name)
      },
    })
    const partition = new Partition({ ...description, self, clock, replicaLagMaxMs }, log)
    this.#open.set(name, partition)
    return partition
  }

  /** Gives a partition other settings; one that is not open gets them when it is. */
  reconfigure(topic: string, index: number, settings: LogSettings, minDurability: Durability): void {
    const log = this.opened(topic, index)?.log
    if (log === undefined) return
    const { root, backend } = this.#parts
    const segmentOptions = segmentOptionsFor(root.disk, log.folder, settings, backend)
    log.reconfigure({ settings, segmentOptions, minDurability })
  }

  /** Closes the log of a deleted topic's partition and puts its folder aside. */
  async remove(identity: PartitionIdentity): Promise<void> {
    const partition = this.opened(identity.topic, identity.index)
    // What could not be flushed is deleted anyway.
    await partition?.close().catch(() => {})
    putAside(this.#parts.root, identity)
  }

  /**
   * Closes all of them.
   * @returns whether everything was flushed.
   * @throws the first failure, once all are closed.
   */
  async close(): Promise<boolean> {
    const closed = await Promise.allSettled([...this.#open.values()].map((partition) => partition.close()))
    const failed = closed.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    return this.#clean
  }
}
