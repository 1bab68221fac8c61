/**
 * What the engine derives from a log (producer snapshots, transaction indexes, leader epochs) must be what Kafka
 * derived from the same batches, byte for byte.
 */
import assert from 'node:assert/strict'
import { noProducerId } from '../../src/log/batch-fields.ts'
import { LeaderEpochs } from '../../src/log/leader-epochs.ts'
import { decodeProducerSnapshot, encodeProducerSnapshot } from '../../src/log/producer-snapshot.ts'
import { type ProducerEntry, ProducerStates } from '../../src/log/producer-states.ts'
import {
  collectAborted,
  decodeTransactionIndex,
  encodeTransactionIndex,
  type TransactionIndexEntry,
} from '../../src/log/transaction-index.ts'
import { decodeLeaderEpochs, encodeLeaderEpochs } from '../../src/storage/kafka-checkpoint.ts'
import { parseSegmentFileName, segmentFileName } from '../../src/storage/segment-names.ts'
import { type GoldenBatch, readGoldenBatches } from './golden-batches.ts'
import {
  type GoldenState,
  goldenBytes,
  goldenFiles,
  goldenPartitions,
  goldenStates,
  readExpected,
} from './golden-folders.ts'

/**
 * Compaction has removed batches that Kafka's files still remember: the producer state in the middle of what is gone,
 * aborted transactions without data, the offset at which the epoch began. No log can give these again.
 */
const compacted = 'compacted-0'
const forgottenSnapshots = new Set([`${compacted}/${segmentFileName(960, 'snapshot')}`])

/** Replays a partition; `at` is called with the state before the batch at each offset, and at the end. */
function replay(
  batches: readonly GoldenBatch[],
  states: ProducerStates,
  at: (nextOffset: number) => void,
): Map<number, TransactionIndexEntry[]> {
  const aborted = new Map<number, TransactionIndexEntry[]>()
  for (const batch of batches) {
    at(batch.baseOffset)
    if (batch.producerId === noProducerId) continue
    const decided = states.apply(batch)
    if (decided?.aborted) {
      const { producerId, firstOffset, lastOffset, lastStableOffset } = decided
      const entries = aborted.get(batch.segmentBaseOffset) ?? []
      entries.push({ producerId, firstOffset, lastOffset, lastStableOffset })
      aborted.set(batch.segmentBaseOffset, entries)
    }
  }
  const last = batches.at(-1)
  if (last !== undefined) at(last.lastOffset + 1)
  return aborted
}

function snapshotAt(state: GoldenState, partition: string, offset: number): Buffer | undefined {
  return goldenBytes(state, partition, segmentFileName(offset, 'snapshot'))
}

/** A log that does not begin at 0 needs what was known before it. */
function statesBefore(state: GoldenState, partition: string, firstOffset: number): ProducerStates {
  const bytes = snapshotAt(state, partition, firstOffset)
  return new ProducerStates(bytes === undefined ? [] : decodeProducerSnapshot(bytes))
}

/** Kafka's entries stand in hash-map order: ours are put into the same order before bytes are compared. */
function inOrderOf(theirs: readonly ProducerEntry[], ours: Iterable<ProducerEntry>): ProducerEntry[] {
  const rank = new Map(theirs.map(({ producerId }, i) => [producerId, i]))
  return [...ours].sort((a, b) => (rank.get(a.producerId) ?? -1) - (rank.get(b.producerId) ?? -1))
}

for (const state of goldenStates)
  describe(`files derived from the log, ${state}`, () => {
    for (const partition of goldenPartitions(state)) {
      const batches = readGoldenBatches(state, partition)
      const names = goldenFiles(state, partition, '.snapshot')

      it(`${partition}: snapshots equal Kafka's`, () => {
        const states = statesBefore(state, partition, batches[0]?.baseOffset ?? 0)
        let compared = 0
        replay(batches, states, (nextOffset) => {
          const kafka = snapshotAt(state, partition, nextOffset)
          if (kafka === undefined || forgottenSnapshots.has(`${partition}/${segmentFileName(nextOffset, 'snapshot')}`))
            return
          const ours = encodeProducerSnapshot(inOrderOf(decodeProducerSnapshot(kafka), states.entries()))
          assert.deepEqual(decodeProducerSnapshot(ours), decodeProducerSnapshot(kafka), `at ${nextOffset}`)
          assert.ok(kafka.equals(ours), `at ${nextOffset}`)
          compared += 1
        })
        assert.equal(compared, names.filter((name) => !forgottenSnapshots.has(`${partition}/${name}`)).length)
      })

      it(`${partition}: a replay from each snapshot ends as one from the start does`, () => {
        const whole = statesBefore(state, partition, batches[0]?.baseOffset ?? 0)
        replay(batches, whole, () => {})
        for (const name of names) {
          const { baseOffset } = parseSegmentFileName(name)!
          const part = statesBefore(state, partition, baseOffset)
          const rest = batches.filter((batch) => batch.baseOffset >= baseOffset)
          replay(rest, part, () => {})
          const end = [...whole.entries()]
          assert.deepEqual(inOrderOf(end, part.entries()), end, name)
          assert.equal(part.openCount, whole.openCount)
        }
      })

      it(`${partition}: transaction indexes equal Kafka's`, () => {
        for (const name of goldenFiles(state, partition, '.txnindex')) {
          const kafka = goldenBytes(state, partition, name)!
          assert.ok(kafka.equals(encodeTransactionIndex(decodeTransactionIndex(kafka))))
        }
        if (partition === compacted) return
        const states = statesBefore(state, partition, batches[0]?.baseOffset ?? 0)
        const aborted = replay(batches, states, () => {})
        const ours = [...aborted].map(([base, entries]) => [
          segmentFileName(base, 'txnindex'),
          Buffer.from(encodeTransactionIndex(entries)).toString('hex'),
        ])
        const kafka = goldenFiles(state, partition, '.txnindex').map((name) => [
          name,
          goldenBytes(state, partition, name)!.toString('hex'),
        ])
        assert.deepEqual(ours, kafka)
      })

      it(`${partition}: leader epochs equal Kafka's`, () => {
        const kafka = goldenBytes(state, partition, 'leader-epoch-checkpoint')!.toString()
        const entries = decodeLeaderEpochs(kafka)
        assert.equal(encodeLeaderEpochs(entries), kafka)
        const epochs = new LeaderEpochs(partition === compacted ? entries : [])
        for (const batch of batches) epochs.assign(batch.leaderEpoch, batch.baseOffset)
        if (state !== 'killed') epochs.truncateFromStart(readExpected(state, partition).logStartOffset)
        // A leader enters its epoch before it writes: the last entry may have no batch yet.
        const last = entries.at(-1)!
        const end = batches.at(-1)
        if (last.startOffset >= (end?.lastOffset ?? -1) + 1) epochs.assign(last.epoch, last.startOffset)
        assert.equal(encodeLeaderEpochs(epochs.entries), kafka)
        for (const batch of batches.filter(({ baseOffset }) => baseOffset >= entries[0]!.startOffset))
          assert.equal(epochs.epochFor(batch.baseOffset), batch.leaderEpoch)
      })
    }
  })

for (const state of ['clean', 'recovered'] as const)
  describe(`readers of committed records, ${state}`, () => {
    for (const partition of goldenPartitions(state))
      it(`${partition}: stable offset and aborted records are as Kafka's consumer saw them`, () => {
        const expected = readExpected(state, partition)
        const batches = readGoldenBatches(state, partition)
        const states = statesBefore(state, partition, batches[0]?.baseOffset ?? 0)
        replay(batches, states, () => {})
        assert.equal(states.lastStableOffset(expected.logEndOffset), expected.lastStableOffset)
        const indexes = goldenFiles(state, partition, '.txnindex').map((name) =>
          decodeTransactionIndex(goldenBytes(state, partition, name)!),
        )
        const bounds = { startOffset: expected.logStartOffset, endOffset: expected.lastStableOffset }
        const aborted: TransactionIndexEntry[] = []
        for (const entries of indexes) if (collectAborted(entries, bounds, aborted)) break
        const batchOf = (offset: number) => batches.find((batch) => batch.lastOffset >= offset)!
        for (const record of expected.records) {
          const { producerId, attributes } = batchOf(record.offset)
          const leftOut = aborted.some(
            (transaction) =>
              (attributes & 0x10) !== 0 &&
              transaction.producerId === producerId &&
              transaction.firstOffset <= record.offset &&
              record.offset <= transaction.lastOffset,
          )
          assert.equal(leftOut, record.aborted ?? false, `offset ${record.offset}`)
          assert.equal(
            record.offset >= expected.lastStableOffset,
            (record.open ?? record.unstable) === true,
            `offset ${record.offset}`,
          )
        }
      })
  })
