import type { Logger } from '../env/logger.ts'
import { VarveError } from '../errors.ts'
import type { Disk } from '../storage/disk.ts'
import { FlushFlag, ScanColumn, ScanFlag, ScanStop, Segment, type SegmentOptions } from '../storage/segment.ts'
import { parseSegmentFileName, preparedSegmentName, segmentFileName } from '../storage/segment-names.ts'
import type { TailSlot } from '../storage/tails.ts'
import type { LogCheckpoint } from '../storage/varve-checkpoint.ts'
import { isControlBatch, noProducerId, producerIdOf } from './batch-fields.ts'
import { emptyBatch } from './batch-input.ts'
import { DerivedState } from './derived-state.ts'
import { readFirstBatch } from './first-batch.ts'
import type { ProducerBatch } from './producer-states.ts'
import { markDeleted } from './removal.ts'
import { indexEntryBytes, timeIndexEntryBytes } from './roll.ts'
import { markerIn } from './transaction-marker.ts'
import { exchangeForPrefixNow, truncatingPrefix } from './truncation.ts'

/** Told while an unclean log is checked, at the start, then once per few megabytes, and at the end. */
export interface RecoveryProgress {
  readonly folder: string
  readonly scannedBytes: number
  readonly totalBytes: number
  /** True for the last call. */
  readonly done: boolean
}

/** A cut that recovery made: everything from here to the old end of the log is gone, or was never acknowledged. */
export interface RecoveryCut {
  /** File that was cut; later segments were taken away whole. */
  readonly path: string
  readonly position: number
  /** The log ends here now. */
  readonly offset: number
  readonly removedSegments: readonly number[]
}

export interface RecoveryRequest {
  readonly disk: Disk
  readonly folder: string
  readonly checkpoint: LogCheckpoint | null
  readonly segmentOptions: Omit<SegmentOptions, 'baseOffset' | 'mode' | 'tail' | 'folder'>
  readonly tail: TailSlot | null
  /** Kafka wrote last and closed cleanly: then its recovery point is the log end, and its files are as it left them. */
  readonly closedByKafka: boolean
  /** Compacted logs have gaps between batches. */
  readonly allowGaps: boolean
  readonly logger: Logger
  readonly onProgress?: ((progress: RecoveryProgress) => void) | undefined
}

export interface RecoveredLog {
  /** Base offsets of all segments; the last one is `active`. */
  readonly baseOffsets: readonly number[]
  readonly active: Segment
  readonly state: DerivedState
  readonly logStartOffset: number
  readonly logEndOffset: number
  /** Bytes of log that were checked: 0 after a clean close. */
  readonly scannedBytes: number
  readonly cut: RecoveryCut | null
}

/**
 * Brings a log folder to a state that can be served, whatever the last writer left.
 *
 * From the recovery point on nothing is trusted: every batch is checked, the log is cut at the first that fails, the
 * rest of that file becomes zero and is flushed, later segments go, indexes and derived state are made anew from what
 * is left, and all of it is flushed before this returns. Below the recovery point nothing is read. So the cost depends
 * on what was appended since the last checkpoint, never on the size of the log. Interrupting it anywhere and running it
 * again gives the same result.
 */
export function recoverLog(request: RecoveryRequest): RecoveredLog {
  return new Recovery(request).run()
}

class Recovery {
  readonly #request: RecoveryRequest
  readonly #disk: Disk
  readonly #folder: string
  readonly #state: DerivedState
  readonly #batch: ProducerBatch = emptyBatch()
  #bases: number[]
  #scannedBytes = 0
  #totalBytes = 0
  #cut: RecoveryCut | null = null

  constructor(request: RecoveryRequest) {
    this.#request = request
    this.#disk = request.disk
    this.#folder = request.folder
    this.#state = new DerivedState(request.disk, request.folder)
    this.#bases = clearLeftovers(request.disk, request.folder)
  }

  run(): RecoveredLog {
    const { checkpoint, logger } = this.#request
    if (this.#bases.length === 0) return this.#emptyLog(checkpoint)
    const hadEpochs = this.#state.loadEpochs(logger)
    const start = this.#startOfScan()
    const epochsBefore = hadEpochs ? JSON.stringify(this.#state.epochs.entries) : ''
    // A scan from within a segment begins at an index entry a little below the recovery point, which has a snapshot of its
    // own. A whole segment's scan makes everything anew, aborted transactions included, so it needs the state before it.
    const stateOffset = start.position > 0 ? Math.max(start.offset, checkpoint?.recoveryPoint ?? 0) : start.offset
    const snapshotOffset = this.#state.loadProducers(stateOffset, logger)
    this.#replayBelow(start, hadEpochs, snapshotOffset)
    // An epoch that began where the scan begins stays: perhaps nothing was written in it.
    this.#state.epochs.truncateFromEnd(start.offset + 1)
    const active = this.#scanFrom(start, snapshotOffset)
    const { nextOffset: logEndOffset, endPosition } = active.stats()
    if (logEndOffset < snapshotOffset) {
      // The log was cut below the snapshot: producers are as an older one, and the batches that are left, have them.
      const end = { index: this.#bases.length - 1, position: endPosition, offset: logEndOffset }
      this.#replayBelow(end, true, this.#state.loadProducers(logEndOffset, logger))
    }
    this.#state.epochs.truncateFromEnd(logEndOffset + 1)
    const logStartOffset = Math.min(Math.max(this.#bases[0]!, checkpoint?.logStartOffset ?? 0), logEndOffset)
    this.#state.epochs.truncateFromStart(logStartOffset)
    if (JSON.stringify(this.#state.epochs.entries) !== epochsBefore) this.#state.saveEpochs()
    this.#removeStraySnapshots(logStartOffset, logEndOffset, snapshotOffset)
    if (this.#scannedBytes > 0 || this.#cut !== null) {
      active.flushNow(FlushFlag.indexes | FlushFlag.folder)
      this.#state.saveProducers(logEndOffset, this.#state.encodeProducers())
    }
    this.#progress(true)
    return {
      baseOffsets: this.#bases,
      active,
      state: this.#state,
      logStartOffset,
      logEndOffset,
      scannedBytes: this.#scannedBytes,
      cut: this.#cut,
    }
  }

  #emptyLog(checkpoint: LogCheckpoint | null): RecoveredLog {
    const base = checkpoint?.logStartOffset ?? 0
    this.#bases = [base]
    const active = this.#open(base, 'create', this.#request.tail)
    return {
      baseOffsets: this.#bases,
      active,
      state: this.#state,
      logStartOffset: base,
      logEndOffset: base,
      scannedBytes: 0,
      cut: null,
    }
  }

  /** Where checking must begin: a segment, the start of a batch in it, and the lowest offset allowed there. */
  #startOfScan(): ScanStart {
    const { checkpoint, closedByKafka } = this.#request
    const recoveryPoint = checkpoint?.recoveryPoint ?? -1
    const index = this.#bases.findLastIndex((base) => base <= recoveryPoint)
    if (index < 0) return { index: 0, position: 0, offset: this.#bases[0]! }
    const wholeSegment = { index, position: 0, offset: this.#bases[index]! }
    const base = this.#bases[index]!
    const size = this.#disk.stat(this.#path(base, 'log'))?.size ?? 0
    if (closedByKafka && index === this.#bases.length - 1) return { index, position: size, offset: recoveryPoint }
    if (checkpoint === null || checkpoint.segmentBaseOffset !== base) return wholeSegment
    if (size < checkpoint.segmentPosition || !this.#state.hasWholeTransactionIndex(base)) return wholeSegment
    if (size === checkpoint.segmentPosition && index === this.#bases.length - 1) {
      // Nothing was appended since the checkpoint: after a clean close this is all there is to do.
      if (this.#indexesAreAsFlushed(base, checkpoint)) {
        return { index, position: checkpoint.segmentPosition, offset: recoveryPoint }
      }
      return wholeSegment
    }
    const entry = this.#lastIndexEntry(base, checkpoint)
    return entry === null ? wholeSegment : { index, position: entry.position, offset: entry.offset }
  }

  /** The indexes below the recovery point are exactly those that were flushed with it. */
  #indexesAreAsFlushed(base: number, checkpoint: LogCheckpoint): boolean {
    return (
      this.#prefixCrc(this.#path(base, 'index'), checkpoint.indexEntries * indexEntryBytes) === checkpoint.indexCrc &&
      this.#prefixCrc(this.#path(base, 'timeindex'), checkpoint.timeIndexEntries * timeIndexEntryBytes) ===
        checkpoint.timeIndexCrc
    )
  }

  #prefixCrc(path: string, bytes: number): number {
    if (bytes === 0) return 0
    const content = this.#disk.readFile(path)
    if (content === null || content.byteLength < bytes) return -1
    return this.#disk.addon.crc32c(content.subarray(0, bytes), 0)
  }

  /**
   * The last index entry that was flushed with the recovery point: checking starts at its batch, so that the next
   * entries fall where they would have. Null when there is none, or the indexes are not as they were flushed.
   */
  #lastIndexEntry(base: number, checkpoint: LogCheckpoint): { position: number; offset: number } | null {
    if (checkpoint.indexEntries === 0 || !this.#indexesAreAsFlushed(base, checkpoint)) return null
    const content = this.#disk.readFile(this.#path(base, 'index'))!
    const view = new DataView(content.buffer, content.byteOffset, content.byteLength)
    const entryAt = (checkpoint.indexEntries - 1) * indexEntryBytes
    const lastOffset = base + view.getInt32(entryAt)
    const position = view.getInt32(entryAt + 4)
    if (position >= checkpoint.segmentPosition) return null
    // The entry names its batch's last offset; only the batch itself tells where it begins.
    const segment = this.#open(base, 'read', null)
    try {
      const batch = readFirstBatch(segment, lastOffset)
      return batch?.position === position ? { position, offset: batch.baseOffset } : null
    } catch (failure) {
      if (failure instanceof VarveError && failure.code === 'VARVE_CORRUPT') return null
      throw failure
    } finally {
      segment.close()
    }
  }

  /** Replays what derived state needs of the log below the start of the scan, without checking or changing it. */
  #replayBelow(start: ScanStart, hadEpochs: boolean, snapshotOffset: number): void {
    let from = hadEpochs ? snapshotOffset : -1
    if (from >= start.offset) return
    from = Math.max(from, this.#bases[0]!)
    for (
      let index = Math.max(
        0,
        this.#bases.findLastIndex((base) => base <= from),
      );
      index <= start.index;
      index++
    ) {
      const base = this.#bases[index]!
      const segment = this.#open(base, 'read', null)
      try {
        const endPosition = index === start.index ? start.position : -1
        if (endPosition === 0) return
        // The replay enters them again.
        this.#state.resetAborted(base, snapshotOffset)
        this.#scanSegment(segment, 0, base, ScanFlag.allowGaps, endPosition, snapshotOffset)
      } finally {
        segment.close()
      }
    }
  }

  /** Checks from the start of the scan to the end of the log; answers the active segment, ready for appends. */
  #scanFrom(start: ScanStart, snapshotOffset: number): Segment {
    const { allowGaps } = this.#request
    const flags = ScanFlag.rebuildIndexes | (allowGaps ? ScanFlag.allowGaps : 0)
    for (let index = start.index; index < this.#bases.length; index++) {
      const size = this.#disk.stat(this.#path(this.#bases[index]!, 'log'))?.size ?? 0
      this.#totalBytes += index === start.index ? size - start.position : size
    }
    this.#progress(false)
    let { position, offset } = start
    for (let index = start.index; ; index++) {
      const base = this.#bases[index]!
      const last = index === this.#bases.length - 1
      const segment = this.#open(base, 'write', last ? this.#request.tail : null)
      this.#state.resetAborted(base, Math.max(offset, snapshotOffset))
      const end = this.#scanSegment(segment, position, offset, flags, -1, snapshotOffset)
      const next = this.#bases[index + 1]
      const follows = next === undefined || next === end.offset || (allowGaps && next > end.offset)
      if (end.stop === ScanStop.damage || !follows) {
        return this.#cutAfter(index, segment, end)
      }
      segment.setEnd(end.position, end.offset)
      this.#state.saveAborted(base)
      if (last) return segment
      // A crash between the roll and the trimming of the sealed segment.
      segment.sealNow()
      segment.close()
      position = 0
      offset = next!
    }
  }

  /** The log ends in this segment: what follows in it becomes zero, later segments go. */
  #cutAfter(index: number, segment: Segment, end: ScanEnd): Segment {
    const base = this.#bases[index]!
    const removed = this.#bases.splice(index + 1)
    const path = this.#path(base, 'log')
    this.#cut = { path, position: end.position, offset: end.offset, removedSegments: removed }
    this.#request.logger.warn('recovery cut the log at the first batch that fails its checks', { ...this.#cut })
    if (removed.length === 0) {
      segment.setEnd(end.position, end.offset)
      this.#state.saveAborted(base)
      return segment
    }
    // It was sealed, so readers elsewhere may have it mapped: it is exchanged, not changed. And first, for as long as
    // later segments tell that it was sealed: a crash in between then finds the same end, and does the rest again.
    exchangeForPrefixNow(this.#disk, this.#folder, segment, end.position)
    segment.close()
    for (const later of removed.reverse()) markDeleted(this.#disk, this.#folder, later)
    this.#disk.syncFolder(this.#folder)
    const active = this.#open(base, 'write', this.#request.tail)
    active.setEnd(end.position, end.offset)
    this.#state.saveAborted(base)
    return active
  }

  #scanSegment(
    segment: Segment,
    position: number,
    offset: number,
    flags: number,
    endPosition: number,
    producersFrom: number,
  ): ScanEnd {
    let at = position
    let expected = offset
    for (;;) {
      const page = segment.scan(at, expected, flags, endPosition)
      const { rows } = segment
      for (let row = 0; row < page.rowCount; row++) this.#apply(segment, rows, row * ScanColumn.count, producersFrom)
      this.#scannedBytes += page.position - at
      at = page.position
      expected = page.rowCount > 0 ? page.nextOffset : expected
      if (page.stop !== ScanStop.rowsFull) return { position: at, offset: expected, stop: page.stop }
      this.#progress(false)
    }
  }

  #apply(segment: Segment, rows: Float64Array, row: number, producersFrom: number): void {
    const batch = this.#batch
    batch.baseOffset = rows[row + ScanColumn.baseOffset]!
    batch.lastOffsetDelta = rows[row + ScanColumn.lastOffset]! - batch.baseOffset
    batch.sizeBytes = rows[row + ScanColumn.size]!
    batch.leaderEpoch = rows[row + ScanColumn.leaderEpoch]!
    batch.attributes = rows[row + ScanColumn.attributes]!
    batch.baseTimestamp = rows[row + ScanColumn.baseTimestamp]!
    batch.maxTimestamp = rows[row + ScanColumn.maxTimestamp]!
    batch.producerId = producerIdOf(rows[row + ScanColumn.producerIdHigh]!, rows[row + ScanColumn.producerIdLow]!)
    batch.producerEpoch = rows[row + ScanColumn.producerEpoch]!
    batch.baseSequence = rows[row + ScanColumn.baseSequence]!
    batch.recordCount = rows[row + ScanColumn.recordCount]!
    if (batch.baseOffset < producersFrom) batch.producerId = noProducerId
    batch.marker = isControlBatch(batch) ? this.#readMarker(segment, batch) : undefined
    this.#state.apply(batch, segment.baseOffset)
  }

  #readMarker(segment: Segment, batch: ProducerBatch): ProducerBatch['marker'] {
    const stored = readFirstBatch(segment, batch.baseOffset)
    if (stored === null) return undefined
    const { bytes } = stored
    return markerIn(batch, bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0)
  }

  /** Kafka's rule: those of segments stay, and the newest if it lies past the last segment's base. */
  #removeStraySnapshots(logStartOffset: number, logEndOffset: number, usedOffset: number): void {
    const offsets = this.#state.snapshotOffsets().filter((offset) => offset <= logEndOffset)
    const newest = offsets.at(-1) ?? -1
    const bases = new Set(this.#bases)
    const lastBase = this.#bases.at(-1)!
    this.#state.removeSnapshots(
      (offset) =>
        offset > logEndOffset ||
        // But for the one that this recovery began with: if it is interrupted, the next one begins there too.
        (offset !== usedOffset &&
          ((!bases.has(offset) && !(offset === newest && offset > lastBase)) ||
            (offset <= logStartOffset && offset !== newest))),
    )
  }

  #open(baseOffset: number, mode: SegmentOptions['mode'], tail: TailSlot | null): Segment {
    return Segment.open(this.#disk, { ...this.#request.segmentOptions, folder: this.#folder, baseOffset, mode, tail })
  }

  #path(baseOffset: number, kind: 'log' | 'index' | 'timeindex'): string {
    return `${this.#folder}/${segmentFileName(baseOffset, kind)}`
  }

  #progress(done: boolean): void {
    const totalBytes = Math.max(this.#totalBytes, this.#scannedBytes)
    this.#request.onProgress?.({ folder: this.#folder, scannedBytes: this.#scannedBytes, totalBytes, done })
  }
}

interface ScanStart {
  readonly index: number
  readonly position: number
  readonly offset: number
}

interface ScanEnd {
  readonly position: number
  /** Offset that the next record gets. */
  readonly offset: number
  readonly stop: number
}

/** Takes away what an interrupted deletion, truncation or write left, and answers the base offsets of the segments, rising. */
function clearLeftovers(disk: Disk, folder: string): number[] {
  const bases: number[] = []
  for (const { name } of disk.list(folder) ?? []) {
    const file = parseSegmentFileName(name)
    if (isLeftover(name)) disk.remove(`${folder}/${name}`)
    else if (file?.kind === 'log' && file.state === undefined) bases.push(file.baseOffset)
  }
  return bases.sort((a, b) => a - b)
}

function isLeftover(name: string): boolean {
  if (name.startsWith(truncatingPrefix)) return true
  // A small file that was being replaced: the old one, or the new one, is there whole.
  if (name.endsWith('.tmp')) return isOurs(name.slice(0, -4))
  const state = parseSegmentFileName(name)?.state
  return state === 'deleted' || state === 'cleaned'
}

/**
 * Refuses a folder that holds files, and none of a log: somebody named the wrong one. Looks only, so that it can be
 * asked before anything is made there.
 * @throws VARVE_FOREIGN_FOLDER.
 */
export function refuseForeignFolder(disk: Disk, folder: string): void {
  const entries = disk.list(folder) ?? []
  if (entries.some(({ name }) => parseSegmentFileName(name)?.kind === 'log')) return
  const stranger = entries.find(({ name, folder: isFolder }) => isFolder || !(isOurs(name) || isLeftover(name)))
  if (stranger === undefined) return
  throw new VarveError(
    'VARVE_FOREIGN_FOLDER',
    `${folder} holds files (such as ${stranger.name}), but no log. Nothing was changed. Name an empty folder, or one that does not exist yet.`,
    { details: { path: folder, stranger: stranger.name } },
  )
}

function isOurs(name: string): boolean {
  return ownNames.has(name) || parseSegmentFileName(name) !== undefined
}

const ownNames: ReadonlySet<string> = new Set([
  '.lock',
  'varve-tails',
  'varve-checkpoint',
  preparedSegmentName,
  'leader-epoch-checkpoint',
  'partition.metadata',
])
