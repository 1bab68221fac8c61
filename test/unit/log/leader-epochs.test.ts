import assert from 'node:assert/strict'
import fc from 'fast-check'
import { LeaderEpochs } from '../../../src/log/leader-epochs.ts'
import { decodeLeaderEpochs, encodeLeaderEpochs } from '../../../src/storage/kafka-checkpoint.ts'
import { describeScript, type Machine } from '../script.ts'

function epochMachine(): Machine {
  let epochs = new LeaderEpochs()
  const text = () => epochs.entries.map(({ epoch, startOffset }) => `${epoch}@${startOffset}`).join(' ')
  const outcome = (changed: boolean) => `${changed ? 'changed' : 'same'}: ${text()}`
  return (command) => {
    const value = Number(command.words[0])
    switch (command.name) {
      case 'load':
        epochs = new LeaderEpochs(
          command.words.map((word) => {
            const [epoch, startOffset] = word.split('@').map(Number)
            return { epoch: epoch!, startOffset: startOffset! }
          }),
        )
        return text()
      case 'assign':
        return outcome(epochs.assign(value, command.number('at')))
      case 'truncate-end':
        return outcome(epochs.truncateFromEnd(value))
      case 'truncate-start':
        return outcome(epochs.truncateFromStart(value))
      case 'end': {
        const { leaderEpoch, endOffset } = epochs.endOffsetFor(value, command.number('of'))
        return `${leaderEpoch} until ${endOffset}`
      }
      case 'epoch':
        return String(epochs.epochFor(value))
      default:
        throw new Error(`no command ${command.name}`)
    }
  }
}

describeScript('log/scripts/leader-epochs.txt', epochMachine)

describe('leader epochs against a model', () => {
  /** The epoch of every offset, one by one: what the entries abbreviate. */
  interface Model {
    start: number
    epochs: number[]
  }

  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('append' as const), count: fc.nat({ max: 5 }) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('lead' as const), by: fc.integer({ min: 1, max: 3 }) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('cutEnd' as const), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('cutStart' as const),
        part: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reload' as const) }) },
  )

  it('every offset has the epoch under which it was written', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const model: Model = { start: 0, epochs: [] }
        let epochs = new LeaderEpochs()
        let leader = 0
        const end = () => model.start + model.epochs.length
        epochs.assign(leader, 0)
        for (const action of steps) {
          if (action.kind === 'append')
            for (let i = 0; i < action.count; i += 1) {
              epochs.assign(leader, end())
              model.epochs.push(leader)
            }
          else if (action.kind === 'lead') {
            leader += action.by
            epochs.assign(leader, end())
          } else if (action.kind === 'cutEnd') {
            const to = model.start + Math.floor(action.part * model.epochs.length)
            epochs.truncateFromEnd(to)
            model.epochs.length = to - model.start
          } else if (action.kind === 'cutStart') {
            const to = model.start + Math.floor(action.part * model.epochs.length)
            epochs.truncateFromStart(to)
            model.epochs.splice(0, to - model.start)
            model.start = to
          } else epochs = new LeaderEpochs(decodeLeaderEpochs(encodeLeaderEpochs(epochs.entries)))
          for (const [i, epoch] of model.epochs.entries()) assert.equal(epochs.epochFor(model.start + i), epoch)
          for (const epoch of new Set(model.epochs)) {
            const { leaderEpoch, endOffset } = epochs.endOffsetFor(epoch, end())
            assert.equal(leaderEpoch, epoch)
            assert.equal(endOffset, model.start + model.epochs.lastIndexOf(epoch) + 1)
          }
        }
      }),
      { numRuns: 300 },
    )
  })
})
