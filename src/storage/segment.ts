import { VarveError } from '../errors.ts'
import type { Disk } from './disk.ts'
import {
  type Addon,
  AppendIn,
  AppendOut,
  FlushFlag,
  ReadFlag,
  ReadIn,
  ReadOut,
  ScanColumn,
  ScanFlag,
  ScanIn,
  ScanOut,
  type ScanStop,
  SetEndCell,
  StatCell,
  TimestampCell,
} from './native/addon.ts'
import { failureOf } from './native/failure.ts'
import { segmentStem } from './segment-names.ts'
import type { TailSlot } from './tails.ts'

export { AppendFlag, FlushFlag, ScanColumn, ScanFlag, ScanStop } from './native/addon.ts'

export interface SegmentOptions {
  readonly folder: string
  readonly baseOffset: number
  /** 'create' a new one, 'write' an existing one, 'read' it while perhaps another process writes. */
  readonly mode: 'create' | 'write' | 'read'
  readonly backend: 'mapped' | 'pwrite'
  readonly segmentBytes: number
  readonly indexIntervalBytes: number
  readonly indexMaxBytes: number
  /** Free bytes of the disk that the log leaves alone when it allocates. */
  readonly diskReserveBytes: number
  /** Where appends publish their end; null for readers. */
  readonly tail: TailSlot | null
}

/** What one append wants; all numbers, filled anew for each. */
export interface AppendRequest {
  baseOffset: number
  leaderEpoch: number
  /** `AppendFlag`s. */
  flags: number
  /** Log append time in ms, or -1 to keep the producer's. */
  appendTimestamp: number
  maxBatchBytes: number
}

/** Whole batches, back to back. */
export interface AppendBytes {
  readonly bytes: Uint8Array
  readonly length: number
  /** Memory that is used for append after append and may be written to: it is registered once, then named by number. */
  readonly scratch: boolean
}

/** Batches read into a slab: every one whole, its checksum verified. */
export interface SlabFill {
  /** Bytes filled, from 0. */
  bytes: number
  batchCount: number
  /** Position of the first batch in the segment. */
  position: number
  /** Position after the last. */
  nextPosition: number
  /** Offset after the last record. */
  nextOffset: number
}

export interface SegmentStats {
  readonly endPosition: number
  /** Offset that the next record would get. */
  readonly nextOffset: number
  readonly maxTimestamp: number
  readonly maxTimestampOffset: number
  readonly indexEntries: number
  readonly timeIndexEntries: number
  readonly flushedPosition: number
  readonly fileSize: number
  readonly allocatedBytes: number
  readonly firstMaxTimestamp: number
  readonly stalls: number
  readonly mappedBytes: number
}

export interface ScanPage {
  readonly rowCount: number
  /** Position after the last good batch. */
  readonly position: number
  readonly nextOffset: number
  readonly stop: (typeof ScanStop)[keyof typeof ScanStop]
  readonly endPosition: number
}

/** The buffer that an addon instance has registered as scratch, so that it is registered again only when it changes. */
interface Scratch {
  bytes: Uint8Array | null
}

const scratchOfAddon = new WeakMap<Addon, Scratch>()

function scratchOf(addon: Addon): Scratch {
  let scratch = scratchOfAddon.get(addon)
  if (scratch === undefined) {
    scratch = { bytes: null }
    scratchOfAddon.set(addon, scratch)
  }
  return scratch
}

/**
 * One segment: a `.log` file with its two sparse indexes, in native code (native/segment). This is the thin handle on
 * it: one method, one crossing. Lifecycle: `open`, then appends or reads, then `close`; a sealed one takes no appends.
 * It belongs to one JavaScript thread. It knows nothing of other segments, of offsets beyond its own, or of producers.
 */
export class Segment {
  readonly baseOffset: number
  readonly path: string
  readonly #addon: Addon
  readonly #handle: number
  readonly #cells: Float64Array
  readonly #scratch: Scratch
  #closed = false

  private constructor(addon: Addon, handle: number, baseOffset: number, path: string) {
    this.#addon = addon
    this.#handle = handle
    this.#cells = addon.cells
    this.#scratch = scratchOf(addon)
    this.baseOffset = baseOffset
    this.path = path
  }

  static open(disk: Disk, options: SegmentOptions): Segment {
    const { addon } = disk
    const path = `${options.folder}/${segmentStem(options.baseOffset)}.log`
    const { tail, ...native } = options
    const handle = addon.segmentOpen(disk.kernel, { ...native, tails: tail?.table ?? 0, slot: tail?.slot ?? -1 })
    if (handle === 0) throw failureOf(addon, `open the segment ${path}`)
    return new Segment(addon, handle, options.baseOffset, path)
  }

  /** The native handle, for calls that take several segments at once. */
  get handle(): number {
    return this.#handle
  }

  get closed(): boolean {
    return this.#closed
  }

  /**
   * Appends the whole batches in `input.bytes[0, input.length)`.
   * @returns 0: the `appended...` properties tell. Otherwise a status: `codeOf` and `failure` tell.
   */
  append(request: AppendRequest, input: AppendBytes): number {
    const cells = this.#cells
    cells[AppendIn.segment] = this.#handle
    cells[AppendIn.baseOffset] = request.baseOffset
    cells[AppendIn.leaderEpoch] = request.leaderEpoch
    cells[AppendIn.flags] = request.flags
    cells[AppendIn.appendTimestamp] = request.appendTimestamp
    cells[AppendIn.maxBatchBytes] = request.maxBatchBytes
    if (!input.scratch) return this.#addon.segmentAppend(input.bytes)
    cells[AppendIn.scratchOffset] = 0
    cells[AppendIn.scratchLength] = input.length
    if (this.#scratch.bytes !== input.bytes) {
      this.#addon.setScratch(input.bytes)
      this.#scratch.bytes = input.bytes
    }
    return this.#addon.segmentAppendScratch()
  }

  /** After a successful append, until the next native call: how many watchers of the tail want a wake-up. */
  get watchers(): number {
    return this.#cells[AppendOut.watchers]!
  }
  get appendedLastOffset(): number {
    return this.#cells[AppendOut.lastOffset]!
  }
  get appendedEndPosition(): number {
    return this.#cells[AppendOut.endPosition]!
  }
  get appendedMaxTimestamp(): number {
    return this.#cells[AppendOut.maxTimestamp]!
  }
  get faultPosition(): number {
    return this.#cells[AppendOut.faultAt]!
  }

  /** The error behind the status that the last call answered. */
  failure(what: string): VarveError {
    return failureOf(this.#addon, `${what} ${this.path}`)
  }

  /** The public code of a status. */
  codeOf(status: number): string {
    return this.#addon.statusNames[status] ?? 'VARVE_IO'
  }

  /**
   * Fills `slab` with whole batches from the one that holds `offset` on (or the next one, after a gap).
   * @param bound.endPosition Bytes published so far, exclusive; -1 for all that is whole.
   * @param bound.endOffset Batches that start at or past it are left out; -1 for none.
   * @param bound.contiguous The log has no gaps, so a batch that does not follow the one before is damage.
   * @param positionHint Start of a batch at or before the offset, or -1.
   * @returns null when the slab is too small: `neededBytes` then tells.
   */
  read(
    offset: number,
    slab: Uint8Array,
    maxBytes: number,
    bound: { endPosition: number; endOffset: number; contiguous?: boolean },
    positionHint = -1,
  ): SlabFill | null {
    const cells = this.#cells
    cells[ReadIn.segment] = this.#handle
    cells[ReadIn.offset] = offset
    cells[ReadIn.positionHint] = positionHint
    cells[ReadIn.maxBytes] = maxBytes
    cells[ReadIn.endPosition] = bound.endPosition
    cells[ReadIn.endOffset] = bound.endOffset
    cells[ReadIn.flags] = bound.contiguous ? ReadFlag.contiguous : 0
    const status = this.#addon.segmentRead(slab)
    if (status !== 0) {
      if (this.codeOf(status) === 'VARVE_BUFFER_TOO_SMALL') return null
      throw this.#readFailure(offset)
    }
    return {
      bytes: cells[ReadOut.bytes]!,
      batchCount: cells[ReadOut.batches]!,
      position: cells[ReadOut.position]!,
      nextPosition: cells[ReadOut.nextPosition]!,
      nextOffset: cells[ReadOut.nextOffset]!,
    }
  }

  /** After `read` answered null: bytes that the first batch needs. */
  get neededBytes(): number {
    return this.#cells[ReadOut.neededBytes]!
  }

  /** The first batch whose largest timestamp is at or above `timestamp`, or null. */
  locateTimestamp(timestamp: number, endPosition = -1): { position: number; baseOffset: number; size: number } | null {
    const cells = this.#cells
    cells[TimestampCell.segment] = this.#handle
    cells[TimestampCell.timestamp] = timestamp
    cells[TimestampCell.endPosition] = endPosition
    if (this.#addon.segmentLocateTimestamp() !== 0) throw this.failure('look up a timestamp in')
    if (cells[TimestampCell.found] !== 1) return null
    return {
      position: cells[TimestampCell.position]!,
      baseOffset: cells[TimestampCell.baseOffset]!,
      size: cells[TimestampCell.size]!,
    }
  }

  /** Validates batches from `position` on; rows land in the addon's shared `rows` until the next call. */
  scan(position: number, expectedOffset: number, flags: number, endPosition = -1): ScanPage {
    const cells = this.#cells
    cells[ScanIn.segment] = this.#handle
    cells[ScanIn.position] = position
    cells[ScanIn.expectedOffset] = expectedOffset
    cells[ScanIn.flags] = flags
    cells[ScanIn.endPosition] = endPosition
    if (this.#addon.segmentScan() !== 0) throw this.failure('scan')
    return {
      rowCount: cells[ScanOut.rows]!,
      position: cells[ScanOut.position]!,
      nextOffset: cells[ScanOut.nextOffset]!,
      stop: cells[ScanOut.stop]! as ScanPage['stop'],
      endPosition: cells[ScanOut.endPosition]!,
    }
  }

  /**
   * Base offset of the next whole batch behind damage, or null when there is none before `endPosition`.
   * @param leastOffset What was lost ends at or past it: nothing below is believed to be a batch of this log.
   */
  findNext(damagePosition: number, leastOffset: number, endPosition = -1): number | null {
    const flags = ScanFlag.findNext | ScanFlag.allowGaps
    const { rowCount } = this.scan(damagePosition, leastOffset, flags, endPosition)
    return rowCount > 0 ? this.rows[ScanColumn.baseOffset]! : null
  }

  /** Rows of the last `scan`: see `ScanColumn`. */
  get rows(): Float64Array {
    return this.#addon.rows
  }

  /** Declares the valid end after a scan: the rest of the file becomes zero, flushed, and the indexes are cut to it. */
  setEnd(endPosition: number, nextOffset: number): void {
    const cells = this.#cells
    cells[SetEndCell.segment] = this.#handle
    cells[SetEndCell.endPosition] = endPosition
    cells[SetEndCell.nextOffset] = nextOffset
    if (this.#addon.segmentSetEnd() !== 0) throw this.failure('cut the tail of')
  }

  /** Seals on this thread: trims the files to their contents and flushes them. No append may follow. */
  sealNow(): void {
    this.flushNow(FlushFlag.seal)
  }

  flushNow(flags: number): void {
    const status = this.#addon.flushNow(Uint32Array.of(this.#handle), flags)
    if (status !== 0) throw this.failure('flush')
  }

  /**
   * A private mapping of sealed bytes as an ArrayBuffer; it lives as long as it is referenced. Null for a segment that
   * cannot be mapped: a helper has not finished sealing it.
   */
  window(position: number, length: number): ArrayBuffer | null {
    const cells = this.#cells
    cells[1] = this.#handle
    cells[2] = position
    cells[3] = length
    const buffer = this.#addon.segmentWindow()
    if (buffer !== undefined) return buffer
    const failure = this.failure('map')
    if (failure.code === 'VARVE_INVALID_ARGUMENT') return null
    throw failure
  }

  /** CRC-32C of bytes, natively. */
  crc32c(bytes: Uint8Array): number {
    return this.#addon.crc32c(bytes, 0)
  }

  /** Asks the helper thread to have the next segment's file ready, so that the roll costs a rename. */
  prepareNext(): void {
    this.#addon.segmentPrepareNext(this.#handle)
  }

  stats(): SegmentStats {
    const cells = this.#cells
    if (this.#addon.segmentStats(this.#handle) !== 0) throw this.failure('look at')
    return {
      endPosition: cells[StatCell.endPosition]!,
      nextOffset: cells[StatCell.nextOffset]!,
      maxTimestamp: cells[StatCell.maxTimestamp]!,
      maxTimestampOffset: cells[StatCell.maxTimestampOffset]!,
      indexEntries: cells[StatCell.indexEntries]!,
      timeIndexEntries: cells[StatCell.timeIndexEntries]!,
      flushedPosition: cells[StatCell.flushedPosition]!,
      fileSize: cells[StatCell.fileSize]!,
      allocatedBytes: cells[StatCell.allocatedBytes]!,
      firstMaxTimestamp: cells[StatCell.firstMaxTimestamp]!,
      stalls: cells[StatCell.stalls]!,
      mappedBytes: cells[StatCell.mappedBytes]!,
    }
  }

  /** Frees the handle and its descriptors; flushes nothing. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#addon.segmentClose(this.#handle)
  }

  #readFailure(offset: number): VarveError {
    const cells = this.#cells
    const position = cells[ReadOut.position]!
    const expectedOffset = cells[ReadOut.nextOffset]!
    const failure = failureOf(this.#addon, `read offset ${offset} from ${this.path}`)
    if (failure.code !== 'VARVE_CORRUPT') return failure
    return new VarveError(failure.code, failure.message, {
      details: { ...failure.details, path: this.path, position, offset: expectedOffset },
    })
  }
}
