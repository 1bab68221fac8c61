/**
 * Looks at every byte of one log's folder and tells what is there and what is wrong, changing nothing.
 */
import type { CompressionCodecs } from '../../env/codecs.ts'
import { VarveError } from '../../errors.ts'
import type { RecordBatch } from '../../record/record-batch.ts'
import { decodeLeaderEpochs, type LeaderEpochEntry, leaderEpochCheckpointName } from '../../storage/kafka-checkpoint.ts'
import { decodePartitionMetadata, partitionMetadataName } from '../../storage/partition-metadata.ts'
import { parseSegmentFileName, segmentFileName } from '../../storage/segment-names.ts'
import type { LogCheckpoint } from '../../storage/varve-checkpoint.ts'
import { decodeProducerSnapshot } from '../producer-snapshot.ts'
import type { ProducerEntry } from '../producer-states.ts'
import { decodeTransactionIndex, type TransactionIndexEntry } from '../transaction-index.ts'
import { type Crc32c, type DamagedRange, type ScanEnd, scanBatches } from './batch-scan.ts'
import { checkTransactionIndex, EpochCheck, ProducerReplay } from './derived-check.ts'
import type { Findings } from './findings.ts'
import { OffsetIndexCheck, TimeIndexCheck } from './index-check.ts'
import { type InspectedFile, type InspectedFolder, readSmallFile } from './inspected-folder.ts'
import {
  cutPosition,
  indexesAreAsFlushed,
  type OpenCut,
  type OpenStart,
  openStart,
  type SegmentSize,
} from './open-plan.ts'

export interface InspectOptions {
  readonly crc32c: Crc32c
  readonly codecs: CompressionCodecs
  /** What an open would go by; null when there is nothing. */
  readonly checkpoint: LogCheckpoint | null
  /** Kafka wrote the log last, and closed it cleanly: an open believes it. */
  readonly closedByKafka: boolean
  /** The log is compacted: gaps between offsets are no damage. */
  readonly compacted: boolean
  readonly onProgress?: ((bytes: number) => void) | undefined
}

export interface SegmentReport {
  readonly baseOffset: number
  readonly bytes: number
  readonly batches: number
  readonly records: number
  /** Where the last good batch ends. */
  readonly endPosition: number
  /** Zeros behind it. */
  readonly preallocatedBytes: number
}

/** Offsets that no batch holds any more. */
export interface LostRange {
  readonly file: string
  readonly position: number
  readonly endPosition: number
  /** First offset that is lost. */
  readonly offset: number
  /** First offset after the damage that is there again; null when nothing follows. */
  readonly nextOffset: number | null
  readonly reason: string
}

export interface LogReport {
  readonly folder: string
  readonly segments: readonly SegmentReport[]
  readonly bytes: number
  readonly batches: number
  readonly records: number
  readonly logStartOffset: number
  /** After the last good batch. */
  readonly logEndOffset: number
  /** Null when it cannot be known. */
  readonly lastStableOffset: number | null
  /** First offset not known to be flushed; null when no checkpoint tells. */
  readonly recoveryPoint: number | null
  readonly lost: readonly LostRange[]
  /** Null when an open would cut nothing. */
  readonly cut: OpenCut | null
  /** Bytes that an open for writing would check before it serves. */
  readonly checkedOnOpenBytes: number
}

/** Base offsets of the segments in a folder, rising. */
export function segmentBases(folder: InspectedFolder): number[] {
  const bases: number[] = []
  for (const { name } of folder.list()) {
    const file = parseSegmentFileName(name)
    if (file?.kind === 'log' && file.state === undefined) bases.push(file.baseOffset)
  }
  return bases.sort((a, b) => a - b)
}

/** `leader-epoch-checkpoint`; null when it is missing or damaged, which goes to `findings`. */
export function readEpochs(folder: InspectedFolder, findings: Findings | null): LeaderEpochEntry[] | null {
  const bytes = readSmallFile(folder, leaderEpochCheckpointName)
  if (bytes === null) return null
  try {
    return decodeLeaderEpochs((bytes ?? Buffer.from('too large')).toString('utf8'))
  } catch (failure) {
    if (!(failure instanceof VarveError)) throw failure
    findings?.damage('leader-epochs', leaderEpochCheckpointName, failure.message, { onOpen: madeAnew })
    return null
  }
}

const madeAnew = 'it is made anew from the log'

/** Adds what is wrong to `findings`. Cost: one pass over the log; a mebibyte of memory, the largest batch and the indexes. */
export function inspectLog(folder: InspectedFolder, options: InspectOptions, findings: Findings): LogReport {
  return new LogInspection(folder, options, findings).run()
}

class LogInspection {
  readonly #folder: InspectedFolder
  readonly #options: InspectOptions
  readonly #findings: Findings
  readonly #segments: SegmentReport[] = []
  readonly #lost: LostRange[] = []
  readonly #snapshots: Map<number, ProducerEntry[] | null>
  readonly #epochs: EpochCheck
  readonly #replay: ProducerReplay
  readonly #sizes: readonly SegmentSize[]
  readonly #start: OpenStart
  #cut: { file: string; position: number; offset: number; baseOffset: number } | null = null
  #recordsBehindCut = 0
  #nextOffset: number
  #checkpointPlaceSeen = false

  constructor(folder: InspectedFolder, options: InspectOptions, findings: Findings) {
    this.#folder = folder
    this.#options = options
    this.#findings = findings
    this.#sizes = segmentBases(folder).map((baseOffset) => ({ baseOffset, bytes: this.#sizeOf(baseOffset) }))
    this.#nextOffset = this.#sizes[0]?.baseOffset ?? options.checkpoint?.logStartOffset ?? 0
    this.#start = openStart(folder, this.#sizes, options.checkpoint, options.closedByKafka)
    this.#snapshots = this.#readSnapshots()
    const first = this.#nextOffset
    const before = this.#snapshots.get(first) ?? (first === 0 ? [] : null)
    this.#replay = new ProducerReplay(options.compacted ? null : before)
    const epochs = readEpochs(folder, findings)
    this.#epochs = new EpochCheck(epochs, Math.max(first, options.checkpoint?.logStartOffset ?? 0), (message, offset) =>
      this.#findings.damage('leader-epochs', leaderEpochCheckpointName, message, { ...at(offset), onOpen: madeAnew }),
    )
  }

  run(): LogReport {
    this.#checkNames()
    this.#checkMetadata()
    for (const [index, { baseOffset }] of this.#sizes.entries()) this.#segment(index, baseOffset)
    this.#compareSnapshots(Number.POSITIVE_INFINITY)
    this.#epochs.finish(this.#nextOffset)
    this.#checkCheckpoint()
    const { checkpoint } = this.#options
    const sum = (of: (segment: SegmentReport) => number) =>
      this.#segments.reduce((total, segment) => total + of(segment), 0)
    const firstBase = this.#sizes[0]?.baseOffset ?? this.#nextOffset
    return {
      folder: this.#folder.path,
      segments: this.#segments,
      bytes: sum(({ endPosition }) => endPosition),
      batches: sum(({ batches }) => batches),
      records: sum(({ records }) => records),
      logStartOffset: Math.min(Math.max(firstBase, checkpoint?.logStartOffset ?? 0), this.#nextOffset),
      logEndOffset: this.#nextOffset,
      lastStableOffset: this.#replay.lastStableOffset(this.#nextOffset),
      recoveryPoint: checkpoint?.recoveryPoint ?? null,
      lost: this.#lost,
      cut: this.#openCut(),
      checkedOnOpenBytes: this.#checkedOnOpen(),
    }
  }

  // ---- one segment

  #segment(index: number, baseOffset: number): void {
    const name = segmentFileName(baseOffset, 'log')
    const next = this.#sizes[index + 1]?.baseOffset
    this.#followsSegmentBefore(index, baseOffset)
    const file = this.#folder.open(name)
    if (file === null) return // removed since it was listed
    try {
      this.#batches(file, baseOffset, next)
    } finally {
      file.close()
    }
  }

  #followsSegmentBefore(index: number, baseOffset: number): void {
    const end = this.#nextOffset
    this.#nextOffset = baseOffset
    if (index === 0 || end === baseOffset) return
    const before = segmentFileName(this.#sizes[index - 1]!.baseOffset, 'log')
    const explained = this.#lost.at(-1)?.file === before && this.#lost.at(-1)?.nextOffset === null
    if (explained) {
      const range = this.#lost.pop()!
      this.#lost.push({ ...range, nextOffset: baseOffset })
      return
    }
    if (this.#options.compacted && baseOffset > end) return
    this.#replay.forget()
    const position = this.#segments.at(-1)!.endPosition
    const reason = `it ends with offset ${end - 1}, the next segment starts at ${baseOffset}: offsets are missing`
    this.#lost.push({ file: before, position, endPosition: position, offset: end, nextOffset: baseOffset, reason })
    this.#findings.damage('segment', before, reason, { position, offset: end })
    if (this.#sizes[index - 1]!.baseOffset >= this.#start.baseOffset) {
      this.#cutAt(before, position, end, this.#sizes[index - 1]!.baseOffset)
    }
  }

  #batches(file: InspectedFile, baseOffset: number, next: number | undefined): void {
    const offsets = this.#offsetIndex(baseOffset, next !== undefined)
    const times = this.#timeIndex(baseOffset, next !== undefined)
    const { crc32c, codecs, compacted, onProgress } = this.#options
    let batches = 0
    let records = 0
    let reported = 0
    let damaged = false
    const scan = { crc32c, codecs, baseOffset, endOffset: next ?? Number.POSITIVE_INFINITY, allowGaps: compacted }
    for (const event of scanBatches(file, scan)) {
      if (event.kind === 'batch') {
        const { position, batch } = event
        this.#batch(file.name, baseOffset, position, batch)
        const indexed = {
          position,
          baseOffset: batch.baseOffset,
          lastOffset: batch.lastOffset,
          maxTimestamp: batch.maxTimestamp,
        }
        offsets.batch(indexed)
        times.batch(indexed)
        batches += 1
        records += batch.recordCount
        if (onProgress !== undefined && position - reported > progressBytes) {
          onProgress(position - reported)
          reported = position
        }
      } else if (event.kind === 'damage') {
        damaged = true
        this.#damage(file.name, baseOffset, event)
        offsets.skip(event.endPosition)
        times.skip(event.nextOffset ?? Number.POSITIVE_INFINITY)
      } else {
        onProgress?.(file.size - reported)
        offsets.finish(event.position)
        times.finish(event.offset)
        this.#end(file, baseOffset, next, event)
        this.#segments.push({
          baseOffset,
          bytes: file.size,
          batches,
          records,
          endPosition: event.position,
          preallocatedBytes: event.zeroBytes,
        })
        if (next !== undefined && !damaged && !times.isComplete) this.#incompleteTimes(baseOffset)
      }
    }
    this.#transactions(baseOffset)
  }

  #batch(file: string, segmentBase: number, position: number, batch: RecordBatch): void {
    this.#compareSnapshots(batch.baseOffset)
    this.#epochs.batch(batch, (message) =>
      this.#findings.damage('batch', file, message, { position, offset: batch.baseOffset }),
    )
    this.#replay.apply(batch)
    if (this.#cut !== null) this.#recordsBehindCut += batch.recordCount
    this.#nextOffset = batch.lastOffset + 1
    const { checkpoint } = this.#options
    if (checkpoint?.segmentBaseOffset === segmentBase && checkpoint.segmentPosition === position + batch.byteLength)
      this.#checkpointPlaceSeen = checkpoint.recoveryPoint <= this.#nextOffset
  }

  #damage(file: string, baseOffset: number, damage: DamagedRange): void {
    const { position, endPosition, offset, nextOffset, reason } = damage
    this.#replay.forget()
    this.#lost.push({ file, position, endPosition, offset, nextOffset, reason })
    const cutAt = cutPosition(this.#start, baseOffset, damage)
    this.#findings.damage('batch', file, reason, {
      position,
      offset,
      onOpen: cutAt === null ? 'it is not looked at; readers get VARVE_CORRUPT there' : 'the log is cut here',
    })
    if (cutAt !== null) this.#cutAt(file, cutAt, offset, baseOffset)
  }

  #cutAt(file: string, position: number, offset: number, baseOffset: number): void {
    this.#cut ??= { file, position, offset, baseOffset }
  }

  #end(file: InspectedFile, baseOffset: number, next: number | undefined, end: ScanEnd): void {
    if (end.zeroBytes === 0) return
    if (next !== undefined) {
      this.#findings.notice(
        'segment',
        file.name,
        `${end.zeroBytes} zeros behind its last batch: it was not trimmed when it was sealed`,
        {
          position: end.position,
          ...(baseOffset >= this.#start.baseOffset ? { onOpen: 'it is trimmed' } : {}),
        },
      )
    } else {
      const message = `${end.zeroBytes} zeros behind the last batch: preallocated, as a log is that was not closed`
      this.#findings.notice('segment', file.name, message, { position: end.position })
    }
  }

  // ---- indexes

  #offsetIndex(baseOffset: number, sealed: boolean): OffsetIndexCheck {
    const name = segmentFileName(baseOffset, 'index')
    return new OffsetIndexCheck(this.#indexBytes(name, 'index', baseOffset, sealed), baseOffset, (position, message) =>
      this.#findings.damage('index', name, message, { position, ...this.#rebuilt(baseOffset) }),
    )
  }

  #timeIndex(baseOffset: number, sealed: boolean): TimeIndexCheck {
    const name = segmentFileName(baseOffset, 'timeindex')
    const bytes = this.#indexBytes(name, 'time-index', baseOffset, sealed)
    return new TimeIndexCheck(bytes, baseOffset, (position, message) =>
      this.#findings.damage('time-index', name, message, { position, ...this.#rebuilt(baseOffset) }),
    )
  }

  #indexBytes(name: string, check: 'index' | 'time-index', baseOffset: number, sealed: boolean): Buffer {
    const bytes = readSmallFile(this.#folder, name)
    const rebuilt = this.#rebuilt(baseOffset)
    if (bytes === undefined) this.#findings.damage(check, name, 'it is too large for an index', rebuilt)
    else if (bytes === null && (sealed || this.#sizeOf(baseOffset) > 0)) {
      // A writer that was killed may not have come to write it yet.
      const level = rebuilt.onOpen === undefined ? 'damage' : 'notice'
      this.#findings.add({ level, check, file: name, message: 'it is missing', ...rebuilt })
    }
    return bytes ?? Buffer.alloc(0)
  }

  #incompleteTimes(baseOffset: number): void {
    const name = segmentFileName(baseOffset, 'timeindex')
    if (readSmallFile(this.#folder, name) === null) return // told already
    const message = "it does not end with the segment's largest timestamp, as it must once a segment is sealed"
    // The writer may have been killed between the roll and the seal; then an open completes it.
    const rebuilt = this.#rebuilt(baseOffset)
    if (rebuilt.onOpen === undefined) this.#findings.damage('time-index', name, message)
    else this.#findings.notice('time-index', name, message, rebuilt)
  }

  /** Of the segments that an open checks it makes the indexes anew; not where it has nothing to check. */
  #rebuilt(baseOffset: number): { onOpen?: string } {
    const { baseOffset: first, position } = this.#start
    const checks = baseOffset > first || (baseOffset === first && position < this.#sizeOf(first))
    return checks ? { onOpen: madeAnew } : {}
  }

  // ---- what is derived

  #readSnapshots(): Map<number, ProducerEntry[] | null> {
    const snapshots = new Map<number, ProducerEntry[] | null>()
    for (const { name } of this.#folder.list()) {
      const file = parseSegmentFileName(name)
      if (file?.kind !== 'snapshot' || file.state !== undefined) continue
      try {
        snapshots.set(file.baseOffset, decodeProducerSnapshot(readSmallFile(this.#folder, name) ?? Buffer.alloc(0)))
      } catch (failure) {
        if (!(failure instanceof VarveError)) throw failure
        snapshots.set(file.baseOffset, null)
        this.#findings.damage('snapshot', name, failure.message, {
          onOpen: 'an older one and more of the log serve instead',
        })
      }
    }
    return new Map([...snapshots].sort(([a], [b]) => a - b))
  }

  /** Compares the snapshots of up to `offset`, which is where the next batch begins. */
  #compareSnapshots(offset: number): void {
    for (const [at, entries] of this.#snapshots) {
      if (at > offset) return
      this.#snapshots.delete(at)
      if (entries === null) continue
      const name = segmentFileName(at, 'snapshot')
      const fault = (message: string) => this.#findings.damage('snapshot', name, message, { offset: at })
      if (at > this.#nextOffset && offset === Number.POSITIVE_INFINITY)
        fault(`it stands for offset ${at}, past the log end ${this.#nextOffset}`)
      else if (at === this.#nextOffset) this.#replay.compareSnapshot(entries, fault)
      else if (this.#replay.known && at > (this.#sizes[0]?.baseOffset ?? 0)) fault('its offset lies inside a batch')
    }
  }

  #transactions(baseOffset: number): void {
    const name = segmentFileName(baseOffset, 'txnindex')
    const aborted = this.#replay.takeAborted()
    const expected = this.#replay.known ? aborted : null
    const bytes = readSmallFile(this.#folder, name)
    const fault = (message: string, offset?: number) =>
      this.#findings.damage('transaction-index', name, message, { ...at(offset), ...this.#rebuilt(baseOffset) })
    if (bytes === null) {
      if (expected !== null && expected.length > 0)
        fault(`it is missing; the segment has ${expected.length} aborted transactions`)
      return
    }
    let entries: TransactionIndexEntry[]
    try {
      entries = decodeTransactionIndex(bytes ?? Buffer.alloc(1))
    } catch (failure) {
      if (!(failure instanceof VarveError)) throw failure
      fault(failure.message)
      return
    }
    checkTransactionIndex(entries, expected, { baseOffset, endOffset: this.#nextOffset }, fault)
  }

  // ---- the folder

  #checkNames(): void {
    for (const { name, folder } of this.#folder.list()) {
      const file = parseSegmentFileName(name)
      if (file?.state !== undefined)
        this.#findings.notice('folder', name, 'left behind by a deletion or compaction', { onOpen: 'it is removed' })
      else if (file !== undefined && file.kind !== 'log' && file.kind !== 'snapshot') {
        if (!this.#sizes.some(({ baseOffset }) => baseOffset === file.baseOffset))
          this.#findings.damage('folder', name, 'the segment that it belongs to is not there')
      } else if (name.endsWith('.tmp') && !folder)
        this.#findings.notice('folder', name, 'left behind by a write that was interrupted')
      else if (file === undefined && (folder || !knownNames.test(name)))
        this.#findings.notice('folder', name, 'not a file of a log')
    }
    if (this.#sizes.length === 0) this.#findings.notice('folder', '.', 'there is no segment: an empty log')
    else if (
      readSmallFile(this.#folder, leaderEpochCheckpointName) === null &&
      this.#sizes.some(({ bytes }) => bytes > 0)
    )
      this.#findings.damage('leader-epochs', leaderEpochCheckpointName, 'it is missing', { onOpen: madeAnew })
  }

  #checkMetadata(): void {
    const bytes = readSmallFile(this.#folder, partitionMetadataName)
    if (bytes === null) return
    try {
      decodePartitionMetadata((bytes ?? Buffer.alloc(0)).toString('utf8'))
    } catch (failure) {
      if (!(failure instanceof VarveError)) throw failure
      this.#findings.damage('metadata', partitionMetadataName, failure.message)
    }
  }

  #checkCheckpoint(): void {
    const { checkpoint } = this.#options
    if (checkpoint === null) return
    const { recoveryPoint, segmentBaseOffset, segmentPosition, logStartOffset } = checkpoint
    const fault = (message: string, offset?: number) =>
      this.#findings.damage(
        'checkpoint',
        checkpoint.segmentBaseOffset < 0 ? 'recovery-point-offset-checkpoint' : 'varve-checkpoint',
        message,
        at(offset),
      )
    if (recoveryPoint > this.#nextOffset)
      fault(
        `everything below offset ${recoveryPoint} was on disk, but the log ends at ${this.#nextOffset}: flushed records are gone`,
        this.#nextOffset,
      )
    if (logStartOffset > Math.max(recoveryPoint, this.#nextOffset))
      fault(`the log start ${logStartOffset} lies past the log end`)
    if (segmentBaseOffset < 0 || recoveryPoint > this.#nextOffset) return
    const segment = this.#sizes.find(({ baseOffset }) => baseOffset === segmentBaseOffset)
    if (segment === undefined) fault(`it names the segment ${segmentBaseOffset}, which is not there`)
    else if (segmentPosition > 0 && !this.#checkpointPlaceSeen)
      fault(
        `it says that offset ${recoveryPoint} is at position ${segmentPosition} of segment ${segmentBaseOffset}, where no batch ends`,
      )
    else if (!indexesAreAsFlushed(this.#folder, checkpoint))
      fault(`the indexes of segment ${segmentBaseOffset} are not as they were flushed with it`)
  }

  #openCut(): OpenCut | null {
    const cut = this.#cut
    if (cut === null) return null
    const behind = this.#sizes.filter(({ baseOffset }) => baseOffset > cut.baseOffset)
    const own = this.#sizes.find(({ baseOffset }) => baseOffset === cut.baseOffset)!.bytes - cut.position
    return {
      file: cut.file,
      position: cut.position,
      offset: cut.offset,
      bytes: behind.reduce((total, { bytes }) => total + bytes, own),
      removedSegments: behind.map(({ baseOffset }) => baseOffset),
      goodRecordsLost: this.#recordsBehindCut,
    }
  }

  #checkedOnOpen(): number {
    const { baseOffset, position } = this.#start
    const total = this.#sizes.filter((s) => s.baseOffset >= baseOffset).reduce((bytes, s) => bytes + s.bytes, 0)
    return Math.max(0, total - position)
  }

  #sizeOf(baseOffset: number): number {
    const file = this.#folder.open(segmentFileName(baseOffset, 'log'))
    const size = file?.size ?? 0
    file?.close()
    return size
  }
}

const progressBytes = 16 * 1024 * 1024
/** What may stand in a log's folder beside the files of segments; the last ones where it is its own root. */
const knownNames = /^(?:leader-epoch-checkpoint|partition\.metadata|\.lock|varve-tails|varve-checkpoint)$/

function at(offset: number | undefined): { offset?: number } {
  return offset === undefined ? {} : { offset }
}
