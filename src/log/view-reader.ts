import { VarveError } from '../errors.ts'
import { crcStart, HeaderField, headerFault, lengthOverhead } from '../record/batch-header.ts'
import type { Segment } from '../storage/segment.ts'
import { readFirstBatch } from './first-batch.ts'
import type { Slab } from './slab.ts'

/**
 * Size of one mapped window. Making and dropping many small ones costs full garbage collections (V8 counts their bytes
 * as memory pressure); one as large as a segment would be pinned whole by a single value that is kept.
 */
export const windowBytes = 64 * 1024 * 1024

/**
 * Reads sealed segments without a copy: batches are views into private mappings of the files.
 *
 * A view stays valid as long as it is referenced, whatever retention or truncation does meanwhile: the mapping goes with
 * the last of them, by garbage collection. Writing into one changes neither the file nor what others read. Every
 * checksum is verified before a view is handed out. What is left is an input/output error of the device under a view
 * that was not touched yet: that ends the process, and no program can catch it.
 */
export class ViewReader {
  readonly #sizes = new WeakMap<Segment, number>()
  #segment: Segment | null = null
  #window: Buffer = Buffer.alloc(0)
  /** Position of the window's first byte in the segment. */
  #windowStart = 0
  /** Where the last read ended, so that the next one need not look it up. */
  #nextOffset = -1
  #nextPosition = 0

  /**
   * Whole batches from the one that holds `offset` on; null where this segment cannot be mapped (it is not trimmed to
   * its last batch yet, so its file may still shrink) or has nothing there: then copies serve.
   * @param segment A sealed one: it takes no appends any more.
   * @param nextBaseOffset Base offset of the segment after it.
   * @param contiguous The log was never compacted: offsets that are missing are damage.
   * @throws VARVE_CORRUPT: the copying reader then tells where exactly, and what is behind it.
   */
  read(segment: Segment, nextBaseOffset: number, offset: number, maxBytes: number, contiguous: boolean): Slab | null {
    const size = this.#trimmedBytes(segment, nextBaseOffset)
    if (size === null) return null
    const start = this.#positionOf(segment, offset, size)
    if (start === null) return null
    let position = start
    let nextOffset = offset
    let batchCount = 0
    while (position < size && (batchCount === 0 || position - start < maxBytes)) {
      const batch = this.#batchAt(segment, position, size, start, batchCount > 0)
      if (batch === null || (batchCount > 0 && position + batch.bytes - start > maxBytes)) break
      // Base offsets lie outside of the checksum: only their order tells of damage.
      const follows = batchCount === 0 ? batch.nextOffset > offset : batch.baseOffset >= nextOffset
      if (!follows || (contiguous && batch.baseOffset > nextOffset)) {
        throw damaged(segment, position, `its base offset is ${batch.baseOffset}`)
      }
      position += batch.bytes
      nextOffset = batch.nextOffset
      batchCount++
    }
    if (batchCount === 0) return null
    this.#nextOffset = nextOffset
    this.#nextPosition = position
    const bytes = this.#window.subarray(start - this.#windowStart, position - this.#windowStart)
    return { bytes, batchCount, nextOffset }
  }

  /** Forgets the window; views that were handed out keep their memory. */
  forget(): void {
    this.#segment = null
    this.#window = Buffer.alloc(0)
    this.#nextOffset = -1
  }

  #positionOf(segment: Segment, offset: number, size: number): number | null {
    if (segment === this.#segment && offset === this.#nextOffset) {
      return this.#nextPosition < size ? this.#nextPosition : null
    }
    return readFirstBatch(segment, offset)?.position ?? null
  }

  /** Size of a segment's file, if its last batch ends there. Then it never changes any more. */
  #trimmedBytes(segment: Segment, nextBaseOffset: number): number | null {
    const known = this.#sizes.get(segment)
    if (known !== undefined) return known
    const last = readFirstBatch(segment, nextBaseOffset - 1)
    const { fileSize } = segment.stats()
    if (last === null || last.position + last.bytes.length !== fileSize) return null
    this.#sizes.set(segment, fileSize)
    return fileSize
  }

  /** Checks the batch at a position; null when it does not lie in the window, which may not move once a batch was taken from it, and may not be had yet. */
  #batchAt(
    segment: Segment,
    position: number,
    size: number,
    start: number,
    windowIsFixed: boolean,
  ): { bytes: number; baseOffset: number; nextOffset: number } | null {
    if (!this.#covers(segment, position, lengthOverhead)) {
      if (windowIsFixed) return null
      if (!this.#map(segment, start, Math.min(windowBytes, size - start))) return null
    }
    const view = new DataView(this.#window.buffer, this.#window.byteOffset, this.#window.byteLength)
    let at = position - this.#windowStart
    const bytes = Math.max(0, view.getInt32(at + HeaderField.length)) + lengthOverhead
    if (bytes > size - position) throw damaged(segment, position, 'it is longer than the segment')
    if (!this.#covers(segment, position, bytes)) {
      if (windowIsFixed) return null
      if (!this.#map(segment, start, Math.max(bytes, Math.min(windowBytes, size - start)))) return null
      at = position - this.#windowStart
    }
    const window = this.#window
    const mapped = new DataView(window.buffer, window.byteOffset, window.byteLength)
    const fault = headerFault(mapped, at, at + bytes)
    if (fault !== undefined) throw damaged(segment, position, fault)
    if (mapped.getUint32(at + HeaderField.crc) !== segment.crc32c(window.subarray(at + crcStart, at + bytes))) {
      throw damaged(segment, position, 'its checksum is wrong')
    }
    const baseOffset = Number(mapped.getBigInt64(at + HeaderField.baseOffset))
    return { bytes, baseOffset, nextOffset: baseOffset + mapped.getInt32(at + HeaderField.lastOffsetDelta) + 1 }
  }

  /** A window that somebody has transferred away has no bytes left, and covers nothing. */
  #covers(segment: Segment, position: number, bytes: number): boolean {
    const at = position - this.#windowStart
    return segment === this.#segment && at >= 0 && at + bytes <= this.#window.byteLength
  }

  /** @returns false where it cannot be mapped yet. */
  #map(segment: Segment, position: number, bytes: number): boolean {
    const window = segment.window(position, bytes)
    if (window === null) return false
    this.#window = Buffer.from(window)
    this.#windowStart = position
    this.#segment = segment
    return true
  }
}

function damaged(segment: Segment, position: number, reason: string): VarveError {
  return new VarveError('VARVE_CORRUPT', `The batch at byte ${position} of ${segment.path} is damaged: ${reason}.`, {
    details: { path: segment.path, position, reason },
  })
}
