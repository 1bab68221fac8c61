import assert from 'node:assert/strict'
import { type AppendLimits, type AppendOrigin, makeAppendPlan, planAppend } from '../../../src/log/append-plan.ts'
import { makeBatchFields, noProducerId, producerIdOf, readBatchFields } from '../../../src/log/batch-fields.ts'
import { type ProducerBatch, ProducerStates } from '../../../src/log/producer-states.ts'
import { describeScript, type Machine } from '../script.ts'

/** A log of plans only: an accepted append takes its offsets. Batches of one append are parted by `+`. */
function planMachine(): Machine {
  const plan = makeAppendPlan()
  const producers = new ProducerStates()
  const limits: AppendLimits = {
    maxBatchBytes: 1000,
    appendTime: false,
    timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
    timestampAfterMaxMs: 3600_000,
    allowGaps: true,
  }
  const state = { logEndOffset: 0, leaderEpoch: 7, producers }

  const batchOf = (text: string): ProducerBatch => {
    const fields = new Map(text.split(' ').map((word) => word.split('=') as [string, string]))
    const number = (name: string, fallback: number) => Number(fields.get(name) ?? fallback)
    const time = number('time', -1)
    const marker = fields.get('marker')
    const batch: ProducerBatch = {
      ...makeBatchFields(),
      baseOffset: number('at', 0),
      leaderEpoch: number('leader', 0),
      recordCount: number('count', 1),
      lastOffsetDelta: number('delta', number('count', 1) - 1),
      sizeBytes: number('bytes', 100),
      attributes: number('attributes', 0),
      maxTimestamp: time,
      baseTimestamp: number('base', time),
      producerId: BigInt(fields.get('producer') ?? -1),
      producerEpoch: number('epoch', -1),
      baseSequence: number('seq', -1),
    }
    if (marker !== undefined)
      batch.marker = { type: marker === 'commit' ? 'commit' : 'abort', coordinatorEpoch: number('coordinator', 0) }
    return batch
  }

  return (command) => {
    if (command.name === 'limits') {
      limits.timestampBeforeMaxMs = command.number('before')
      limits.timestampAfterMaxMs = command.number('after')
      limits.appendTime = command.has('append-time')
      return 'ok'
    }
    assert.equal(command.name, 'append')
    const origin = command.text('as', 'client') as AppendOrigin
    const batches = command.line.split(' ').slice(1).join(' ').split(' + ').map(batchOf)
    const result = planAppend(plan, batches, origin, state, limits, command.number('now', 1000))
    assert.equal(result, plan)
    if (plan.outcome === 'error') return `${plan.error!.code} ${plan.error!.message}`
    if (plan.outcome === 'duplicate') return `duplicate ${plan.baseOffset}..${plan.lastOffset}`
    state.logEndOffset = plan.lastOffset + 1
    if (plan.producers) for (const batch of batches) if (batch.producerId !== noProducerId) producers.apply(batch)
    const stamped = plan.appendTimestamp < 0 ? '' : `, stamped ${plan.appendTimestamp}`
    return [
      `append ${plan.baseOffset}..${plan.lastOffset}, ${plan.sizeBytes} bytes, time ${plan.maxTimestamp}${stamped}${plan.producers ? ', producers' : ''}`,
      ...batches.map(
        (batch) =>
          `  ${batch.baseOffset}..${batch.baseOffset + batch.lastOffsetDelta} epoch=${batch.leaderEpoch} time=${batch.maxTimestamp}`,
      ),
    ].join('\n')
  }
}

describeScript('log/scripts/append-plan.txt', planMachine)

describe('batch fields', () => {
  it('are read from the 61 bytes of a header', () => {
    const view = new DataView(new ArrayBuffer(70))
    view.setBigInt64(5, 123_456_789_012n)
    view.setInt32(5 + 8, 1000)
    view.setInt32(5 + 12, 9)
    view.setInt16(5 + 21, 0x11)
    view.setInt32(5 + 23, 4)
    view.setBigInt64(5 + 27, 1_700_000_000_000n)
    view.setBigInt64(5 + 35, 1_700_000_000_007n)
    view.setBigInt64(5 + 43, 4_294_967_297n)
    view.setInt16(5 + 51, 3)
    view.setInt32(5 + 53, 77)
    view.setInt32(5 + 57, 5)
    const fields = makeBatchFields()
    readBatchFields(view, 5, fields)
    assert.deepEqual(fields, {
      baseOffset: 123_456_789_012,
      lastOffsetDelta: 4,
      sizeBytes: 1012,
      leaderEpoch: 9,
      attributes: 0x11,
      baseTimestamp: 1_700_000_000_000,
      maxTimestamp: 1_700_000_000_007,
      producerId: 4_294_967_297n,
      producerEpoch: 3,
      baseSequence: 77,
      recordCount: 5,
    })
  })

  it('have one constant for no producer, and negative ids else', () => {
    const view = new DataView(new ArrayBuffer(61))
    const fields = makeBatchFields()
    for (const id of [-1n, -2n, 0n, 1n, 0xffff_ffffn, 0x7fff_ffff_ffff_ffffn, -0x8000_0000_0000_0000n]) {
      view.setBigInt64(43, id)
      readBatchFields(view, 0, fields)
      assert.equal(fields.producerId, id)
      assert.equal(producerIdOf(view.getUint32(43), view.getUint32(47)), id)
    }
  })
})
