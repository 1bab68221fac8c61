/**
 * Reads the checkpoints of a root (see `LogLocation`) as an open would, and says what is wrong with them.
 */
import { crc32c } from '../../base/crc32c.ts'
import { VarveError } from '../../errors.ts'
import {
  cleanerCheckpointName,
  decodeOffsetCheckpoint,
  logStartCheckpointName,
  recoveryPointCheckpointName,
  replicationCheckpointName,
} from '../../storage/kafka-checkpoint.ts'
import { decodeMetaProperties, metaPropertiesName } from '../../storage/meta-properties.ts'
import { partitionMetadataName } from '../../storage/partition-metadata.ts'
import { recoveryStart } from '../../storage/recovery-start.ts'
import {
  isOfTopic,
  type LogCheckpoint,
  readCheckpoint,
  untrustedFrom,
  varveCheckpointName,
} from '../../storage/varve-checkpoint.ts'
import type { Findings } from './findings.ts'
import { type InspectedFolder, readSmallFile } from './inspected-folder.ts'

export interface RootFiles {
  /** By the log's name; what an open would go by. */
  readonly checkpoints: ReadonlyMap<string, LogCheckpoint>
  /** Logs that only Kafka's files know, in a folder that Kafka closed cleanly. */
  readonly closedByKafka: ReadonlySet<string>
  /** Log starts by Kafka's file, if Kafka has written it since. */
  readonly kafkaLogStarts: ReadonlyMap<string, number>
  /** Names of partitions that Kafka has compacted once: their offsets have gaps. */
  readonly compacted: ReadonlySet<string>
}

/** Adds what is wrong to `findings`; a checkpoint that cannot be read counts as missing, as it does for an open. */
export function readRootFiles(root: InspectedFolder, findings: Findings): RootFiles {
  const checkpoints = new Map<string, LogCheckpoint>()
  const written = readOwnCheckpoint(root, findings, checkpoints)
  const read = (name: string) => readOffsets(root, name, findings)
  const recovery = read(recoveryPointCheckpointName)
  const marks = read(replicationCheckpointName)
  const starts = read(logStartCheckpointName)
  const changed = (name: string): boolean => {
    const crc = crcOf(root, name)
    return crc !== undefined && crc !== written.get(name)
  }
  const files = {
    recoveryFile: changed(recoveryPointCheckpointName),
    highWatermarkFile: changed(replicationCheckpointName),
  }
  const ofKafka = new Set<string>()
  for (const name of new Set([...recovery.keys(), ...starts.keys(), ...checkpoints.keys()])) {
    const own = checkpoints.get(name)
    const said = {
      recoveryPoint: recovery.get(name),
      logStartOffset: starts.get(name),
      highWatermark: marks.get(name),
    }
    const start = recoveryStart(own, said, files)
    if (own === undefined) ofKafka.add(name)
    if (start.position !== undefined) continue
    const untrusted = untrustedFrom(name, start.recoveryPoint, start.logStartOffset ?? 0)
    checkpoints.set(name, { ...untrusted, topicCrc: own?.topicCrc ?? 0 })
  }
  for (const name of [recoveryPointCheckpointName, replicationCheckpointName, logStartCheckpointName]) {
    if (!written.has(name) || !changed(name)) continue
    const message = 'it is not as varve wrote it: Kafka has written since, or it is damaged'
    findings.notice('checkpoint', name, message, { onOpen: 'of both recovery points the lower one counts' })
  }
  readMetaProperties(root, findings)
  return {
    checkpoints,
    closedByKafka: readSmallFile(root, cleanShutdownName) === null ? new Set() : ofKafka,
    kafkaLogStarts: changed(logStartCheckpointName) ? starts : new Map(),
    compacted: new Set(read(cleanerCheckpointName).keys()),
  }
}

/** Kafka's sign of a clean close. */
const cleanShutdownName = '.kafka_cleanshutdown'

/** @returns the checksums of Kafka's files as we wrote them, by name. */
function readOwnCheckpoint(
  root: InspectedFolder,
  findings: Findings,
  into: Map<string, LogCheckpoint>,
): Map<string, number> {
  const bytes = readSmallFile(root, varveCheckpointName)
  if (bytes === null) return new Map()
  try {
    const { checkpoint, otherDamaged } = readCheckpoint(bytes ?? Buffer.alloc(0))
    for (const log of checkpoint.logs) into.set(log.name, log)
    if (otherDamaged) {
      const message = 'one of its two slots is damaged: a write was torn, or the disk decays'
      findings.damage('checkpoint', varveCheckpointName, message, {
        onOpen: 'the other slot serves, and nothing is lost',
      })
    }
    return new Map(checkpoint.kafkaFiles.map(({ name, crc }) => [name, crc]))
  } catch (failure) {
    if (!(failure instanceof VarveError)) throw failure
    const onOpen = failure.code === 'VARVE_FORMAT_TOO_NEW' ? 'it is refused' : 'every log is checked from its start'
    findings.damage('checkpoint', varveCheckpointName, failure.message, { onOpen })
    return new Map()
  }
}

function readOffsets(root: InspectedFolder, name: string, findings: Findings): Map<string, number> {
  const bytes = readSmallFile(root, name)
  if (bytes === null) return new Map()
  try {
    const entries = decodeOffsetCheckpoint((bytes ?? Buffer.from('too large')).toString('utf8'))
    return new Map(entries.map(({ topic, partition, offset }) => [`${topic}-${partition}`, offset]))
  } catch (failure) {
    if (!(failure instanceof VarveError)) throw failure
    findings.damage('checkpoint', name, failure.message, { onOpen: 'it is ignored' })
    return new Map()
  }
}

/** What an open goes by for one log: nothing of ours, if another topic of that name was here. */
export function checkpointFor(files: RootFiles, name: string, folder: InspectedFolder): LogCheckpoint | null {
  const known = files.checkpoints.get(name) ?? null
  const topicCrc = crcOf(folder, partitionMetadataName) ?? 0
  if (known === null || isOfTopic(known, topicCrc)) return known
  return untrustedFrom(name, 0, files.kafkaLogStarts.get(name) ?? 0)
}

function crcOf(root: InspectedFolder, name: string): number | undefined {
  const bytes = readSmallFile(root, name)
  return bytes ? crc32c(bytes) : undefined
}

function readMetaProperties(root: InspectedFolder, findings: Findings): void {
  const bytes = readSmallFile(root, metaPropertiesName)
  if (bytes === null) return
  try {
    decodeMetaProperties((bytes ?? Buffer.alloc(0)).toString('utf8'))
  } catch (failure) {
    if (!(failure instanceof VarveError)) throw failure
    findings.damage('metadata', metaPropertiesName, failure.message)
  }
}
