import type { Clock, Timer } from '../../src/env/clock.ts'

interface Armed {
  readonly dueMs: number
  readonly run: () => void
}

/** A clock that stands still until it is moved, so that a run can be repeated exactly. */
export class StillClock implements Clock {
  #nowMs: number
  readonly #armed = new Set<Armed>()

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  wallMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): Timer {
    const armed = { dueMs: this.#nowMs + delayMs, run }
    this.#armed.add(armed)
    return { cancel: () => this.#armed.delete(armed) }
  }

  hold(): Timer {
    return { cancel() {} }
  }

  soon(run: () => void): void {
    process.nextTick(run)
  }

  /** Moves time on and runs what is due, earliest first. */
  advance(byMs: number): void {
    const end = this.#nowMs + byMs
    for (;;) {
      const due = [...this.#armed].filter(({ dueMs }) => dueMs <= end).sort((a, b) => a.dueMs - b.dueMs)[0]
      if (due === undefined) break
      this.#armed.delete(due)
      this.#nowMs = Math.max(this.#nowMs, due.dueMs)
      due.run()
    }
    this.#nowMs = end
  }
}
