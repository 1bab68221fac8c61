import { VarveError } from '../errors.ts'
import type { Segment } from '../storage/segment.ts'

/**
 * The segments of one log, in order of their base offsets; the last one is the active one. Sealed segments are opened
 * when they are first needed. Invariant: base offsets rise strictly, and the list is never empty once a log is open.
 */
export class SegmentList {
  readonly #open: (baseOffset: number) => Segment
  /** Base offsets, rising. */
  readonly #bases: number[] = []
  /** Same index as `#bases`; null until opened. */
  readonly #segments: (Segment | null)[] = []

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
    }
    return segment
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
    this.#segments[index]?.close()
    this.#segments[index] = segment
  }

  /** Takes out `count` segments from `index` on, closes their handles, and answers their base offsets. */
  remove(index: number, count: number): number[] {
    for (const segment of this.#segments.splice(index, count)) segment?.close()
    return this.#bases.splice(index, count)
  }

  baseOffsets(): readonly number[] {
    return this.#bases
  }

  close(): void {
    for (const segment of this.#segments) segment?.close()
    this.#segments.fill(null)
  }
}
