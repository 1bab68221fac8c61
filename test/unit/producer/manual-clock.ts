import type { Timer } from '../../../src/env/clock.ts'
import { StillClock } from '../../faults/still-clock.ts'

/** A clock that stands still, and counts what waits for it. */
export class ManualClock extends StillClock {
  /** Timers that are armed. */
  timers = 0
  /** What keeps the process alive. */
  holds = 0

  constructor() {
    super(1_700_000_000_000)
  }

  override after(delayMs: number, run: () => void): Timer {
    this.timers++
    let armed = true
    const disarm = (): void => {
      if (armed) this.timers--
      armed = false
    }
    const timer = super.after(delayMs, () => {
      disarm()
      run()
    })
    return {
      cancel: () => {
        disarm()
        timer.cancel()
      },
    }
  }

  override hold(): Timer {
    let held = true
    this.holds++
    return {
      cancel: () => {
        if (held) this.holds--
        held = false
      },
    }
  }
}
