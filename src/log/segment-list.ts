import { VarveError } from '../errors.ts'
import type { Segment } from '../storage/segment.ts'

/**
 * Most segments that stay open because somebody read them. A reader works on one or two at a time, and each costs up to
 * three descriptors; a log may have thousands.
 */
const openedMax = 16

/**
 * The segments of one log, in order of their base offsets; the last one is the active one. Sealed segments are opened
 * when they are needed, and closed again when many others were since: nobody keeps one for longer than a call. Invariant: base offsets rise strictly, and the list is never empty once a log is open.
 */
export class SegmentList {
  readonly #open: (baseOffset: number) => Segment
  /** Base offsets, rising. */
  readonly #bases: number[] = []
  /** Same index as `#bases`; null until opened. */
  readonly #segments: (Segment | null)[] = []
  /** Those that `at` opened, the oldest first. */
  readonly #opened: Segment[] = []

  /** @param open Opens the existing segment of this base offset for reading. */
  constructor(open: (baseOffset: number) => Segment) {
    this.#open = open
  }

  get length(): number {
    return this.#bases.length
  }

  /** Base offset of the first segment: at or below the log start. */
  get firstBaseOffset(): number {
    return this.#bases[0] ?? 0
  }

  baseOffsetAt(index: number): number {
    const base = this.#bases[index]
    if (base === undefined) throw new RangeError(`no segment at index ${index} of ${this.#bases.length}`)
    return base
  }

  /** The segment at an index, opened if it was not yet. */
  at(index: number): Segment {
    let segment = this.#segments[index] ?? null
    if (segment === null) {
      segment = this.#open(this.baseOffsetAt(index))
      this.#segments[index] = segment
      this.#opened.push(segment)
      if (this.#opened.length > openedMax) this.#drop(this.#opened[0]!)
    }
    return segment
  }

  /** The segment at an index if it is open now, else null. */
  openedAt(index: number): Segment | null {
    return this.#segments[index] ?? null
  }

  /** Index of the segment that would hold `offset`: the last one whose base offset is at or below it; -1 if it is below all. */
  indexFor(offset: number): number {
    const bases = this.#bases
    let low = 0
    let high = bases.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (bases[middle]! <= offset) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** Whether there is a segment of this base offset. */
  has(baseOffset: number): boolean {
    return this.#bases[this.indexFor(baseOffset)] === baseOffset
  }

  /** Adds a segment at the end; `segment` null when it is only known by name so far. */
  push(baseOffset: number, segment: Segment | null): void {
    const last = this.#bases.at(-1)
    if (last !== undefined && baseOffset <= last) {
      throw new VarveError('VARVE_CORRUPT', `Segment ${baseOffset} does not follow segment ${last}.`, {
        details: { baseOffset, previous: last },
      })
    }
    this.#bases.push(baseOffset)
    this.#segments.push(segment)
  }

  /** Puts another handle in the place of one, which is closed: a segment that was opened for writing is sealed, or a file was exchanged. */
  replace(index: number, segment: Segment | null): void {
    this.#close(this.#segments[index] ?? null)
    this.#segments[index] = segment
  }

  /** Lets go of the handle of a segment that was written and is sealed now; it is opened again when somebody reads it. */
  retire(segment: Segment): void {
    this.#drop(segment)
  }

  /**
   * Takes over what a look at the folder found.
   * @param bases Base offsets, rising.
   * @param isSame Whether the open segment of this base offset is still the file of that name.
   * @returns Whether a handle was closed: places in segments that somebody remembers may be gone.
   */
  relist(bases: readonly number[], isSame: (segment: Segment) => boolean): boolean {
    const kept = new Map<number, Segment>()
    let closed = false
    const wanted = new Set(bases)
    for (const segment of this.#segments) {
      if (segment === null) continue
      if (wanted.has(segment.baseOffset) && isSame(segment)) {
        kept.set(segment.baseOffset, segment)
      } else {
        this.#close(segment)
        closed = true
      }
    }
    this.#bases.length = 0
    this.#segments.length = 0
    for (const base of bases) this.push(base, kept.get(base) ?? null)
    return closed
  }

  /** Takes out `count` segments from `index` on, closes their handles, and answers their base offsets. */
  remove(index: number, count: number): number[] {
    for (const segment of this.#segments.splice(index, count)) this.#close(segment)
    return this.#bases.splice(index, count)
  }

  baseOffsets(): readonly number[] {
    return this.#bases
  }

  close(): void {
    for (const segment of this.#segments) this.#close(segment)
    this.#segments.fill(null)
  }

  /** Closes an open segment that stays in the list. */
  #drop(segment: Segment): void {
    const index = this.indexFor(segment.baseOffset)
    if (this.#segments[index] === segment) this.#segments[index] = null
    this.#close(segment)
  }

  #close(segment: Segment | null): void {
    if (segment === null) return
    const place = this.#opened.indexOf(segment)
    if (place >= 0) this.#opened.splice(place, 1)
    segment.close()
  }
}
