import assert from 'node:assert/strict'
import { BatchBuilder, type Clock, openLog, type Timer } from '../../src/doors/log.ts'
import { Disk } from '../../src/storage/disk.ts'
import { addon } from '../../src/storage/native/loader.ts'
import { Random } from './random.ts'
import { eachStep, type FaultRow, type RowOptions } from './row.ts'

const hourMs = 3600 * 1000
const dayMs = 24 * hourMs
const startMs = 1_700_000_000_000
const jumps = [10 * dayMs, -10 * dayMs, 3653 * dayMs, -hourMs] as const

/** A wall clock that jumps over a monotonic one that does not. Timers fire by the latter. */
class JumpingClock implements Clock {
  #monotonicMs = 0
  #wallOffsetMs = startMs
  readonly #armed = new Set<{ dueMs: number; run: () => void }>()

  wallMs(): number {
    return this.#monotonicMs + this.#wallOffsetMs
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  after(delayMs: number, run: () => void): Timer {
    const armed = { dueMs: this.#monotonicMs + delayMs, run }
    this.#armed.add(armed)
    return { cancel: () => this.#armed.delete(armed) }
  }

  hold(): Timer {
    return { cancel() {} }
  }

  soon(run: () => void): void {
    process.nextTick(run)
  }

  jump(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  advance(byMs: number): void {
    const end = this.#monotonicMs + byMs
    for (;;) {
      const due = [...this.#armed].filter(({ dueMs }) => dueMs <= end).sort((a, b) => a.dueMs - b.dueMs)[0]
      if (due === undefined) break
      this.#armed.delete(due)
      this.#monotonicMs = due.dueMs
      due.run()
    }
    this.#monotonicMs = end
  }
}

/** Appends for six hours, with a jump in the middle: with a week's retention nothing may go, and everything stays in order. */
async function jumpOnce(step: number): Promise<void> {
  const random = new Random(step)
  const jumpMs = jumps[step % jumps.length]!
  const appendTime = random.oneIn(2)
  const kernel = addon().kernelMemory()
  const clock = new JumpingClock()
  const log = await openLog('/log', {
    disk: new Disk(addon(), kernel),
    backend: (process.env.VARVE_BACKEND as 'mapped' | 'pwrite' | undefined) ?? 'mapped',
    clock,
    internalSegmentBytes: 4000,
    indexIntervalBytes: 0,
    messageTimestampType: appendTime ? 'LogAppendTime' : 'CreateTime',
    messageTimestampAfterMaxMs: Number.MAX_SAFE_INTEGER,
  })
  try {
    const timestamps: number[] = []
    const jumpAt = random.between(20, 180)
    let fired = false
    for (let i = 0; i < 200; i++) {
      if (i === jumpAt) {
        clock.after(60_000, () => (fired = true))
        clock.jump(jumpMs)
        clock.advance(59_000)
        assert.ok(!fired, 'a timer fired by the wall clock')
        clock.advance(2000)
        assert.ok(fired, 'a timer did not fire by the monotonic clock')
      }
      timestamps.push(clock.wallMs())
      const batch = new BatchBuilder()
      batch.add({ value: 'x'.repeat(200), timestamp: clock.wallMs() })
      log.append(batch)
      // Retention's own timer is among those that fire.
      clock.advance((6 * hourMs) / 200)
    }
    log.applyRetention()
    assert.equal(log.logStartOffset, 0, `${log.logStartOffset} records were deleted within six hours`)
    assert.ok(log.stats().segmentCount > 5)
    // The time index answers as a walk over all records does.
    for (let i = 0; i < 200; i++) {
      const wanted = random.oneIn(3) ? timestamps[i]! + 1 : timestamps[i]!
      const expected = timestamps.findIndex((timestamp) => timestamp >= wanted)
      assert.equal(log.offsetForTimestamp(wanted)?.offset ?? -1, expected, `the first record at or after ${wanted}`)
    }
    // By the monotonic clock a week passes: now the old segments go, whatever the wall says.
    if (jumpMs < 0) {
      clock.jump(-jumpMs)
      clock.advance(8 * dayMs)
      log.applyRetention()
      assert.ok(log.logStartOffset > 0, 'nothing was deleted after a week')
    }
  } finally {
    await log.close()
    addon().kernelClose(kernel)
  }
}

async function run(options: RowOptions): Promise<void> {
  await eachStep(options, (step) => jumpOnce(step))
}

export const row: FaultRow = {
  id: 'F12',
  title: 'clock jumps',
  unit: 'jumps',
  gate: 24,
  long: 240,
  variants: ['mapped', 'pwrite'],
  seenToFailOn: 'retention that goes by the wall clock',
  run,
}
