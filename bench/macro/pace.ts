/** A fixed rate: what is late does not make the rest later, so a stall counts for everything that it delays. */
import type { Task } from './task.ts'
import { nanoseconds, sharedNanoseconds } from './timer.ts'

/**
 * Calls `step` when each record of the task is due, with that moment on the clock that all processes share. Between
 * records the event loop turns, so that wakes and sockets get their share; this thread never sleeps longer than it may.
 * The last stretch is spent in a plain loop: turns of the event loop would make garbage, and its collection on helper
 * threads would take the other processor from whoever is measured.
 */
export async function paced(task: Task, step: (dueNanoseconds: number) => void): Promise<void> {
  const interval = 1e9 / task.perSecond
  const start = sharedNanoseconds()
  const end = start + task.seconds * 1e9
  for (let i = 0; i < task.records; i++) {
    const due = start + i * interval
    if (due > end) break
    // Timers wake a millisecond late at worst: they bridge the long waits, turns of the loop the last stretch.
    while (due - sharedNanoseconds() > 2e6) await new Promise((resolve) => setTimeout(resolve, 1))
    await new Promise((resolve) => setImmediate(resolve))
    const dueHere = nanoseconds() + (due - sharedNanoseconds())
    while (nanoseconds() < dueHere) pass()
    step(due)
  }
}

let passed = 1

/** Lets about a microsecond pass. Each look at the clock is a number on the heap, so looks are few. */
function pass(): void {
  for (let i = 0; i < 1000; i++) passed = (Math.imul(passed, 1_664_525) + i) | 0
}
