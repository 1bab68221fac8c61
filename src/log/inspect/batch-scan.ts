/**
 * Walks the batches of one `.log` file with every check that there is, and goes on behind damage.
 */
import type { CompressionCodecs } from '../../env/codecs.ts'
import { VarveError } from '../../errors.ts'
import { crcStart, HeaderField, headerBytes, headerFault, lengthOverhead } from '../../record/batch-header.ts'
import { RecordBatch } from '../../record/record-batch.ts'
import { RecordCursor } from '../../record/record-cursor.ts'
import { FileWindow } from './file-window.ts'
import type { InspectedFile } from './inspected-folder.ts'

/** CRC-32C of `bytes`, carried on from `seed`. */
export type Crc32c = (bytes: Uint8Array, seed: number) => number

export interface BatchScanOptions {
  readonly crc32c: Crc32c
  readonly codecs: CompressionCodecs
  /** Base offset of the segment; its first batch has it, or (with gaps) a higher one. */
  readonly baseOffset: number
  /** Exclusive: base offset of the next segment, or Infinity. */
  readonly endOffset: number
  /** The log is compacted: offsets rise, but not by one. */
  readonly allowGaps: boolean
}

/** A batch that passes every check. Its memory is valid until the next step of the scan. */
export interface ScannedBatch {
  readonly kind: 'batch'
  readonly position: number
  readonly batch: RecordBatch
}

/** A range of the file that holds no batch that passes its checks. */
export interface DamagedRange {
  readonly kind: 'damage'
  readonly position: number
  /** Exclusive: where the next good batch starts, or where the file ends. */
  readonly endPosition: number
  /** First offset that is lost. */
  readonly offset: number
  /** Offset of the next good batch in the file; null when there is none. */
  readonly nextOffset: number | null
  readonly reason: string
  /** False where only the records are damaged, under a good checksum: an open believes the checksum. */
  readonly stopsOpen: boolean
}

export interface ScanEnd {
  readonly kind: 'end'
  /** Where the last good batch ends. */
  readonly position: number
  /** Offset after the last good batch. */
  readonly offset: number
  /** Bytes of zeros behind it: a preallocated tail. */
  readonly zeroBytes: number
}

export type ScanEvent = ScannedBatch | DamagedRange | ScanEnd

/** What the search for the next good batch may spend on checksums, so that a hostile file cannot make it quadratic. */
const searchBytesMin = 64 * 1024 * 1024
const searchFactor = 4
/** A batch up to this size is held whole before its checksum is known; a larger claim is checked in pieces first. */
const wholeBytesMax = 1024 * 1024
const searchChunkBytes = 64 * 1024
const reservedAttributes = ~0x7f

/** Scans a file from its start. Ends with exactly one `end`. */
export function scanBatches(file: InspectedFile, options: BatchScanOptions): Generator<ScanEvent, void, undefined> {
  return new BatchScan(file, options).run()
}

interface Fault {
  readonly reason: string
  /** Where the batch ends, when its checksum vouches for its length; else -1. */
  readonly endPosition: number
  readonly stopsOpen: boolean
}

class BatchScan {
  readonly #options: BatchScanOptions
  readonly #window: FileWindow
  readonly #cursor = new RecordCursor()
  #position = 0
  /** Offset that the next batch must have (with gaps, or behind damage: at least). */
  #nextOffset: number
  #behindDamage = false
  #searchBudget: number
  /** Set by `#faultAt` when it answers undefined. */
  #batch: RecordBatch | undefined

  constructor(file: InspectedFile, options: BatchScanOptions) {
    this.#options = options
    this.#window = new FileWindow(file)
    this.#nextOffset = options.baseOffset
    this.#searchBudget = searchBytesMin + searchFactor * file.size
  }

  *run(): Generator<ScanEvent, void, undefined> {
    const { size } = this.#window
    /** Where the last good batch ended. */
    let goodEnd = 0
    let damage: { position: number; reason: string; stopsOpen: boolean } | undefined
    for (;;) {
      const zeroFrom = this.#position
      if (this.#position >= size || this.#isZeroLength(this.#position)) {
        const nonZero = this.#firstNonZero(this.#position)
        if (nonZero < 0) break
        damage ??= {
          position: this.#position,
          reason: `the length at ${zeroFrom} is zero, which ends the log, but bytes follow from ${nonZero} on`,
          stopsOpen: true,
        }
        this.#behindDamage = true
        if (!this.#search(Math.max(zeroFrom + 1, nonZero - lengthOverhead + 1))) break
        continue
      }
      const fault = this.#faultAt(this.#position)
      if (fault === undefined) {
        const position = this.#position
        const batch = this.#batch!
        if (damage !== undefined) {
          yield this.#damaged(damage, position, batch.baseOffset)
          damage = undefined
        }
        yield { kind: 'batch', position, batch }
        this.#nextOffset = batch.lastOffset + 1
        this.#behindDamage = false
        this.#position = position + batch.byteLength
        goodEnd = this.#position
        continue
      }
      if (damage === undefined) damage = { position: this.#position, reason: fault.reason, stopsOpen: fault.stopsOpen }
      else if (fault.stopsOpen) damage.stopsOpen = true
      this.#behindDamage = true
      if (fault.endPosition >= 0) this.#position = fault.endPosition
      else if (!this.#search(this.#position + 1)) break
    }
    if (damage !== undefined) yield this.#damaged(damage, size, null)
    const zeroBytes = damage === undefined ? size - goodEnd : 0
    yield { kind: 'end', position: goodEnd, offset: this.#nextOffset, zeroBytes }
  }

  #damaged(
    damage: { position: number; reason: string; stopsOpen: boolean },
    endPosition: number,
    nextOffset: number | null,
  ): DamagedRange {
    return { kind: 'damage', ...damage, endPosition, offset: this.#nextOffset, nextOffset }
  }

  /** As recovery sees it: a zero length field, or a rest too short for one that is all zero. */
  #isZeroLength(position: number): boolean {
    const bytes = this.#window.look(position, lengthOverhead)
    if (bytes.length < lengthOverhead) return bytes.every((byte) => byte === 0)
    return bytes.readInt32BE(HeaderField.length) === 0
  }

  /** Position of the first byte from `from` on that is not zero; -1 when there is none. */
  #firstNonZero(from: number): number {
    const { size } = this.#window
    for (let at = from; at < size; ) {
      const chunk = this.#window.look(at, searchChunkBytes)
      if (chunk.length === 0) return -1
      const zeros = zeroChunk.subarray(0, chunk.length)
      if (!chunk.equals(zeros)) return at + chunk.findIndex((byte) => byte !== 0)
      at += chunk.length
    }
    return -1
  }

  /** Moves to the next position from `from` on where a batch passes every check; false when there is none. */
  #search(from: number): boolean {
    const { size } = this.#window
    for (let at = from; at + headerBytes <= size; ) {
      const chunk = this.#window.look(at + HeaderField.magic, searchChunkBytes)
      const found = chunk.indexOf(2)
      if (found < 0) {
        at += Math.max(chunk.length, 1)
        continue
      }
      at += found
      const fault = this.#faultAt(at)
      if (fault === undefined) {
        this.#position = at
        return true
      }
      if (this.#searchBudget < 0) return false
      at += 1
    }
    return false
  }

  #faultAt(position: number): Fault | undefined {
    const { baseOffset, endOffset, allowGaps, codecs } = this.#options
    const header = this.#window.look(position, headerBytes)
    const view = new DataView(header.buffer, header.byteOffset, header.byteLength)
    const reason = headerFault(view, 0, this.#window.size - position)
    if (reason !== undefined) return fault(reason)
    if ((view.getInt16(HeaderField.attributes) & reservedAttributes) !== 0) return fault('reserved attributes are set')
    const size = view.getInt32(HeaderField.length) + lengthOverhead
    const first = Number(view.getBigInt64(HeaderField.baseOffset))
    const last = first + view.getInt32(HeaderField.lastOffsetDelta)
    if (this.#behindDamage && (first < this.#nextOffset || last >= endOffset)) return fault('its offset does not fit')
    const stored = view.getUint32(HeaderField.crc)
    const computed = this.#crcOf(position, size)
    if (this.#behindDamage) this.#searchBudget -= size
    if (stored !== computed) {
      return fault(`its CRC is ${hex(stored)}, its bytes say ${hex(computed)}`)
    }
    // From here on the checksum vouches for the length.
    const endPosition = position + size
    const known = (text: string, stopsOpen = true): Fault => ({ reason: text, endPosition, stopsOpen })
    const next = this.#nextOffset
    if (first < next) return known(`base offset ${first} is below ${next}, where the batch before ends`)
    if (first > next && !allowGaps && !this.#behindDamage)
      return known(`base offset is ${first}, not ${next}: offsets are missing`)
    if (last >= endOffset)
      return known(`last offset ${last} reaches into the next segment, which starts at ${endOffset}`)
    if (last - baseOffset > 0x7fff_ffff) return known(`last offset ${last} is too far from the segment's ${baseOffset}`)
    const bytes = this.#window.look(position, size)
    const memory = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const batch = new RecordBatch(bytes, memory, 0, bytes.length, { codecs })
    const recordFault = this.#recordFault(batch)
    if (recordFault !== undefined) return known(recordFault, false)
    this.#batch = batch
    return undefined
  }

  /** A large claim is summed up in pieces, so that it takes no memory before it is known to be true. */
  #crcOf(position: number, size: number): number {
    const { crc32c } = this.#options
    if (size <= wholeBytesMax) return crc32c(this.#window.look(position, size).subarray(crcStart), 0)
    let crc = 0
    for (let at = position + crcStart; at < position + size; ) {
      const piece = this.#window.look(at, Math.min(wholeBytesMax, position + size - at))
      if (piece.length === 0) break
      crc = crc32c(piece, crc)
      at += piece.length
    }
    return crc
  }

  #recordFault(batch: RecordBatch): string | undefined {
    const dense = !this.#options.allowGaps && batch.recordCount > 0
    try {
      const cursor = batch.walk(this.#cursor)
      for (let expected = batch.baseOffset; cursor.next(); expected += 1) {
        if (dense && cursor.offset !== expected) return `record ${cursor.offset} stands where ${expected} should`
      }
      return undefined
    } catch (failure) {
      if (!(failure instanceof VarveError)) throw failure
      // This Node cannot look into the batch; its checksum was right.
      if (failure.code === 'VARVE_UNSUPPORTED') return undefined
      return failure.message
    }
  }
}

const zeroChunk = Buffer.alloc(searchChunkBytes)

function fault(reason: string): Fault {
  return { reason, endPosition: -1, stopsOpen: true }
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0')
}
