import type { Clock, Timer } from '../env/clock.ts'

export interface WaitOptions {
  /** Gives up after this long and answers false. Default: waits for ever. */
  timeoutMs?: number
  /** Gives up by rejecting with the signal's reason. */
  signal?: AbortSignal
}

interface Waiter {
  /** Answered once the end lies past this offset. */
  readonly offset: number
  /** Answered as well once the end lies below this: the log was cut, and a read says so. */
  readonly lowestEnd: number
  settle(moved: boolean): void
  fail(failure: unknown): void
}

/**
 * Those on this thread who wait for a log's end to move past an offset. They are answered once per burst of appends, not
 * once per append. Bounded by the number of pending `waitFor` calls.
 */
export class EndWaiters {
  readonly #clock: Clock
  readonly #waiters = new Set<Waiter>()
  /** While somebody waits the process must not end for want of other work. */
  #hold: Timer | null = null
  #scheduled = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How many wait; an append looks at it before it does anything else. */
  get count(): number {
    return this.#waiters.size
  }

  /**
   * Answers true when the end has moved past `offset`, or has fallen below where it stands now: then a read says that
   * the log was cut. False after the timeout or when the log was closed.
   * @param endOffset Where the end stands now, at or below `offset`.
   */
  wait(offset: number, endOffset: number, options: WaitOptions = {}): Promise<boolean> {
    const { signal, timeoutMs } = options
    if (signal?.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const timer = timeoutMs === undefined ? null : this.#clock.after(timeoutMs, () => waiter.settle(false))
      const abort = (): void => {
        finish()
        reject(signal!.reason)
      }
      const finish = (): void => {
        this.#waiters.delete(waiter)
        if (this.#waiters.size === 0) {
          this.#hold?.cancel()
          this.#hold = null
        }
        timer?.cancel()
        signal?.removeEventListener('abort', abort)
      }
      const waiter: Waiter = {
        offset,
        lowestEnd: endOffset,
        settle(moved) {
          finish()
          resolve(moved)
        },
        fail(failure) {
          finish()
          reject(failure)
        },
      }
      this.#waiters.add(waiter)
      this.#hold ??= this.#clock.hold()
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  /** The end moved. `endOffset` is asked when the burst is over, so that the answer counts all of it. */
  moved(endOffset: () => number): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.soon(() => {
      this.#scheduled = false
      this.settle(endOffset())
    })
  }

  /** The end stands here now: answers those who have something to read. */
  settle(endOffset: number): void {
    for (const waiter of [...this.#waiters]) {
      if (waiter.offset < endOffset || endOffset < waiter.lowestEnd) waiter.settle(true)
    }
  }

  /** Where the end stands cannot be told: rejects everybody. */
  fail(failure: unknown): void {
    for (const waiter of [...this.#waiters]) waiter.fail(failure)
  }

  /** Nothing more will come: answers everybody with false. */
  close(): void {
    for (const waiter of [...this.#waiters]) waiter.settle(false)
  }
}
