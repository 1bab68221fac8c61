/**
 * Looks at a folder as `openLog` would find it: one log, alone or in a data folder; or a data folder with its logs.
 */
import type { CompressionCodecs } from '../../env/codecs.ts'
import { VarveError } from '../../errors.ts'
import { metaPropertiesName } from '../../storage/meta-properties.ts'
import { parsePartitionFolderName, parseSegmentFileName } from '../../storage/segment-names.ts'
import { varveCheckpointName } from '../../storage/varve-checkpoint.ts'
import type { Crc32c } from './batch-scan.ts'
import { type Finding, Findings } from './findings.ts'
import { inspectLog, type LogReport } from './inspect-log.ts'
import type { InspectedFolder } from './inspected-folder.ts'
import { checkpointFor, type RootFiles, readRootFiles } from './root-files.ts'

export interface InspectFolderOptions {
  readonly crc32c: Crc32c
  readonly codecs: CompressionCodecs
  /** The log is compacted, also where no checkpoint of Kafka's says so. */
  readonly compacted?: boolean
  /** Told the bytes of log that were looked at since the last call. */
  readonly onProgress?: ((bytes: number) => void) | undefined
}

export interface InspectedLog {
  /** Folder name in a data folder, '' for a log that is alone. */
  readonly name: string
  /** Gaps between offsets were no damage. */
  readonly compacted: boolean
  readonly report: LogReport
  readonly findings: readonly Finding[]
}

export interface FolderReport {
  readonly folder: string
  readonly isDataFolder: boolean
  /** What concerns the files that all logs share. */
  readonly findings: readonly Finding[]
  readonly logs: readonly InspectedLog[]
  /** Findings of level `damage`, in all. */
  readonly damageCount: number
}

/** Where a log's checkpoints are. */
export interface LogPlace {
  readonly root: InspectedFolder
  readonly name: string
}

/** The same rule as `locateLog`. */
export function placeOf(folder: InspectedFolder): LogPlace {
  const parent = folder.parent()
  const marks = parent.path === folder.path ? [] : parent.list().map(({ name }) => name)
  const inDataFolder = marks.includes(metaPropertiesName) || marks.includes(varveCheckpointName)
  return inDataFolder
    ? { root: parent, name: folder.path.slice(folder.path.lastIndexOf('/') + 1) }
    : { root: folder, name: '' }
}

/** Names of the logs in a data folder; null when it is none. */
export function partitionsIn(folder: InspectedFolder): string[] | null {
  const entries = folder.list()
  if (entries.some(({ name }) => parseSegmentFileName(name) !== undefined)) return null
  const partitions = entries.filter((entry) => entry.folder && parsePartitionFolderName(entry.name)?.deleted === false)
  const marked = entries.some(({ name }) => name === metaPropertiesName)
  return partitions.length > 0 || marked ? partitions.map(({ name }) => name) : null
}

/**
 * Checks everything in a folder, and changes nothing.
 *
 * @throws VARVE_FOREIGN_FOLDER when it holds files, and none of a log. What the system refuses is thrown as it comes.
 * Cost: one pass over all bytes.
 */
export function inspectFolder(folder: InspectedFolder, options: InspectFolderOptions): FolderReport {
  const partitions = partitionsIn(folder)
  const { root, name } = partitions === null ? placeOf(folder) : { root: folder, name: '' }
  if (partitions === null) requireLog(folder)
  const shared = new Findings()
  const files = readRootFiles(root, shared)
  const logs = (partitions ?? [name]).map((logName) =>
    inspectOne(partitions === null ? folder : folder.child(logName), logName, files, options),
  )
  for (const logName of files.checkpoints.keys()) {
    if (partitions === null || logName === '' || partitions.includes(logName)) continue
    shared.notice('checkpoint', varveCheckpointName, `it has ${logName}, which is not in the folder`)
  }
  const all = [...shared.list(), ...logs.flatMap(({ findings }) => findings)]
  return {
    folder: folder.path,
    isDataFolder: partitions !== null,
    findings: shared.list(),
    logs,
    damageCount: all.filter(({ level }) => level === 'damage').length,
  }
}

function inspectOne(
  folder: InspectedFolder,
  name: string,
  files: RootFiles,
  { crc32c, codecs, compacted = false, onProgress }: InspectFolderOptions,
): InspectedLog {
  const findings = new Findings()
  const checkpoint = checkpointFor(files, name, folder)
  const isCompacted = compacted || files.compacted.has(name)
  const report = inspectLog(
    folder,
    { crc32c, codecs, checkpoint, closedByKafka: files.closedByKafka.has(name), compacted: isCompacted, onProgress },
    findings,
  )
  return { name, compacted: isCompacted, report, findings: findings.list() }
}

/** A folder that was made for a log and never written has a lock, a table of tails and maybe a checkpoint. */
const emptyLogNames = /^(?:\.lock|varve-tails|varve-checkpoint|leader-epoch-checkpoint|partition\.metadata)$/

function requireLog(folder: InspectedFolder): void {
  const entries = folder.list()
  const ours = entries.filter(({ name }) => parseSegmentFileName(name) !== undefined || emptyLogNames.test(name))
  if (ours.length > 0 || entries.length === 0) return
  throw new VarveError(
    'VARVE_FOREIGN_FOLDER',
    `${folder.path} holds no log: no file is named like a segment (20 digits and .log), no folder like <topic>-<partition>.`,
    { details: { path: folder.path } },
  )
}
