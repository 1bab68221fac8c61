import { randomBytes, randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import { Engine } from '../engine/engine.ts'
import { preparePartitionFolder } from '../engine/partition-folder.ts'
import { Partitions } from '../engine/partitions.ts'
import type { Clock } from '../env/clock.ts'
import { type Logger, silentLogger } from '../env/logger.ts'
import { systemClock } from '../env/node/clock.ts'
import { compressionCodecs } from '../env/node/codecs/index.ts'
import { VarveError } from '../errors.ts'
import type { Backend } from '../log/open-log-in.ts'
import { openLogIn } from '../log/open-log-in.ts'
import type { RecoveryProgress } from '../log/recovery.ts'
import { Controller } from '../metadata/controller.ts'
import { metadataLogSettings, metadataTopicId } from '../metadata/metadata-log.ts'
import { metadataTopic } from '../metadata/topic-name.ts'
import type { LogSettingOptions } from '../settings/log-settings.ts'
import { parseLogSettings } from '../settings/parse-log-settings.ts'
import { Disk } from '../storage/disk.ts'
import { LogRoot } from '../storage/log-root.ts'
import {
  decodeMetaProperties,
  encodeMetaProperties,
  type MetaProperties,
  metaPropertiesName,
} from '../storage/meta-properties.ts'
import { partitionFolderName } from '../storage/segment-names.ts'
import { EmbeddedSource } from './embedded-source.ts'
import { EmbeddedTarget } from './embedded-target.ts'
import { StoreGroupLog } from './group-log.ts'
import { Groups } from './groups.ts'
import { backendOf, holderText, notAFolder, requireFolderPath, splitOptions } from './open-options.ts'
import { ProducerIds } from './producer-ids.ts'
import { Store } from './store.ts'

/** How a store is opened, beside the settings that its topics have where they set none themselves. */
export interface StoreOpenOptions {
  /** As for a log: default what suits the file system; the environment variable VARVE_BACKEND sets another default. */
  readonly backend?: Backend | undefined
  /** Told while a log is checked after a crash, which happens when its partition is first used. */
  readonly onProgress?: ((progress: RecoveryProgress) => void) | undefined
  /** Gets what no caller waits to hear; default: nobody does. */
  readonly logger?: Logger | undefined
  /** For tests: the clock that moves retention, timeouts and time stamps. */
  readonly clock?: Clock | undefined
  /** For tests: a simulated disk. */
  readonly disk?: Disk | undefined
}

export type OpenStoreOptions = StoreOpenOptions & LogSettingOptions

const openOptionNames = ['backend', 'onProgress', 'logger', 'clock', 'disk'] as const

/** The one node of an embedded store, as Kafka's configuration examples have it. */
const nodeId = 1

/**
 * Opens the store in a data folder, and makes one where there is none.
 *
 * @param folder Path of a folder; made, with its parents. It may be one that a single Kafka broker wrote.
 * @param options Settings by either name (`retention.ms` or `retentionMs`), which hold for all topics that do not set
 * them, and how to open it. A `durability` that is set is a minimum: no topic or call goes below it unnoticed.
 * @returns The store. Its topics are known; the log of a partition is opened, and after a crash checked, when it is first
 * used.
 * @throws VARVE_INVALID_ARGUMENT (naming the option and the one that was meant), VARVE_LOCKED (naming the holder),
 * VARVE_NOT_A_FOLDER, VARVE_FOREIGN_FOLDER (files are there, but no store), VARVE_PERMISSION, VARVE_READ_ONLY,
 * VARVE_FORMAT_TOO_NEW, VARVE_CORRUPT, VARVE_UNSUPPORTED (a member of a Kafka cluster of several nodes).
 * Cost: one pass over the metadata since its last snapshot, and three flushes.
 */
export async function open(folder: string, options: OpenStoreOptions = {}): Promise<Store> {
  requireFolderPath(folder)
  const { open: how, settings: given } = splitOptions(options, openOptionNames)
  const { onProgress, logger = silentLogger, clock = systemClock } = how as StoreOpenOptions
  const defaults = parseLogSettings(given, undefined, openOptionNames)
  const backend = backendOf((how as StoreOpenOptions).backend)
  const disk = (how as StoreOpenOptions).disk ?? Disk.real()
  const path = disk.simulated ? folder : resolve(folder)
  const isNew = prepareFolder(disk, path)
  const root = LogRoot.open(disk, { folder: path, root: path, logName: metadataTopic }, holderText(), logger)
  try {
    if (isNew) root.markNew()
    const node = nodeOf(disk, path, clock)
    const metadataFolder = preparePartitionFolder(root, { topic: metadataTopic, topicId: metadataTopicId, index: 0 })
    let metadataClean = false
    const log = openLogIn({
      root,
      location: { folder: metadataFolder, root: path, logName: partitionFolderName(metadataTopic, 0) },
      settings: metadataLogSettings,
      minDurability: 'synced',
      backend,
      clock,
      logger,
      codecs: compressionCodecs,
      onClosed: (clean) => {
        metadataClean = clean
      },
    })
    const controller = await Controller.open({
      disk,
      log,
      clock,
      logger,
      codecs: compressionCodecs,
      nodeId: node.nodeId,
      folder: path,
      directoryId: node.directoryId,
      endPoints: [],
      defaultPartitions: 1,
      newId,
    }).catch(async (failure: unknown) => {
      await log.close().catch(() => {})
      throw failure
    })
    const partitions = new Partitions({
      root,
      self: node.nodeId,
      clock,
      logger,
      codecs: compressionCodecs,
      backend,
      onProgress,
    })
    const durability = given.durability === undefined ? null : defaults.durability
    const engine = new Engine({ root, partitions, catalog: controller.image, clock, logger, defaults, durability })
    engine.removePutAside()
    const ids = new ProducerIds(controller)
    const crc32c = (bytes: Uint8Array): number => disk.addon.crc32c(bytes, 0)
    const groupLog = new StoreGroupLog(engine, controller, { now: () => clock.wallMs(), crc32c })
    return new Store({
      folder: path,
      engine,
      controller,
      groups: new Groups({ engine, log: groupLog, clock, logger, randomId: randomUUID }),
      source: new EmbeddedSource(engine),
      producerParts: {
        target: new EmbeddedTarget(engine, () => ids.next()),
        clock,
        codecs: compressionCodecs,
        crc32c,
        random: Math.random,
      },
      settings: given as LogSettingOptions,
      release: (clean) => root.close(clean && metadataClean, controller.brokerEpoch),
    })
  } catch (failure) {
    root.close(false)
    throw failure
  }
}

/** @returns whether there is no store in it yet. */
function prepareFolder(disk: Disk, path: string): boolean {
  const known = disk.stat(path)
  if (known === null) {
    disk.makeFolder(path)
    return true
  }
  if (!known.folder) throw notAFolder(path)
  if (disk.stat(`${path}/${metaPropertiesName}`) !== null) return false
  // What a killed process may have left of a store that it was just making.
  const ownNames = ['.lock', 'varve-tails', `${metaPropertiesName}.tmp`]
  const stranger = (disk.list(path) ?? []).find(({ name }) => !ownNames.includes(name))
  if (stranger === undefined) return true
  throw new VarveError(
    'VARVE_FOREIGN_FOLDER',
    `${path} holds files (such as ${stranger.name}), but no store. Nothing was changed. Name an empty folder, or one that does not exist yet.`,
    { details: { path, stranger: stranger.name } },
  )
}

/** Which node the folder belongs to; a new folder gets ids of its own. */
function nodeOf(disk: Disk, path: string, clock: Clock): MetaProperties & { directoryId: string } {
  const text = disk.readText(`${path}/${metaPropertiesName}`)
  const known = text === null ? { nodeId, clusterId: newId(), directoryId: undefined } : decodeMetaProperties(text)
  if (known.directoryId !== undefined) return { ...known, directoryId: known.directoryId }
  const node = { ...known, directoryId: newId() }
  disk.replaceFile(`${path}/${metaPropertiesName}`, encodeMetaProperties(node, clock.wallMs()))
  return node
}

/** Sixteen random bytes, base64url. None begins with `-`, which command lines would take for an option, or is Kafka's own. */
function newId(): string {
  for (;;) {
    const bytes = randomBytes(16)
    const text = bytes.toString('base64url')
    if (!text.startsWith('-') && bytes.subarray(0, 15).some((byte) => byte !== 0)) return text
  }
}
