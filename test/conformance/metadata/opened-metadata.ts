/** The metadata of a data folder, opened for a test as a store opens it. */
import { randomBytes } from 'node:crypto'
import { preparePartitionFolder } from '../../../src/engine/partition-folder.ts'
import type { Clock } from '../../../src/env/clock.ts'
import { type Logger, silentLogger } from '../../../src/env/logger.ts'
import { systemClock } from '../../../src/env/node/clock.ts'
import { compressionCodecs } from '../../../src/env/node/codecs/index.ts'
import type { Log } from '../../../src/log/log.ts'
import { openLogIn } from '../../../src/log/open-log-in.ts'
import { Controller } from '../../../src/metadata/controller.ts'
import { metadataLogSettings, metadataTopicId } from '../../../src/metadata/metadata-log.ts'
import { metadataTopic } from '../../../src/metadata/topic-name.ts'
import { Disk } from '../../../src/storage/disk.ts'
import { LogRoot } from '../../../src/storage/log-root.ts'
import { decodeMetaProperties, encodeMetaProperties, metaPropertiesName } from '../../../src/storage/meta-properties.ts'

export const metadataFolderName = `${metadataTopic}-0`

export interface OpenMetadataOptions {
  readonly disk?: Disk
  readonly clock?: Clock
  readonly logger?: Logger
  readonly clusterId?: string
  readonly newId?: () => string
  readonly snapshotBytes?: number
}

export const randomId = (): string => randomBytes(16).toString('base64url')

/** Root and log, both open; who opens the metadata on it closes the log with it, and then the root. */
export function openMetadataLog(folder: string, options: OpenMetadataOptions = {}): { root: LogRoot; log: Log } {
  const { disk = Disk.real(), clock = systemClock, logger = silentLogger } = options
  const { clusterId = 'varveTestCluster_00001', newId = randomId } = options
  disk.makeFolder(folder)
  const properties = `${folder}/${metaPropertiesName}`
  if (disk.stat(properties) === null) {
    disk.replaceFile(properties, encodeMetaProperties({ nodeId: 1, clusterId, directoryId: newId() }, clock.wallMs()))
  }
  const location = { folder: `${folder}/${metadataFolderName}`, root: folder, logName: metadataFolderName }
  const root = LogRoot.open(disk, location, 'a test', logger)
  preparePartitionFolder(root, { topic: metadataTopic, topicId: metadataTopicId, index: 0 })
  const log = openLogIn({
    root,
    location,
    settings: metadataLogSettings,
    minDurability: 'buffered',
    backend: undefined,
    clock,
    logger,
    codecs: compressionCodecs,
    onClosed: () => {},
  })
  return { root, log }
}

export class OpenedMetadata {
  readonly root: LogRoot
  readonly log: Log
  readonly controller: Controller

  private constructor(root: LogRoot, log: Log, controller: Controller) {
    this.root = root
    this.log = log
    this.controller = controller
  }

  /** Opens the metadata in a data folder, which a Kafka may have left; a missing one is made, of node 1. */
  static async open(folder: string, options: OpenMetadataOptions = {}): Promise<OpenedMetadata> {
    const { disk = Disk.real(), clock = systemClock, logger = silentLogger, newId = randomId } = options
    const { root, log } = openMetadataLog(folder, options)
    try {
      const { nodeId, directoryId } = decodeMetaProperties(disk.readText(`${folder}/${metaPropertiesName}`)!)
      const controller = await Controller.open({
        disk,
        log,
        clock,
        logger,
        codecs: compressionCodecs,
        nodeId,
        folder,
        directoryId: directoryId!,
        endPoints: [],
        defaultPartitions: 1,
        newId,
        snapshotBytes: options.snapshotBytes,
      })
      return new OpenedMetadata(root, log, controller)
    } catch (failure) {
      await log.close()
      root.close(false)
      throw failure
    }
  }

  async close(): Promise<void> {
    let clean = false
    try {
      await this.controller.close()
      clean = true
    } finally {
      this.root.close(clean)
    }
  }
}
