import type { Disk } from './disk.ts'
import { varveCheckpointName } from './varve-checkpoint.ts'

/**
 * Where a log stands: in a data folder beside other partitions (Kafka's layout), or alone in a folder of its own.
 * The *root* is where the lock, the table of tails and the checkpoint are: they are one for all logs of a data folder.
 */
export interface LogLocation {
  /** Folder of the log's files. */
  readonly folder: string
  readonly root: string
  /** The log's name within the root: its folder's name, or '' when it is alone. */
  readonly logName: string
}

export const lockName = '.lock'
export const tailsName = 'varve-tails'

/** Finds the root of the log in `folder`, an absolute path. A parent is a data folder if Kafka or varve marked it as one. */
export function locateLog(disk: Disk, folder: string): LogLocation {
  const cut = folder.lastIndexOf('/')
  const parent = folder.slice(0, cut)
  const inDataFolder =
    parent !== '' &&
    (disk.stat(`${parent}/meta.properties`) !== null || disk.stat(`${parent}/${varveCheckpointName}`) !== null)
  return inDataFolder ? { folder, root: parent, logName: folder.slice(cut + 1) } : { folder, root: folder, logName: '' }
}
