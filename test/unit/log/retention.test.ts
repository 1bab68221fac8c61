import assert from 'node:assert/strict'
import { planRetention } from '../../../src/log/retention.ts'
import { believeJumpAfterMs, jumpToleranceMs, RetentionClock } from '../../../src/log/retention-clock.ts'
import { describeScript, type Machine } from '../script.ts'

function retentionMachine(): Machine {
  return (command) => {
    assert.equal(command.name, 'plan')
    const segments = command.words
      .filter((word) => word.includes(':'))
      .map((word) => {
        const [baseOffset, sizeBytes, maxTimestamp, modifiedMs] = word.split(':').map(Number)
        return {
          baseOffset: baseOffset!,
          sizeBytes: sizeBytes!,
          maxTimestamp: maxTimestamp!,
          modifiedMs: modifiedMs ?? 0,
        }
      })
    const logEndOffset = command.number('end')
    const plan = planRetention(
      segments,
      {
        logStartOffset: command.number('start', 0),
        logEndOffset,
        highWatermark: command.number('high', logEndOffset),
      },
      {
        retentionMs: command.number('ms', -1),
        retentionBytes: command.number('bytes', -1),
        deleteOld: !command.has('compact'),
      },
      command.number('now', 0),
    )
    const what = ['delete', ...plan.reasons].join(' ')
    return `${plan.rollFirst ? 'roll, ' : ''}${what}, start ${plan.logStartOffset}`
  }
}

describeScript('log/scripts/retention.txt', retentionMachine)

describe('the clock that retention goes by', () => {
  const start = 1_800_000_000_000
  const tenYears = 10 * 365 * 24 * 3600 * 1000
  const hour = 3600 * 1000

  it('follows a clock that runs as it should, and small corrections', () => {
    const clock = new RetentionClock(start, 500)
    assert.equal(clock.now(start + 1000, 1500), start + 1000)
    assert.equal(clock.now(start + 2000 + jumpToleranceMs, 2500), start + 2000 + jumpToleranceMs)
  })

  it('does not follow a jump ahead, but goes on by the monotonic clock', () => {
    const clock = new RetentionClock(start, 0)
    assert.equal(clock.now(start + tenYears, 1000), start + 1000)
    assert.equal(clock.now(start + tenYears + hour, 1000 + hour), start + 1000 + hour)
    assert.equal(clock.now(start + tenYears + 2 * hour, 2 * hour), start + 2 * hour)
  })

  it('believes a jump that has stood for a day', () => {
    const clock = new RetentionClock(start, 0)
    clock.now(start + tenYears, 0)
    assert.equal(clock.now(start + tenYears, believeJumpAfterMs - 1), start + believeJumpAfterMs - 1)
    assert.equal(clock.now(start + tenYears, believeJumpAfterMs), start + tenYears)
    assert.equal(clock.now(start + tenYears + 5, believeJumpAfterMs + 5), start + tenYears + 5)
  })

  it('forgets a jump that was taken back', () => {
    const clock = new RetentionClock(start, 0)
    clock.now(start + tenYears, hour)
    assert.equal(clock.now(start + 2 * hour, 2 * hour), start + 2 * hour)
    clock.now(start + tenYears, 3 * hour)
    assert.equal(clock.now(start + tenYears, believeJumpAfterMs + 2 * hour), start + believeJumpAfterMs + 2 * hour)
  })

  it('goes back with the wall clock at once: deletion is late, never early', () => {
    const clock = new RetentionClock(start, 0)
    assert.equal(clock.now(start - hour, 10), start - hour)
    assert.equal(clock.now(start - hour + 10, 20), start - hour + 10)
    // The correction forward is a jump again.
    assert.equal(clock.now(start + 30, 30), start - hour + 20)
  })
})
