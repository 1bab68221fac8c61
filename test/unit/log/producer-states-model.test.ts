/**
 * Producer states against a model that keeps every batch ever appended and answers each question by looking at all of
 * them.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { makeBatchFields } from '../../../src/log/batch-fields.ts'
import { decodeProducerSnapshot, encodeProducerSnapshot } from '../../../src/log/producer-snapshot.ts'
import { type ProducerBatch, type ProducerCheck, ProducerStates } from '../../../src/log/producer-states.ts'
import { Attribute } from '../../../src/record/batch-header.ts'

const twoTo31 = 2 ** 31

function lastIndexWhere<T>(items: readonly T[], holds: (item: T) => boolean): number {
  return items.map(holds).lastIndexOf(true)
}

class Model {
  readonly log: ProducerBatch[] = []

  get nextOffset(): number {
    const last = this.log.at(-1)
    return last === undefined ? 0 : last.baseOffset + last.lastOffsetDelta + 1
  }

  private of(producerId: bigint): ProducerBatch[] {
    return this.log.filter((batch) => batch.producerId === producerId)
  }

  /** Data batches since the producer's epoch was last raised, by a batch or by a marker. */
  private inEpoch(producerId: bigint): ProducerBatch[] {
    const all = this.of(producerId)
    const epoch = all.at(-1)?.producerEpoch
    const from = lastIndexWhere(all, (batch) => batch.producerEpoch !== epoch) + 1
    return all.slice(from).filter((batch) => batch.marker === undefined)
  }

  openSince(producerId: bigint): number | undefined {
    const all = this.of(producerId)
    const from = lastIndexWhere(all, (batch) => batch.marker !== undefined) + 1
    return all.slice(from).find((batch) => (batch.attributes & Attribute.transactional) !== 0)?.baseOffset
  }

  check(batch: ProducerBatch): { check: ProducerCheck; of?: ProducerBatch } {
    const all = this.of(batch.producerId)
    const epoch = all.at(-1)?.producerEpoch
    if (epoch === undefined) return { check: 'append' }
    const inEpoch = this.inEpoch(batch.producerId)
    if (batch.producerEpoch === epoch) {
      const known = inEpoch
        .slice(-5)
        .find((other) => other.baseSequence === batch.baseSequence && other.lastOffsetDelta === batch.lastOffsetDelta)
      if (known !== undefined) return { check: 'duplicate', of: known }
    }
    if (batch.producerEpoch < epoch) return { check: 'fenced' }
    const last = inEpoch.at(-1)
    const next =
      batch.producerEpoch > epoch || last === undefined ? 0 : (last.baseSequence + last.lastOffsetDelta + 1) % twoTo31
    if (batch.baseSequence !== next) return { check: 'out-of-order' }
    const transactional = (batch.attributes & Attribute.transactional) !== 0
    if (this.openSince(batch.producerId) !== undefined && !transactional) return { check: 'in-transaction' }
    return { check: 'append' }
  }

  lastStableOffset(): number {
    const open = [...new Set(this.log.map(({ producerId }) => producerId))].map((id) => this.openSince(id))
    return Math.min(this.nextOffset, ...open.filter((offset) => offset !== undefined))
  }
}

const producer = fc.bigInt({ min: 0n, max: 2n })
/** How the next sequence is chosen: mostly the right one, else a retry of some batch, a gap, or 0. */
const batchStep = fc.record({
  kind: fc.constant('batch' as const),
  producerId: producer,
  count: fc.integer({ min: 1, max: 3 }),
  raise: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, -1),
  sequence: fc.oneof(
    { weight: 6, arbitrary: fc.constant('next' as const) },
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 7 }) },
    { weight: 1, arbitrary: fc.constantFrom('gap' as const, 'zero' as const, 'end' as const) },
  ),
  transactional: fc.boolean(),
})
const markerStep = fc.record({
  kind: fc.constant('marker' as const),
  producerId: producer,
  raise: fc.constantFrom(0, 1, 1),
  type: fc.constantFrom('commit' as const, 'abort' as const),
})
const steps = fc.array(fc.oneof({ weight: 5, arbitrary: batchStep }, { weight: 1, arbitrary: markerStep }), {
  maxLength: 80,
})

function epochOf(model: Model, producerId: bigint): number {
  return model.log[lastIndexWhere(model.log, (batch) => batch.producerId === producerId)]?.producerEpoch ?? 3
}

describe('producer states against a model', () => {
  it('accept, recognise and refuse the same batches, hold readers back as far, and replay to the same state', () => {
    fc.assert(
      fc.property(steps, fc.nat(), (actions, cut) => {
        const model = new Model()
        const states = new ProducerStates()
        for (const action of actions) {
          const epoch = epochOf(model, action.producerId) + action.raise
          const batch: ProducerBatch = {
            ...makeBatchFields(),
            baseOffset: model.nextOffset,
            maxTimestamp: model.nextOffset * 10,
            producerId: action.producerId,
            producerEpoch: epoch,
          }
          if (action.kind === 'marker') {
            batch.attributes = Attribute.control | Attribute.transactional
            batch.marker = { type: action.type, coordinatorEpoch: 0 }
            const open = model.openSince(action.producerId)
            assert.equal(states.check(batch), 'append')
            model.log.push(batch)
            const decided = states.apply(batch)
            assert.equal(decided?.firstOffset, open)
            if (decided !== undefined) {
              assert.equal(decided.lastStableOffset, Math.min(model.lastStableOffset(), batch.baseOffset + 1))
              assert.equal(decided.aborted, action.type === 'abort')
            }
          } else {
            const own = model.log.filter(({ producerId, marker }) => producerId === action.producerId && !marker)
            const last = own.at(-1)
            const next = last === undefined ? twoTo31 - 4 : (last.baseSequence + last.lastOffsetDelta + 1) % twoTo31
            batch.attributes = action.transactional ? Attribute.transactional : 0
            batch.lastOffsetDelta = action.count - 1
            batch.recordCount = action.count
            if (action.sequence === 'next') batch.baseSequence = action.raise > 0 ? 0 : next
            else if (action.sequence === 'gap') batch.baseSequence = (next + 1) % twoTo31
            else if (action.sequence === 'zero') batch.baseSequence = 0
            else if (action.sequence === 'end') batch.baseSequence = twoTo31 - 1
            else {
              const again = own.at(-action.sequence)
              batch.baseSequence = again?.baseSequence ?? 0
              batch.lastOffsetDelta = again?.lastOffsetDelta ?? 0
            }
            const expected = model.check(batch)
            assert.equal(states.check(batch), expected.check)
            const known = expected.of
            assert.deepEqual(
              expected.check === 'duplicate' ? states.duplicateOf(batch) : undefined,
              known && { baseOffset: known.baseOffset, lastOffset: known.baseOffset + known.lastOffsetDelta },
            )
            if (expected.check === 'append') {
              model.log.push(batch)
              states.apply(batch)
            }
          }
          assert.equal(states.lastStableOffset(model.nextOffset), model.lastStableOffset())
        }
        // A snapshot of any moment and the batches since give the same state.
        const half = model.log.slice(0, model.log.length === 0 ? 0 : cut % model.log.length)
        const before = new ProducerStates()
        for (const batch of half) before.apply(batch)
        const after = new ProducerStates(decodeProducerSnapshot(encodeProducerSnapshot(before.entries())))
        for (const batch of model.log.slice(half.length)) after.apply(batch)
        const sorted = (some: ProducerStates) =>
          [...some.entries()].sort((a, b) => (a.producerId < b.producerId ? -1 : 1))
        assert.deepEqual(sorted(after), sorted(states))
        assert.equal(after.lastStableOffset(model.nextOffset), states.lastStableOffset(model.nextOffset))
      }),
      { numRuns: 400 },
    )
  })
})
