import { VarveError } from '../errors.ts'
import { headerBytes } from '../record/batch-header.ts'
import type { Segment } from '../storage/segment.ts'
import type { SegmentList } from './segment-list.ts'
import type { ReadBounds, Slab } from './slab.ts'
import type { ViewReader } from './view-reader.ts'

/** Default size of one read: small enough to stay in the processor's cache, large enough that the crossing is nothing. */
export const slabBytes = 64 * 1024

/** The most that one read may ask for: it is allocated before the bytes are there. */
export const readBytesMax = 1024 * 1024 * 1024

const nothing = Buffer.alloc(0)

/**
 * Reads whole batches from several segments, remembering where it stood: a sequential reader pays no index lookup.
 * One instance serves one log or one live reader; not for use from several threads.
 */
export class SlabReader {
  readonly #list: SegmentList
  readonly #bound = { endPosition: -1, endOffset: -1 }
  /** Where the last read ended, so that the next one need not look it up. */
  #hintSegment: Segment | null = null
  #hintOffset = -1
  #hintPosition = -1
  /** Reused while reads stay small, see `#keep`. */
  #spare: Buffer | null = null

  constructor(list: SegmentList) {
    this.#list = list
  }

  /**
   * Reads from the batch that holds `offset` on; the first batch may begin below it, and comes whole even when it is
   * larger than `maxBytes`.
   * @param views Where it can, hands out views instead of copies.
   * @throws VARVE_OFFSET_OUT_OF_RANGE below the log start or past the end; VARVE_CORRUPT with
   * `details { path, position, offset, nextGoodOffset }`.
   */
  read(offset: number, maxBytes: number, bounds: ReadBounds, views: ViewReader | null = null): Slab {
    if (!(offset >= bounds.logStartOffset && offset <= bounds.endOffset)) throw outOfRange(offset, bounds)
    if (!Number.isInteger(maxBytes) || maxBytes < 1 || maxBytes > readBytesMax) throw badMaxBytes(maxBytes)
    let index = this.#list.indexFor(offset)
    if (index < 0) throw outOfRange(offset, bounds)
    for (let from = offset; from < bounds.endOffset && index < this.#list.length; index++) {
      const slab =
        this.#viewSegment(index, from, maxBytes, bounds, views) ?? this.#readSegment(index, from, maxBytes, bounds)
      if (slab !== null) return slab
      // Nothing at or past `from` in this segment (a gap, or its end): go on in the next.
      if (index + 1 < this.#list.length) from = Math.max(from, this.#list.baseOffsetAt(index + 1))
    }
    return { bytes: nothing, batchCount: 0, nextOffset: offset }
  }

  /** Forgets the remembered place: files were exchanged. */
  forget(): void {
    this.#hintSegment = null
    this.#hintPosition = -1
  }

  /** Sealed segments only, and only whole: a bound inside of one is the copying reader's. */
  #viewSegment(
    index: number,
    offset: number,
    maxBytes: number,
    bounds: ReadBounds,
    views: ViewReader | null,
  ): Slab | null {
    if (views === null || index + 1 >= this.#list.length) return null
    const nextBaseOffset = this.#list.baseOffsetAt(index + 1)
    if (bounds.endOffset < nextBaseOffset) return null
    return views.read(this.#list.at(index), nextBaseOffset, offset, maxBytes)
  }

  #readSegment(index: number, offset: number, wantedBytes: number, bounds: ReadBounds): Slab | null {
    // With less than a batch's header the native read could not even say how much the batch needs.
    const maxBytes = Math.max(wantedBytes, headerBytes)
    const segment = this.#list.at(index)
    const bound = this.#bound
    bound.endPosition = segment.baseOffset === bounds.activeBaseOffset ? bounds.activeEndPosition : -1
    bound.endOffset = bounds.endOffset
    const hint = segment === this.#hintSegment && offset === this.#hintOffset ? this.#hintPosition : -1
    let slab = this.#spare !== null && this.#spare.length >= maxBytes ? this.#spare : Buffer.allocUnsafeSlow(maxBytes)
    let fill = segment.read(offset, slab, maxBytes, bound, hint)
    if (fill === null) {
      slab = Buffer.allocUnsafeSlow(segment.neededBytes)
      fill = segment.read(offset, slab, slab.length, bound, hint)
      if (fill === null) throw segment.failure('read')
    }
    if (fill.batchCount === 0) {
      this.#spare = slab
      return null
    }
    this.#hintSegment = segment
    this.#hintOffset = fill.nextOffset
    this.#hintPosition = fill.nextPosition
    return { bytes: this.#keep(slab, fill.bytes), batchCount: fill.batchCount, nextOffset: fill.nextOffset }
  }

  /** A slab that is mostly empty is copied out and used again: a follower of a slow log would pin 64 KiB for each record. */
  #keep(slab: Buffer, bytes: number): Uint8Array {
    if (bytes * 4 > slab.length) {
      this.#spare = null
      return slab.subarray(0, bytes)
    }
    this.#spare = slab
    const exact = Buffer.allocUnsafeSlow(bytes)
    exact.set(slab.subarray(0, bytes))
    return exact
  }
}

function outOfRange(offset: number, bounds: ReadBounds): VarveError {
  const { logStartOffset, endOffset } = bounds
  return new VarveError(
    'VARVE_OFFSET_OUT_OF_RANGE',
    `Offset ${offset} is outside of the log, which holds offsets from ${logStartOffset} up to, not including, ${endOffset}. ` +
      'Read from logStartOffset for the oldest record, or from logEndOffset to wait for the next.',
    { details: { offset, logStartOffset, logEndOffset: endOffset } },
  )
}

function badMaxBytes(maxBytes: number): VarveError {
  return new VarveError(
    'VARVE_INVALID_ARGUMENT',
    `maxBytes must be an integer from 1 to ${readBytesMax}, not ${String(maxBytes)}.`,
    { details: { argument: 'maxBytes' } },
  )
}
