import { makeBatchFields } from '../../../src/log/batch-fields.ts'
import { decodeProducerSnapshot, encodeProducerSnapshot } from '../../../src/log/producer-snapshot.ts'
import { type ProducerBatch, ProducerStates } from '../../../src/log/producer-states.ts'
import { Attribute } from '../../../src/record/batch-header.ts'
import { type Command, describeScript, type Machine } from '../script.ts'

/** A log of nothing but producer states: an accepted batch takes the next offsets. Times default to the offset. */
function producerMachine(): Machine {
  let states = new ProducerStates()
  let nextOffset = 0

  const batchOf = (command: Command, count: number): ProducerBatch => ({
    ...makeBatchFields(),
    baseOffset: nextOffset,
    lastOffsetDelta: count - 1,
    recordCount: count,
    attributes: command.has('txn') ? Attribute.transactional : 0,
    maxTimestamp: command.number('time', nextOffset),
    producerId: BigInt(command.text('producer')),
    producerEpoch: command.number('epoch', 0),
    baseSequence: command.number('seq', -1),
  })

  const entries = () =>
    [...states.entries()]
      .map(
        (entry) =>
          `${entry.producerId} epoch=${entry.producerEpoch} seq=${entry.lastSequence} last=${entry.lastOffset} ` +
          `delta=${entry.offsetDelta} time=${entry.timestamp} coordinator=${entry.coordinatorEpoch} ` +
          `open=${entry.transactionFirstOffset}`,
      )
      .sort()
      .join('\n')

  return (command) => {
    switch (command.name) {
      case 'append': {
        const batch = batchOf(command, command.number('count'))
        const check = states.check(batch)
        if (check === 'duplicate') {
          const { baseOffset, lastOffset } = states.duplicateOf(batch)!
          return `duplicate ${baseOffset}..${lastOffset}`
        }
        if (check !== 'append') return check
        states.apply(batch)
        nextOffset += batch.recordCount
        return `append ${batch.baseOffset}..${nextOffset - 1}`
      }
      case 'marker': {
        const batch = batchOf(command, 1)
        batch.attributes = Attribute.transactional | Attribute.control
        if (!command.has('empty'))
          batch.marker = {
            type: command.has('commit') ? 'commit' : 'abort',
            coordinatorEpoch: command.number('coordinator', 0),
          }
        const check = states.check(batch)
        if (check !== 'append') return check
        nextOffset += 1
        const decided = states.apply(batch)
        if (decided === undefined) return 'nothing'
        const { aborted, firstOffset, lastOffset, lastStableOffset } = decided
        return `${aborted ? 'aborted' : 'committed'} ${firstOffset}..${lastOffset}, stable ${lastStableOffset}`
      }
      case 'stable': {
        const highWatermark = command.number('high', nextOffset)
        const first = states.firstUnstableOffset(highWatermark)
        const stable = `stable ${states.lastStableOffset(highWatermark)} of ${highWatermark}`
        return first === undefined ? stable : `unstable from ${first}, ${stable}`
      }
      case 'expire':
        return `${states.expire(command.number('now'), command.number('idle'))} expired, ${states.count} known`
      case 'limit':
        states = new ProducerStates([], Number(command.words[0]))
        return 'ok'
      case 'entries':
        return entries()
      case 'reload':
        states = new ProducerStates(decodeProducerSnapshot(encodeProducerSnapshot(states.entries())))
        return entries()
      default:
        throw new Error(`no command ${command.name}`)
    }
  }
}

describeScript('log/scripts/producer-states.txt', producerMachine)
