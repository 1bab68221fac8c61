/**
 * The time that deletion by age goes by.
 *
 * A wall clock that jumps ahead by years would make every record old, and what is deleted does not come back when the
 * clock is set right. So the time for retention advances no faster than the monotonic clock since a point at which the
 * wall clock was believed (the opening of the log), and follows the wall clock at once when that goes back. A jump
 * ahead is believed when it has stood for a day of monotonic time: long enough for somebody to notice, and a clock that
 * started wrong and was then corrected does not stop deletion for ever. Sleep of the machine counts as a jump: deletion
 * is late by a day at most.
 *
 * Pure: times in, time out. Owned by one log or store.
 */
export const believeJumpAfterMs = 24 * 3600 * 1000

/** Wall clocks are slewed and corrected in small steps all the time; so much ahead is no jump. */
export const jumpToleranceMs = 60_000

export class RetentionClock {
  #believedWallMs: number
  #atMonotonicMs: number
  /** Monotonic time since which the wall clock has been ahead of what is believed. */
  #aheadSinceMonotonicMs: number | undefined

  constructor(wallMs: number, monotonicMs: number) {
    this.#believedWallMs = wallMs
    this.#atMonotonicMs = monotonicMs
  }

  /** The time to judge ages by, never ahead of the wall clock. Call it at every look at retention. */
  now(wallMs: number, monotonicMs: number): number {
    const expectedMs = this.#believedWallMs + (monotonicMs - this.#atMonotonicMs)
    if (wallMs <= expectedMs + jumpToleranceMs) return this.#believe(wallMs, monotonicMs)
    this.#aheadSinceMonotonicMs ??= monotonicMs
    if (monotonicMs - this.#aheadSinceMonotonicMs >= believeJumpAfterMs) return this.#believe(wallMs, monotonicMs)
    return expectedMs
  }

  #believe(wallMs: number, monotonicMs: number): number {
    this.#believedWallMs = wallMs
    this.#atMonotonicMs = monotonicMs
    this.#aheadSinceMonotonicMs = undefined
    return wallMs
  }
}
