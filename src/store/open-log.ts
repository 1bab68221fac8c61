import { resolve } from 'node:path'
import type { Clock } from '../env/clock.ts'
import { type Logger, silentLogger } from '../env/logger.ts'
import { systemClock } from '../env/node/clock.ts'
import { compressionCodecs } from '../env/node/codecs/index.ts'
import { VarveError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import { LogReader, type ReaderCheckpoint } from '../log/log-reader.ts'
import { openLogIn, segmentOptionsFor } from '../log/open-log-in.ts'
import { type RecoveryProgress, refuseForeignFolder } from '../log/recovery.ts'
import type { LogSettingOptions, LogSettings } from '../settings/log-settings.ts'
import { parseLogSettings } from '../settings/parse-log-settings.ts'
import { Disk } from '../storage/disk.ts'
import {
  decodeOffsetCheckpoint,
  logStartCheckpointName,
  recoveryPointCheckpointName,
} from '../storage/kafka-checkpoint.ts'
import { type LogLocation, locateLog } from '../storage/log-location.ts'
import { LogRoot } from '../storage/log-root.ts'
import { partitionMetadataName } from '../storage/partition-metadata.ts'
import { isOfTopic, readCheckpoint, varveCheckpointName } from '../storage/varve-checkpoint.ts'
import { backendOf, holderText, notAFolder, requireChoice, requireFolderPath, splitOptions } from './open-options.ts'

/** How a log is opened, beside its settings. */
export interface OpenOptions {
  /** 'write' (the default) makes the folder if it is missing, and is the folder's one writer. 'read' attaches to a log that another thread or process may be writing, and changes nothing. */
  readonly mode?: 'write' | 'read' | undefined
  /**
   * How files are written: 'mapped' stores into memory maps, 'pwrite' makes system calls. Default: mapped where the file
   * system overwrites in place, else pwrite. The environment variable VARVE_BACKEND sets another default.
   */
  readonly backend?: 'mapped' | 'pwrite' | undefined
  /** Told while the log is checked after a crash. */
  readonly onProgress?: ((progress: RecoveryProgress) => void) | undefined
  /** Gets what no caller waits to hear; default: nobody does. */
  readonly logger?: Logger | undefined
  /** For tests: the clock that moves retention, timeouts and time stamps. */
  readonly clock?: Clock | undefined
  /** For tests: a simulated disk. */
  readonly disk?: Disk | undefined
}

export type WriteOptions = OpenOptions & LogSettingOptions
export type ReadOptions = Omit<OpenOptions, 'mode'> & LogSettingOptions & { readonly mode: 'read' }

const openOptionNames = ['mode', 'backend', 'onProgress', 'logger', 'clock', 'disk'] as const

/**
 * Opens the log in a folder, for writing or, with `mode: 'read'`, to follow it live.
 *
 * @param folder Path of a folder; made, with its parents, when opened for writing.
 * @param options Settings of the log by either name (`retention.ms` or `retentionMs`), and how to open it.
 * @returns A log whose every record was checked where the last writer may have left damage.
 * @throws VARVE_INVALID_ARGUMENT (naming the option and the one that was meant), VARVE_LOCKED (naming the holder),
 * VARVE_NOT_A_FOLDER, VARVE_FOREIGN_FOLDER, VARVE_PERMISSION, VARVE_READ_ONLY, VARVE_FORMAT_TOO_NEW, VARVE_CORRUPT,
 * VARVE_NOT_FOUND (read mode). Nothing was changed, except that a folder may have been made.
 * Cost: after a clean close a few small reads; after a crash a pass over what was appended since the last checkpoint
 * (at most `checkpoint.interval.bytes`, 64 MiB, and what came while it was being written).
 */
export function openLog(folder: string, options: ReadOptions): Promise<LogReader>
export function openLog(folder: string, options?: WriteOptions): Promise<Log>
export async function openLog(folder: string, options: WriteOptions | ReadOptions = {}): Promise<Log | LogReader> {
  const { open, settings } = parseOptions(folder, options)
  const disk = open.disk ?? Disk.real()
  const clock = open.clock ?? systemClock
  const logger = open.logger ?? silentLogger
  const path = disk.simulated ? folder : resolve(folder)
  if (open.mode === 'read') return openReader(disk, clock, path, settings)
  const known = disk.stat(path)
  if (known !== null && !known.folder) throw notAFolder(path)
  if (known === null) disk.makeFolder(path)
  // Somebody else may have made it just now, and not have flushed that.
  else if (disk.stat(`${path}/${varveCheckpointName}`) === null) disk.syncParentFolder(path)
  refuseForeignFolder(disk, path)
  const location = locateLog(disk, path)
  const root = LogRoot.open(disk, location, holderText(), logger)
  try {
    return openLogIn({
      root,
      location,
      settings,
      minDurability: 'durability' in options && options.durability !== undefined ? settings.durability : 'buffered',
      backend: backendOf(open.backend),
      clock,
      logger,
      codecs: compressionCodecs,
      onProgress: open.onProgress,
      onClosed: (clean) => root.close(clean),
    })
  } catch (failure) {
    root.close(false)
    throw failure
  }
}

function openReader(disk: Disk, clock: Clock, path: string, settings: LogSettings): LogReader {
  const known = disk.stat(path)
  if (known === null) {
    throw new VarveError(
      'VARVE_NOT_FOUND',
      `There is no folder ${path}. A reader makes nothing: check the path, or open it for writing first.`,
      {
        details: { path },
      },
    )
  }
  if (!known.folder) throw notAFolder(path)
  const location = locateLog(disk, path)
  return new LogReader({
    disk,
    clock,
    location,
    segmentOptions: segmentOptionsFor(disk, path, settings, 'pwrite'),
    checkpoint: () => checkpointOf(disk, location),
    codecs: compressionCodecs,
    contiguous: !settings.cleanupPolicy.includes('compact'),
  })
}

/** What the last checkpoint says, for a reader of a log that nobody writes; null when it says nothing. */
function checkpointOf(disk: Disk, location: LogLocation): ReaderCheckpoint | null {
  return ownCheckpointOf(disk, location) ?? kafkaCheckpointOf(disk, location)
}

function ownCheckpointOf(disk: Disk, { folder, root, logName }: LogLocation): ReaderCheckpoint | null {
  const bytes = disk.readFile(`${root}/${varveCheckpointName}`)
  if (bytes === null) return null
  const { logs } = orNullIfCorrupt(() => readCheckpoint(bytes).checkpoint) ?? { logs: [] }
  const found = logs.find(({ name }) => name === logName) ?? null
  if (found === null) return null
  const topic = disk.readFile(`${folder}/${partitionMetadataName}`)
  const topicCrc = topic === null ? 0 : disk.addon.crc32c(topic, 0)
  return isOfTopic(found, topicCrc) ? found : { logStartOffset: 0, recoveryPoint: 0 }
}

/** Of a log that varve has not written yet. Its recovery point is believed after a clean close only. */
function kafkaCheckpointOf(disk: Disk, { root, logName }: LogLocation): ReaderCheckpoint | null {
  if (logName === '') return null
  const offsetIn = (file: string): number => {
    const text = disk.readText(`${root}/${file}`)
    const entries = text === null ? null : orNullIfCorrupt(() => decodeOffsetCheckpoint(text))
    return entries?.find(({ topic, partition }) => `${topic}-${partition}` === logName)?.offset ?? 0
  }
  const closedCleanly = disk.stat(`${root}/.kafka_cleanshutdown`) !== null
  return {
    logStartOffset: offsetIn(logStartCheckpointName),
    recoveryPoint: closedCleanly ? offsetIn(recoveryPointCheckpointName) : 0,
  }
}

function orNullIfCorrupt<T>(read: () => T): T | null {
  try {
    return read()
  } catch (failure) {
    if (failure instanceof VarveError && failure.code === 'VARVE_CORRUPT') return null
    throw failure
  }
}

function parseOptions(folder: string, options: object): { open: OpenOptions; settings: LogSettings } {
  requireFolderPath(folder)
  const { open, settings } = splitOptions(options, openOptionNames)
  requireChoice('mode', open.mode, ['write', 'read'])
  requireChoice('backend', open.backend, ['mapped', 'pwrite'])
  return { open: open as OpenOptions, settings: parseLogSettings(settings, undefined, openOptionNames) }
}
