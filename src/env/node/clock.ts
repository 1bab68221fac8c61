import type { Clock, Timer } from '../clock.ts'

/** The machine's clocks and Node's timers. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs: number, run: () => void): Timer {
    // Node's timers overflow past 2^31 - 1 ms and would fire at once.
    const timer = setTimeout(run, Math.min(delayMs, 2 ** 31 - 1))
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
  hold(): Timer {
    const timer = setInterval(() => {}, 2 ** 31 - 1)
    return { cancel: () => clearInterval(timer) }
  },
  // The next-tick queue runs when the microtask queue is empty, so after all continuations of this burst.
  soon: (run: () => void) => process.nextTick(run),
}
