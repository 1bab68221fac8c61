import type { Clock } from '../env/clock.ts'
import type { CompressionCodecs } from '../env/codecs.ts'
import type { Logger } from '../env/logger.ts'
import type { LogSettings } from '../settings/log-settings.ts'
import type { Disk } from '../storage/disk.ts'
import type { LogLocation } from '../storage/log-location.ts'
import type { LogRoot } from '../storage/log-root.ts'
import type { SegmentOptions } from '../storage/segment.ts'
import { type Durability, Log } from './log.ts'
import { type RecoveredLog, type RecoveryProgress, recoverLog } from './recovery.ts'

/** How files are written; see `OpenOptions.backend` of the door `varve/log`. */
export type Backend = 'mapped' | 'pwrite'

export interface LogInRoot {
  /** Holds the lock, the table of tails and the checkpoint that the log shares with all others of the root. */
  readonly root: LogRoot
  readonly location: LogLocation
  readonly settings: LogSettings
  /** What somebody set for this log, which no append goes below; 'buffered' when nobody did. */
  readonly minDurability: Durability
  /** Default: what suits the file system. */
  readonly backend: Backend | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly codecs: CompressionCodecs
  readonly onProgress?: ((progress: RecoveryProgress) => void) | undefined
  /** Epoch of the partition's leader, which the log does not fall below. Default 0. */
  readonly leaderEpoch?: number | undefined
  /** Called once when the log is closed; `clean`: it was flushed, and its checkpoint written. */
  readonly onClosed: (clean: boolean) => void
}

/**
 * Opens a log of a root for writing, and brings its folder, which must be there, to a state that can be served.
 * Synchronous; the cost is that of `openLog`.
 * @throws As `openLog`; the root is left as it was.
 */
export function openLogIn(request: LogInRoot): Log {
  const { root, location, settings, logger } = request
  const { disk } = root
  const { folder, logName } = location
  const tail = root.tailSlot(logName)
  const segmentOptions = segmentOptionsFor(disk, folder, settings, request.backend)
  const recover = ({ cleanupPolicy }: LogSettings): RecoveredLog =>
    recoverLog({
      disk,
      folder,
      checkpoint: root.checkpointOf(logName),
      closedByKafka: root.closedByKafka(logName),
      segmentOptions,
      tail,
      allowGaps: cleanupPolicy.includes('compact'),
      logger,
      onProgress: request.onProgress,
    })
  return new Log({ ...request, segmentOptions, tail, recover, leaderEpoch: request.leaderEpoch ?? 0 })
}

/** File systems that overwrite in place, where a mapped page that was allocated can be stored to without surprise. */
const mappableFileSystems: ReadonlySet<string> = new Set([
  'ext4',
  'ext3',
  'ext2',
  'ext2/ext3',
  'xfs',
  'tmpfs',
  'memory',
])

/** What a log's settings mean for its segments. */
export function segmentOptionsFor(
  disk: Disk,
  folder: string,
  settings: LogSettings,
  backend: Backend | undefined,
): Omit<SegmentOptions, 'baseOffset' | 'mode' | 'tail' | 'folder'> {
  const natural = disk.simulated || mappableFileSystems.has(disk.fileSystem(folder)) ? 'mapped' : 'pwrite'
  return {
    backend: backend ?? natural,
    segmentBytes: settings.internalSegmentBytes || settings.segmentBytes,
    indexIntervalBytes: settings.indexIntervalBytes,
    indexMaxBytes: settings.segmentIndexBytes,
    diskReserveBytes: settings.diskReserveBytes,
  }
}
