/** `varve dump`: what stands in the files of a log, in the order of the bytes. Opens nothing, changes nothing. */
import { basename, dirname, resolve } from 'node:path'
import {
  decodeInternalRecord,
  decodeLeaderEpochs,
  decodeMetaProperties,
  decodeOffsetCheckpoint,
  decodeOffsetIndex,
  decodePartitionMetadata,
  decodeProducerSnapshot,
  decodeTimeIndex,
  decodeTransactionIndex,
  type InspectedFile,
  type InternalRecord,
  type InternalTopic,
  internalTopicOf,
  leaderEpochCheckpointName,
  metaPropertiesName,
  parseSegmentFileName,
  partitionMetadataName,
  partitionsIn,
  readCheckpoint,
  type ScanEvent,
  scanSegment,
  segmentBases,
  segmentFileName,
  varveCheckpointName,
} from '../doors/inspect.ts'
import { decodeTransactionMarker, type LogRecord, type RecordBatch, VarveError } from '../doors/record.ts'
import { parseArguments } from './arguments.ts'
import { ExitCode, UsageError } from './command.ts'
import { Output } from './output.ts'
import { RealFolder, statOf } from './real-folder.ts'
import { jsonBytes, jsonValue, preview, printable, timeText } from './text.ts'

export const help = `usage: varve dump <folder|file> [--records] [--index] [--json]

Prints what stands in a log's files: with a folder every batch of its .log files, one a line; with a file what that
file holds: .log, .checkpoint, .index, .timeindex, .txnindex, .snapshot, leader-epoch-checkpoint, the checkpoints of a
data folder, varve-checkpoint, partition.metadata, meta.properties. Changes nothing and needs no lock.

  --records   also print each record: offset, time, key, value, headers (text is cut after 120 characters); in the
              folders of __cluster_metadata, __consumer_offsets and __transaction_state what they say, whole
  --index     with a folder: also print the entries of each segment's indexes
  --json      one JSON object a line, nothing cut; bytes that are not UTF-8 as { "base64": ... }

Damage is told on standard error, and the dump goes on behind it.

exit codes: 0 printed, 1 damage was found or something cannot be read, 2 wrong arguments
`

interface DumpOptions {
  readonly records: boolean
  readonly index: boolean
  readonly json: boolean
}

export async function run(args: readonly string[]): Promise<number> {
  const table = { records: { type: 'boolean' }, index: { type: 'boolean' }, json: { type: 'boolean' } } as const
  const { positionals, values } = parseArguments(args, table, { min: 1, max: 1, what: 'the folder or file to dump' })
  const path = positionals[0]!
  const options = { records: values.records === true, index: values.index === true, json: values.json === true }
  const dump = new Dump(options)
  if (statOf(path).isDirectory()) await dump.folder(new RealFolder(path))
  else await dump.file(new RealFolder(dirname(path)), basename(path))
  await dump.out.drain()
  return dump.damaged ? ExitCode.failure : ExitCode.success
}

class Dump {
  readonly out = new Output()
  damaged = false
  readonly #options: DumpOptions
  /** Kafka's own topic that the records are of, if they are. */
  #topic: InternalTopic | undefined

  constructor(options: DumpOptions) {
    this.#options = options
  }

  async folder(folder: RealFolder): Promise<void> {
    const partitions = partitionsIn(folder)
    if (partitions !== null) {
      const names = partitions.length === 0 ? 'it has none' : partitions.map(printable).join(', ')
      throw new UsageError(`${printable(folder.path)} is a data folder: name one of its logs (${names})`)
    }
    const bases = segmentBases(folder)
    if (bases.length === 0) {
      throw new VarveError(
        'VARVE_FOREIGN_FOLDER',
        `${folder.path} holds no log: there is no file of 20 digits and .log`,
      )
    }
    this.#topic = internalTopicOf(basename(resolve(folder.path)))
    for (const [i, baseOffset] of bases.entries()) {
      const name = segmentFileName(baseOffset, 'log')
      if (!this.#options.json) this.out.line(name)
      await this.#log(folder, name, baseOffset, bases[i + 1])
      if (!this.#options.index) continue
      for (const kind of ['index', 'timeindex', 'txnindex'] as const) {
        const indexName = segmentFileName(baseOffset, kind)
        const file = folder.open(indexName)
        if (file === null) continue
        file.close()
        if (!this.#options.json) this.out.line(indexName)
        await this.#small(folder, indexName)
      }
    }
  }

  async file(folder: RealFolder, name: string): Promise<void> {
    const segment = parseSegmentFileName(name)
    if (snapshotName.test(name)) {
      this.#topic = '__cluster_metadata'
      await this.#log(folder, name, 0, undefined)
    } else if (segment?.kind === 'log') {
      this.#topic = internalTopicOf(basename(resolve(folder.path)))
      const next = segmentBases(folder).find((base) => base > segment.baseOffset)
      await this.#log(folder, name, segment.baseOffset, next)
    } else await this.#small(folder, name)
  }

  // ---- batches

  async #log(folder: RealFolder, name: string, baseOffset: number, endOffset: number | undefined): Promise<void> {
    const file = requireFile(folder, name)
    try {
      // Gaps are no news here: `verify` judges them.
      const range = { baseOffset, allowGaps: true, ...(endOffset === undefined ? {} : { endOffset }) }
      for (const event of scanSegment(file, range)) {
        this.#event(name, event)
        if (this.out.isFull) await this.out.drain()
      }
    } finally {
      file.close()
    }
  }

  #event(file: string, event: ScanEvent): void {
    const { json } = this.#options
    if (event.kind === 'batch') this.#batch(file, event.position, event.batch)
    else if (event.kind === 'damage') {
      const { position, endPosition, offset, nextOffset, reason } = event
      this.#damage(`${file} at ${position}: ${reason}; ${endPosition - position} bytes are left out`)
      if (json) this.out.json({ type: 'damage', file, position, endPosition, offset, nextOffset, reason })
    } else if (event.zeroBytes > 0) {
      const { position, zeroBytes } = event
      if (json) this.out.json({ type: 'zeros', file, position, bytes: zeroBytes })
      else this.out.line(`  @${position} ${zeroBytes} zeros: preallocated`)
    }
  }

  #batch(file: string, position: number, batch: RecordBatch): void {
    const { json, records } = this.#options
    if (json) this.out.json({ type: 'batch', file, position, ...batchFields(batch) })
    else this.out.line(`  ${batchLine(position, batch)}`)
    if (!records) return
    try {
      for (const record of batch) {
        const internal = this.#internal(file, record, batch)
        if (json) this.out.json({ type: 'record', ...recordFields(record, batch, internal) })
        else this.out.line(`    ${recordLine(record, batch, internal)}`)
      }
    } catch (failure) {
      if (!(failure instanceof VarveError)) throw failure
      this.#damage(`${file} at ${position}: ${failure.message}`)
    }
  }

  /** What a record of Kafka's own topics says; undefined for others, and where it cannot be read. */
  #internal(file: string, record: LogRecord, batch: RecordBatch): InternalRecord | undefined {
    if (this.#topic === undefined) return undefined
    try {
      return decodeInternalRecord(this.#topic, record, batch.isControl)
    } catch (failure) {
      if (!(failure instanceof VarveError)) throw failure
      const message = `${file}, offset ${record.offset}: ${failure.message}`
      // A newer version's record is no damage; its bytes are printed as they are.
      if (failure.code === 'VARVE_UNSUPPORTED_VERSION') process.stderr.write(`varve dump: ${printable(message)}\n`)
      else this.#damage(message)
      return undefined
    }
  }

  #damage(message: string): void {
    this.damaged = true
    process.stderr.write(`varve dump: ${printable(message)}\n`)
  }

  // ---- everything else

  async #small(folder: RealFolder, name: string): Promise<void> {
    const { json } = this.#options
    const file = requireFile(folder, name)
    let bytes: Buffer
    try {
      if (file.size > smallFileBytesMax)
        throw new VarveError('VARVE_CORRUPT', `${file.size} bytes are too many for such a file`)
      bytes = Buffer.alloc(file.size)
      bytes = bytes.subarray(0, file.read(0, bytes))
    } finally {
      file.close()
    }
    try {
      for (const entry of entriesOf(name, bytes)) {
        if (json) this.out.json({ type: entry.type, file: name, ...entry.fields })
        else
          this.out.line(
            `  ${Object.entries(entry.fields)
              .map(([key, value]) => `${key} ${fieldText(value)}`)
              .join('  ')}`,
          )
        if (this.out.isFull) await this.out.drain()
      }
    } catch (failure) {
      if (!(failure instanceof VarveError)) throw failure
      this.#damage(`${name}: ${failure.message}`)
    }
  }
}

const smallFileBytesMax = 256 * 1024 * 1024

function requireFile(folder: RealFolder, name: string): InspectedFile {
  const file = folder.open(name)
  if (file === null) throw new VarveError('VARVE_NOT_FOUND', `there is no ${name} in ${folder.path}`)
  return file
}

// ---- batches and records

function batchFields(batch: RecordBatch): Record<string, unknown> {
  const { baseOffset, lastOffset, recordCount, byteLength, leaderEpoch, compression, timestampType } = batch
  const { baseTimestamp, maxTimestamp, producerId, producerEpoch, baseSequence, isTransactional, isControl, crc } =
    batch
  return {
    baseOffset,
    lastOffset,
    recordCount,
    bytes: byteLength,
    leaderEpoch,
    compression,
    timestampType,
    baseTimestamp,
    maxTimestamp,
    producerId,
    producerEpoch,
    baseSequence,
    isTransactional,
    isControl,
    deleteHorizonMs: batch.deleteHorizonMs ?? null,
    crc,
  }
}

function batchLine(position: number, batch: RecordBatch): string {
  const { baseOffset, lastOffset, recordCount, byteLength, leaderEpoch, compression, maxTimestamp } = batch
  const parts = [
    `@${position}`,
    `offsets ${baseOffset}-${lastOffset}`,
    `records ${recordCount}`,
    `bytes ${byteLength}`,
    `epoch ${leaderEpoch}`,
    compression,
    `${batch.timestampType} ${timeText(maxTimestamp)}`,
  ]
  if (batch.producerId >= 0n)
    parts.push(`producer ${batch.producerId} epoch ${batch.producerEpoch} sequence ${batch.baseSequence}`)
  if (batch.isTransactional) parts.push('transactional')
  if (batch.isControl) parts.push('control')
  if (batch.deleteHorizonMs !== undefined) parts.push(`delete horizon ${timeText(batch.deleteHorizonMs)}`)
  parts.push(`crc ${batch.crc.toString(16).padStart(8, '0')}`)
  return parts.join('  ')
}

function recordFields(record: LogRecord, batch: RecordBatch, internal?: InternalRecord): Record<string, unknown> {
  const { offset, timestamp, key, value, headers } = record
  return {
    offset,
    timestamp,
    key: jsonBytes(key),
    value: jsonBytes(value),
    headers: headers.map(([name, bytes]) => [name, jsonBytes(bytes)]),
    ...(batch.isControl ? { marker: decodeTransactionMarker(record) ?? null } : {}),
    ...(internal === undefined ? {} : { decoded: jsonValue(internal) }),
  }
}

function recordLine(record: LogRecord, batch: RecordBatch, internal?: InternalRecord): string {
  const parts = [String(record.offset), timeText(record.timestamp)]
  const marker = batch.isControl ? decodeTransactionMarker(record) : undefined
  if (marker !== undefined) parts.push(`${marker.type} by coordinator epoch ${marker.coordinatorEpoch}`)
  else if (internal !== undefined) parts.push(internalText(internal))
  else parts.push(`key ${preview(record.key)}`, `value ${preview(record.value)}`)
  for (const [name, value] of record.headers) parts.push(`header ${printable(JSON.stringify(name))} ${preview(value)}`)
  return parts.join('  ')
}

function internalText({ type, version, key, value }: InternalRecord): string {
  const json = (fields: object) => printable(JSON.stringify(jsonValue(fields)))
  const parts = [type]
  if (key !== undefined) parts.push(json(key))
  if (value === null) parts.push('tombstone')
  else parts.push(`version ${version}`, json(value))
  return parts.join(' ')
}

// ---- small files

/** Snapshots of the metadata log, and what formatting a data folder leaves: batches like a log's, from offset 0. */
const snapshotName = /^(?:\d{20}-\d{10}|bootstrap)\.checkpoint$/

interface Entry {
  readonly type: string
  readonly fields: Record<string, unknown>
}

/** What a file other than a `.log` holds, told by its name. @throws VARVE_CORRUPT; UsageError for a name that says nothing. */
function entriesOf(name: string, bytes: Buffer): Entry[] {
  const all = (type: string, list: readonly object[]): Entry[] =>
    list.map((fields) => ({ type, fields: { ...fields } }))
  const segment = parseSegmentFileName(name)
  switch (segment?.kind) {
    case 'index':
      return all('index-entry', decodeOffsetIndex(bytes, segment.baseOffset))
    case 'timeindex':
      return all('time-index-entry', decodeTimeIndex(bytes, segment.baseOffset))
    case 'txnindex':
      return all('aborted-transaction', decodeTransactionIndex(bytes))
    case 'snapshot':
      return all('producer', decodeProducerSnapshot(bytes))
    default:
  }
  const text = () => bytes.toString('utf8')
  if (name === leaderEpochCheckpointName) return all('leader-epoch', decodeLeaderEpochs(text()))
  if (name.endsWith('-offset-checkpoint')) return all('checkpoint', decodeOffsetCheckpoint(text()))
  if (name === partitionMetadataName) return all('partition', [{ topicId: decodePartitionMetadata(text()) }])
  if (name === metaPropertiesName) return all('meta', [decodeMetaProperties(text())])
  if (name === varveCheckpointName) {
    const { checkpoint, file, otherDamaged } = readCheckpoint(bytes)
    return [
      ...all('checkpoint-slot', [{ ...file, otherDamaged }]),
      ...all('kafka-file', checkpoint.kafkaFiles),
      ...all('log-checkpoint', checkpoint.logs),
    ]
  }
  throw new UsageError(`'${printable(name)}' is not the name of a file of a log: its name tells what it holds`)
}

function fieldText(value: unknown): string {
  return typeof value === 'string' ? printable(JSON.stringify(value)) : String(value)
}
