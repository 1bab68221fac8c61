/**
 * Holds the entries of `.index` and `.timeindex` against the batches that they speak of, batch by batch.
 *
 * Indexes are sparse, so a missing entry is no fault: a lookup then reads more. A wrong entry is one.
 */
import { readInt64 } from '../../base/int64.ts'
import { indexEntryBytes, timeIndexEntryBytes } from '../roll.ts'

/** Tells a fault of the entry that begins at `position` of the index file. */
export type EntryFault = (position: number, message: string) => void

/** A batch as the checks need it. */
export interface IndexedBatch {
  readonly position: number
  readonly baseOffset: number
  /** Inclusive. */
  readonly lastOffset: number
  readonly maxTimestamp: number
}

/** Entries of an index file up to its zero tail, without those that do not rise. */
class Entries {
  readonly view: DataView
  /** Byte positions of the entries that are in order. */
  readonly at: number[] = []
  next = 0

  constructor(
    bytes: Uint8Array,
    entryBytes: number,
    rises: (view: DataView, a: number, b: number) => boolean,
    fault: EntryFault,
  ) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.view = view
    const isZero = (at: number, length: number) => bytes.subarray(at, at + length).every((byte) => byte === 0)
    const whole = bytes.length - (bytes.length % entryBytes)
    if (whole !== bytes.length) {
      fault(whole, `the file ends inside an entry, ${bytes.length - whole} bytes long`)
    }
    let end = 0
    while (end < whole && !isZero(end, entryBytes)) end += entryBytes
    for (let at = end; at < whole; at += entryBytes) {
      if (isZero(at, entryBytes)) continue
      fault(at, 'an entry follows the zeros that end the index')
      break
    }
    for (let at = 0; at < end; at += entryBytes) {
      // Of two that are out of order, the one that also contradicts its other neighbour is the wrong one.
      const before = this.at.at(-1)
      if (before !== undefined && !rises(view, before, at)) {
        const twoBefore = this.at.at(-2)
        const blameBefore = twoBefore === undefined || rises(view, twoBefore, at)
        fault(blameBefore ? before : at, 'its numbers do not rise from entry to entry')
        if (!blameBefore) continue
        this.at.pop()
      }
      this.at.push(at)
    }
  }

  get current(): number | undefined {
    return this.at[this.next]
  }
}

export class OffsetIndexCheck {
  readonly #entries: Entries
  readonly #base: number
  readonly #fault: EntryFault
  /** Of the last entry that held. */
  lastPosition = 0

  constructor(bytes: Uint8Array, segmentBaseOffset: number, fault: EntryFault) {
    const rises = (view: DataView, a: number, b: number): boolean =>
      view.getInt32(b) > view.getInt32(a) && view.getInt32(b + 4) > view.getInt32(a + 4)
    this.#entries = new Entries(bytes, indexEntryBytes, rises, fault)
    this.#base = segmentBaseOffset
    this.#fault = fault
  }

  batch({ position, lastOffset }: IndexedBatch): void {
    const entries = this.#entries
    for (let at = entries.current; at !== undefined; at = entries.current) {
      const entryPosition = entries.view.getInt32(at + 4)
      if (entryPosition > position) return
      entries.next += 1
      const offset = this.#base + entries.view.getInt32(at)
      if (entryPosition < position || position === 0)
        this.#fault(at, `it names position ${entryPosition}, where no batch starts`)
      else if (offset !== lastOffset)
        this.#fault(at, `it says that the batch at ${position} ends with offset ${offset}, it ends with ${lastOffset}`)
      else this.lastPosition = position
    }
  }

  /** Entries for bytes that are damaged cannot be judged. */
  skip(endPosition: number): void {
    const entries = this.#entries
    while (entries.current !== undefined && entries.view.getInt32(entries.current + 4) < endPosition) entries.next += 1
  }

  finish(endPosition: number): void {
    const entries = this.#entries
    for (let at = entries.current; at !== undefined; at = entries.current) {
      entries.next += 1
      const position = entries.view.getInt32(at + 4)
      this.#fault(at, `it names position ${position}; the batches end at ${endPosition}`)
    }
  }
}

export class TimeIndexCheck {
  readonly #entries: Entries
  readonly #base: number
  readonly #fault: EntryFault
  /** Largest so far, -1 for none. */
  maxTimestamp = -1
  /** Of the last entry that held, -1 for none. */
  lastTimestamp = -1
  /** Batches were lost: the largest timestamp may have been one of theirs. */
  #uncertain = false

  constructor(bytes: Uint8Array, segmentBaseOffset: number, fault: EntryFault) {
    const rises = (view: DataView, a: number, b: number): boolean =>
      view.getInt32(b + 8) > view.getInt32(a + 8) && readInt64(view, b) > readInt64(view, a)
    this.#entries = new Entries(bytes, timeIndexEntryBytes, rises, fault)
    this.#base = segmentBaseOffset
    this.#fault = fault
  }

  batch({ lastOffset, maxTimestamp }: IndexedBatch): void {
    const raises = maxTimestamp > this.maxTimestamp
    const entries = this.#entries
    for (let at = entries.current; at !== undefined; at = entries.current) {
      const offset = this.#base + entries.view.getInt32(at + 8)
      if (offset > lastOffset) break
      entries.next += 1
      const timestamp = readInt64(entries.view, at)
      if (offset < lastOffset) this.#fault(at, `it names offset ${offset}, which is no batch's last`)
      else if (timestamp !== maxTimestamp)
        this.#fault(
          at,
          `it says that the largest timestamp up to offset ${offset} is ${timestamp}, the batch there has ${maxTimestamp}`,
        )
      else if (!raises && !this.#uncertain)
        this.#fault(
          at,
          `it names the batch that ends with offset ${offset}, but an earlier one has a timestamp of ${this.maxTimestamp}`,
        )
      else this.lastTimestamp = timestamp
    }
    if (raises) this.maxTimestamp = maxTimestamp
  }

  /** Entries for offsets that are lost cannot be judged. @param nextOffset First offset that is not lost. */
  skip(nextOffset: number): void {
    this.#uncertain = true
    const entries = this.#entries
    while (entries.current !== undefined && this.#base + entries.view.getInt32(entries.current + 8) < nextOffset)
      entries.next += 1
  }

  finish(endOffset: number): void {
    const entries = this.#entries
    for (let at = entries.current; at !== undefined; at = entries.current) {
      entries.next += 1
      this.#fault(at, `it names offset ${this.#base + entries.view.getInt32(at + 8)}; the batches end at ${endOffset}`)
    }
  }

  /** True when the last entry has the largest timestamp, as it must once a segment is sealed. */
  get isComplete(): boolean {
    return this.maxTimestamp === this.lastTimestamp
  }
}
