/** A timer that was armed with `Clock.after`. Cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void
}

/**
 * Time, as everything in varve sees it. Two clocks, because they answer different questions: `wallMs` stamps records
 * and judges retention, and may jump; `monotonicMs` measures waits, and never does.
 */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC. May jump either way. */
  wallMs(): number
  /** Milliseconds since an arbitrary start. Never goes back. */
  monotonicMs(): number
  /**
   * Calls `run` once, `delayMs` from now by the monotonic clock. Such a timer does not keep the process alive;
   * `hold` does.
   */
  after(delayMs: number, run: () => void): Timer
  /** Keeps the process alive until it is cancelled: for waits that somebody's loop depends on. */
  hold(): Timer
  /**
   * Calls `run` once the current burst of work is over: after the running callback and every promise continuation that
   * is already due. So that what happens in one burst shares one flush and one wake-up.
   */
  soon(run: () => void): void
}
