import type { StoredBatch, StoredLog } from './stored-log.ts'

/**
 * The content of a log between two truncations: only appended to. A truncation begins a new one, with the part that
 * stayed.
 */
export interface Lineage {
  /** Where the log ends while `batches` is empty. */
  readonly baseOffset: number
  readonly batches: StoredBatch[]
}

/** Where a log stood once a step of its owner's had returned. */
export interface Point {
  readonly lineage: Lineage
  /** Batches of the lineage that were appended. */
  readonly appended: number
  /** Those of them that are known to be on disk: acknowledged as synced, or below the recovery point. */
  readonly durable: number
  readonly logStartOffset: number
}

interface Step {
  /** Operations of the disk when the step had returned; it began at the step before. */
  readonly operations: number
  readonly what: string
  readonly after: Point
}

/** A log that a crash may have left. */
interface Legal {
  readonly lineage: Lineage
  readonly least: number
  readonly most: number
}

/**
 * What was done to a log, and when; and so what may be left of it after a crash at a given moment. This is promises P1
 * to P3 and P6 as a function: what was acknowledged is there, what is there is a prefix of what was appended, and every
 * byte of it is as it was.
 */
export class LogHistory {
  readonly #steps: Step[] = []

  constructor(start: Point, operations = 0) {
    this.#steps.push({ operations, what: 'start', after: start })
  }

  get now(): Point {
    return this.#steps.at(-1)!.after
  }

  /** Enters what a step that has returned did. */
  add(what: string, operations: number, after: Point): void {
    this.#steps.push({ operations, what, after })
  }

  /** Where the log stood when the last step before operation `at` had returned. */
  pointAt(at: number): Point {
    return this.#steps[this.#lastDone(at)]!.after
  }

  /** Nothing was ever deleted from the start of the log up to operation `at`. */
  isWhole(at: number): boolean {
    return this.#steps
      .slice(0, this.#lastDone(at) + 2)
      .every(({ after }) => after.logStartOffset === after.lineage.baseOffset)
  }

  /** What was going on before operation `at`. */
  describe(at: number): string {
    const index = this.#lastDone(at)
    const next = this.#steps[index + 1]
    return next === undefined ? 'after the last step' : `in step ${index + 1}, ${next.what}, at operation ${at}`
  }

  /**
   * Judges what was found after a crash just before operation `at`.
   * @param kept The process died and the disk did not: then what was appended counts as what was flushed.
   * @returns What is wrong with it, or null.
   */
  fault(found: StoredLog, at: number, kept: boolean): string | null {
    const index = this.#lastDone(at)
    const before = this.#steps[index]!.after
    const after = this.#steps[index + 1]?.after ?? before
    const faults: string[] = []
    if (found.logStartOffset > Math.max(before.logStartOffset, after.logStartOffset)) {
      return `the log starts at ${found.logStartOffset}, which was never asked for`
    }
    for (const legal of legalAfter(before, after, kept)) {
      const fault = difference(found, legal)
      if (fault === null) {
        // A new start that was not entered yet may be lost; but nothing moves it back below the one that was.
        const lowest = legal.lineage === before.lineage ? before.logStartOffset : after.logStartOffset
        if (found.logStartOffset >= Math.min(lowest, before.logStartOffset)) return null
        faults.push(`the log starts at ${found.logStartOffset}, and had been cut to start at ${lowest}`)
      } else {
        faults.push(fault)
      }
    }
    return faults.join('; or ')
  }

  /** Index of the last step that had returned before operation `at`. */
  #lastDone(at: number): number {
    return this.#steps.findLastIndex(({ operations }) => operations <= at)
  }
}

function legalAfter(before: Point, after: Point, kept: boolean): Legal[] {
  const { lineage } = before
  const least = kept ? before.appended : before.durable
  if (after.lineage === lineage) return [{ lineage, least, most: after.appended }]
  // A truncation under way: as before down to where it cuts, or as after it.
  const staying = after.lineage.batches.length > 0 ? after.appended : 0
  return [
    { lineage, least: Math.min(least, staying), most: before.appended },
    { lineage: after.lineage, least: Math.min(least, staying), most: after.appended },
  ]
}

/** Offset after so many batches of a lineage. */
export function endOf(lineage: Lineage, count: number): number {
  return count === 0 ? lineage.baseOffset : lineage.batches[count - 1]!.nextOffset
}

function difference(found: StoredLog, { lineage, least, most }: Legal): string | null {
  const { logStartOffset, logEndOffset, batches } = found
  let count = most
  while (count > 0 && endOf(lineage, count) > logEndOffset) count--
  if (endOf(lineage, count) !== logEndOffset && !(count === 0 && logEndOffset < lineage.baseOffset)) {
    return `the log ends at ${logEndOffset}, where no batch ended (it reached ${endOf(lineage, most)})`
  }
  if (count < least) return `the log ends at ${logEndOffset}, but ${endOf(lineage, least)} was acknowledged`
  const first = lineage.batches.findIndex(({ nextOffset }) => nextOffset > logStartOffset)
  const expected = first < 0 ? [] : lineage.batches.slice(first, count)
  for (let i = 0; i < Math.max(expected.length, batches.length); i++) {
    const [have, want] = [batches[i], expected[i]]
    if (have === undefined) return `the batch at ${want!.baseOffset} cannot be read`
    if (want === undefined) return `there is a batch at ${have.baseOffset} that should not be`
    for (const key of Object.keys(want) as (keyof StoredBatch)[]) {
      if (have[key] !== want[key]) {
        return `batch ${want.baseOffset}: ${key} is ${have[key]} and was ${want[key]}`
      }
    }
  }
  return null
}
