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

export interface SlabRequest {
  /** Most bytes to answer, though never less than one whole batch. */
  readonly maxBytes: number
  /** Where it can, hands out views instead of copies. */
  readonly views: ViewReader | null
  /** Memory of the caller to read into; a batch that does not fit gets memory of its own. */
  readonly into: Uint8Array | null
}

/**
 * Reads whole batches from several segments, remembering where it stood: a sequential reader pays no index lookup.
 * One instance serves one log or one live reader; not for use from several threads.
 */
export class SlabReader {
  readonly #list: SegmentList
  readonly #bound: { endPosition: number; endOffset: number; contiguous: boolean }
  /** Where the last read ended, so that the next one need not look it up. */
  #hintSegment: Segment | null = null
  #hintOffset = -1
  #hintPosition = -1
  /** Reused while reads stay small, see `#keep`. */
  #spare: Uint8Array | null = null
  /** What the last batch took that did not fit: the next one is likely as large, and need not be asked for twice. */
  #neededBytes = 0

  /** @param contiguous See the property. */
  constructor(list: SegmentList, contiguous: boolean) {
    this.#list = list
    this.#bound = { endPosition: -1, endOffset: -1, contiguous }
  }

  /** The log was never compacted: offsets that are missing are damage. */
  set contiguous(contiguous: boolean) {
    this.#bound.contiguous = contiguous
  }

  /**
   * Reads from the batch that holds `offset` on; the first batch may begin below it, and comes whole even when it is
   * larger than `maxBytes`.
   * @throws VARVE_OFFSET_OUT_OF_RANGE below the log start or past the end; VARVE_CORRUPT with
   * `details { path, position, offset, nextGoodOffset }`.
   */
  read(offset: number, request: SlabRequest, bounds: ReadBounds): Slab {
    const { maxBytes } = request
    if (!(offset >= bounds.logStartOffset && offset <= bounds.endOffset)) throw outOfRange(offset, bounds)
    if (!Number.isInteger(maxBytes) || maxBytes < 1 || maxBytes > readBytesMax) throw badMaxBytes(maxBytes)
    if (request.into !== null && !(request.into instanceof Uint8Array)) throw badInto()
    let index = this.#list.indexFor(offset)
    if (index < 0) throw outOfRange(offset, bounds)
    for (let from = offset; from < bounds.endOffset && index < this.#list.length; index++) {
      const slab = this.#readOrTell(index, from, request, bounds)
      if (slab !== null) return slab
      if (index + 1 === this.#list.length) break
      // Nothing at or past `from` in this segment: it ended below, or has a gap here.
      const nextBase = this.#list.baseOffsetAt(index + 1)
      if (this.#bound.contiguous && from < nextBase) throw this.#missing(index, from, nextBase)
      from = Math.max(from, nextBase)
    }
    return { bytes: nothing, batchCount: 0, nextOffset: offset }
  }

  /** Forgets the remembered place: files were exchanged. */
  forget(): void {
    this.#hintSegment = null
    this.#hintPosition = -1
  }

  /** Reads from one segment; a failure by damage also tells where reading goes on behind it. */
  #readOrTell(index: number, offset: number, request: SlabRequest, bounds: ReadBounds): Slab | null {
    try {
      return this.#viewSegment(index, offset, request, bounds) ?? this.#readSegment(index, offset, request, bounds)
    } catch (failure) {
      if (!(failure instanceof VarveError) || failure.code !== 'VARVE_CORRUPT') throw failure
      const { position, offset: damaged } = failure.details as { position: number; offset: number }
      const segment = this.#list.at(index)
      const endPosition = segment.baseOffset === bounds.activeBaseOffset ? bounds.activeEndPosition : -1
      const behind = index + 1 < this.#list.length ? this.#list.baseOffsetAt(index + 1) : bounds.endOffset
      const nextGoodOffset = Math.min(segment.findNext(position, damaged + 1, endPosition) ?? behind, bounds.endOffset)
      throw new VarveError(failure.code, `${failure.message} Reading goes on at offset ${nextGoodOffset}.`, {
        details: { ...failure.details, nextGoodOffset },
        cause: failure,
      })
    }
  }

  /** A segment that ends before the next one begins has lost its last batches. */
  #missing(index: number, offset: number, nextGoodOffset: number): VarveError {
    const segment = this.#list.at(index)
    return new VarveError(
      'VARVE_CORRUPT',
      `Offsets ${offset} to ${nextGoodOffset - 1} are missing at the end of ${segment.path}. Reading goes on at offset ${nextGoodOffset}.`,
      { details: { path: segment.path, position: segment.stats().fileSize, offset, nextGoodOffset } },
    )
  }

  /** Sealed segments only, and only whole: a bound inside of one is the copying reader's. */
  #viewSegment(index: number, offset: number, { views, maxBytes }: SlabRequest, bounds: ReadBounds): Slab | null {
    if (views === null || index + 1 >= this.#list.length) return null
    const nextBaseOffset = this.#list.baseOffsetAt(index + 1)
    if (bounds.endOffset < nextBaseOffset) return null
    try {
      return views.read(this.#list.at(index), nextBaseOffset, offset, maxBytes, this.#bound.contiguous)
    } catch (failure) {
      // The copying reader knows what to do about damage.
      if (failure instanceof VarveError && failure.code === 'VARVE_CORRUPT') return null
      throw failure
    }
  }

  #readSegment(index: number, offset: number, request: SlabRequest, bounds: ReadBounds): Slab | null {
    // With less than a batch's header the native read could not even say how much the batch needs.
    const maxBytes = Math.max(request.maxBytes, headerBytes)
    const segment = this.#list.at(index)
    const bound = this.#bound
    bound.endPosition = segment.baseOffset === bounds.activeBaseOffset ? bounds.activeEndPosition : -1
    bound.endOffset = bounds.endOffset
    const hint = segment === this.#hintSegment && offset === this.#hintOffset ? this.#hintPosition : -1
    const { into } = request
    const given = into !== null && into.length >= headerBytes ? into : null
    let slab = given ?? this.#memory(Math.max(maxBytes, this.#neededBytes))
    let fill = segment.read(offset, slab, Math.min(maxBytes, slab.length), bound, hint)
    if (fill === null) {
      this.#neededBytes = segment.neededBytes
      slab = allocate(this.#neededBytes)
      fill = segment.read(offset, slab, slab.length, bound, hint)
      if (fill === null) throw segment.failure('read')
    }
    if (fill.batchCount === 0) {
      if (slab !== into) this.#spare = slab
      return null
    }
    this.#hintSegment = segment
    this.#hintOffset = fill.nextOffset
    this.#hintPosition = fill.nextPosition
    const bytes = slab === into ? slab.subarray(0, fill.bytes) : this.#keep(slab, fill.bytes)
    return { bytes, batchCount: fill.batchCount, nextOffset: fill.nextOffset }
  }

  #memory(bytes: number): Uint8Array {
    return this.#spare !== null && this.#spare.length >= bytes ? this.#spare : allocate(bytes)
  }

  /** A slab that is mostly empty is copied out and used again: a follower of a slow log would pin 64 KiB for each record. */
  #keep(slab: Uint8Array, bytes: number): Uint8Array {
    if (bytes * 4 > slab.length) {
      this.#spare = null
      return slab.subarray(0, bytes)
    }
    this.#spare = slab
    const exact = allocate(bytes)
    exact.set(slab.subarray(0, bytes))
    return exact
  }
}

/** Memory of its own, not of Node's pool, and not cleared: it is filled at once. */
function allocate(bytes: number): Uint8Array {
  return Buffer.allocUnsafeSlow(bytes)
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

function badInto(): VarveError {
  return new VarveError('VARVE_INVALID_ARGUMENT', 'into must be a Uint8Array: the memory to read into.', {
    details: { argument: 'into' },
  })
}
