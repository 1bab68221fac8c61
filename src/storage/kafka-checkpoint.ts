/**
 * Kafka's text checkpoints: what the four files beside the partition folders and `leader-epoch-checkpoint` look like.
 *
 * All are lines that end in `\n`: the version `0`, the number of entries, then one entry a line, its fields one space
 * apart. Partition entries are `<topic> <partition> <offset>` in any order; leader epochs `<epoch> <start offset>`, both
 * strictly rising. A file of 0 bytes has no entries: Kafka makes them so at first start.
 *
 * They carry no checksum: a flipped digit reads as another number, so varve's own checkpoint (`varve-checkpoint.ts`) is
 * the authority beside them. Pure: the caller reads, and writes with a flush and a rename.
 */
import { VarveError } from '../errors.ts'
import { isTopicName } from './segment-names.ts'

export const recoveryPointCheckpointName = 'recovery-point-offset-checkpoint'
export const replicationCheckpointName = 'replication-offset-checkpoint'
export const logStartCheckpointName = 'log-start-offset-checkpoint'
export const cleanerCheckpointName = 'cleaner-offset-checkpoint'
export const leaderEpochCheckpointName = 'leader-epoch-checkpoint'

export interface PartitionOffset {
  topic: string
  partition: number
  offset: number
}

export interface LeaderEpochEntry {
  epoch: number
  /** First offset of that epoch. */
  startOffset: number
}

export function encodeOffsetCheckpoint(entries: readonly PartitionOffset[]): string {
  return encodeLines(entries.map(({ topic, partition, offset }) => `${topic} ${partition} ${offset}`))
}

/** Throws `VARVE_CORRUPT` for anything that Kafka would not have written, and for a partition that stands there twice. */
export function decodeOffsetCheckpoint(text: string): PartitionOffset[] {
  const known = new Set<string>()
  return decodeLines(text).map((line, i) => {
    const [topic, partition, offset] = fieldsOf(line, 3, i)
    if (!isTopicName(topic!)) throw corrupt(i, `"${topic}" is no topic name`)
    const name = `${topic} ${partition}`
    if (known.has(name)) throw corrupt(i, `${name} stands there twice`)
    known.add(name)
    return { topic: topic!, partition: parseInt31(partition!, i), offset: parseOffset(offset!, i) }
  })
}

export function encodeLeaderEpochs(entries: readonly Readonly<LeaderEpochEntry>[]): string {
  return encodeLines(entries.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`))
}

/** Throws `VARVE_CORRUPT` for anything that Kafka would not have written. */
export function decodeLeaderEpochs(text: string): LeaderEpochEntry[] {
  let last: LeaderEpochEntry = { epoch: -1, startOffset: -1 }
  return decodeLines(text).map((line, i) => {
    const [epoch, startOffset] = fieldsOf(line, 2, i)
    const entry = { epoch: parseInt31(epoch!, i), startOffset: parseOffset(startOffset!, i) }
    if (entry.epoch <= last.epoch || entry.startOffset <= last.startOffset) throw corrupt(i, 'it does not rise')
    last = entry
    return entry
  })
}

function encodeLines(entries: readonly string[]): string {
  return `0\n${entries.length}\n${entries.map((entry) => `${entry}\n`).join('')}`
}

function decodeLines(text: string): string[] {
  if (text === '') return []
  const lines = text.split('\n')
  if (lines.pop() !== '') throw corrupt(lines.length - 2, 'the last line has no end')
  const [version, count, ...entries] = lines
  if (version !== '0') throw corrupt(-2, `version "${version}" is not known`)
  if (count !== String(entries.length))
    throw corrupt(-1, `"${count}" entries are announced and ${entries.length} there`)
  return entries
}

function fieldsOf(line: string, count: number, entry: number): string[] {
  const fields = line.split(' ')
  if (fields.length !== count) throw corrupt(entry, `it has ${fields.length} fields, not ${count}`)
  return fields
}

function parseInt31(text: string, entry: number): number {
  const value = parseOffset(text, entry)
  if (value > 0x7fff_ffff) throw corrupt(entry, `${text} is larger than 2^31 - 1`)
  return value
}

function parseOffset(text: string, entry: number): number {
  const value = Number(text)
  if (!/^(0|[1-9][0-9]*)$/.test(text) || !Number.isSafeInteger(value)) throw corrupt(entry, `"${text}" is no number`)
  return value
}

/** @param entry 0-based; -2 and -1 are the two lines before the entries. */
function corrupt(entry: number, reason: string): VarveError {
  const line = entry + 3
  return new VarveError('VARVE_CORRUPT', `Line ${line} of a checkpoint file is wrong: ${reason}.`, {
    details: { line },
  })
}
