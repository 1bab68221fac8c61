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
import {
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
  /** Names of partitions that Kafka has compacted once: their offsets have gaps. */
  readonly compacted: ReadonlySet<string>
  /** Kafka closed the folder cleanly, and nobody has opened it since. */
  readonly kafkaClosedCleanly: boolean
}

/** Adds what is wrong to `findings`; a checkpoint that cannot be read counts as missing, as it does for an open. */
export function readRootFiles(root: InspectedFolder, findings: Findings): RootFiles {
  const checkpoints = new Map<string, LogCheckpoint>()
  const written = readOwnCheckpoint(root, findings, checkpoints)
  const offsets = (name: string) => readOffsets(root, name, findings)
  const changed = (name: string): boolean => written.get(name) !== crcOf(root, name)
  const recovery = offsets(recoveryPointCheckpointName)
  const starts = offsets(logStartCheckpointName)
  offsets(replicationCheckpointName)
  for (const [name, offset] of recovery) {
    const own = checkpoints.get(name)
    if (own === undefined) checkpoints.set(name, untrustedFrom(name, offset, starts.get(name) ?? 0))
    else if (changed(recoveryPointCheckpointName) && offset < own.recoveryPoint)
      checkpoints.set(name, { ...own, recoveryPoint: offset })
  }
  if (changed(logStartCheckpointName)) {
    for (const [name, offset] of starts) {
      const own = checkpoints.get(name)
      if (own !== undefined && offset > own.logStartOffset) checkpoints.set(name, { ...own, logStartOffset: offset })
    }
  }
  for (const name of [recoveryPointCheckpointName, replicationCheckpointName, logStartCheckpointName]) {
    if (!written.has(name) || !changed(name)) continue
    const message = 'it is not as varve wrote it: Kafka has written since, or it is damaged'
    findings.notice('checkpoint', name, message, { onOpen: 'of both recovery points the lower one counts' })
  }
  readMetaProperties(root, findings)
  return {
    checkpoints,
    compacted: new Set(offsets(cleanerCheckpointName).keys()),
    kafkaClosedCleanly: root.open('.kafka_cleanshutdown') !== null,
  }
}

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
