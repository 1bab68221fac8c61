/**
 * The rules by which `.index` and `.timeindex` entries are placed, told once in plain code and held against what Kafka
 * wrote. The native segment follows the same rules; its own tests compare its files with these folders.
 */
import assert from 'node:assert/strict'
import {
  decodeOffsetIndex,
  decodeTimeIndex,
  type OffsetIndexEntry,
  type TimeIndexEntry,
} from '../../src/storage/index-entries.ts'
import { parseSegmentFileName, segmentFileName } from '../../src/storage/segment-names.ts'
import { type GoldenBatch, readGoldenBatches } from './golden-batches.ts'
import { type GoldenState, goldenBytes, goldenFiles, goldenPartitions, goldenStates } from './golden-folders.ts'

const indexIntervalBytes = 4096

/**
 * Offsets at which Kafka was closed and opened again while the segment was active: the close adds a time entry, the
 * opening starts the count of bytes anew. A rebuild during recovery knows nothing of it.
 */
const restarts: Record<string, number[]> = {
  'clean/epochs-0': [150, 300],
  'killed/plain-0': [400],
  'killed/preallocated-0': [400],
  'killed/rolled-0': [400],
  'killed/torn-0': [400],
}

interface Indexes {
  offsets: OffsetIndexEntry[]
  times: TimeIndexEntry[]
}

function expectedIndexes(batches: readonly GoldenBatch[], restartsAt: readonly number[], closed: boolean): Indexes {
  const offsets: OffsetIndexEntry[] = []
  const times: TimeIndexEntry[] = []
  let bytesSinceEntry = 0
  let largest: TimeIndexEntry = { timestamp: -1, offset: -1 }
  const addTime = () => {
    if (largest.timestamp > (times.at(-1)?.timestamp ?? -1)) times.push(largest)
  }
  for (const batch of batches) {
    if (restartsAt.includes(batch.baseOffset)) {
      addTime()
      bytesSinceEntry = 0
    }
    if (batch.maxTimestamp > largest.timestamp) largest = { timestamp: batch.maxTimestamp, offset: batch.lastOffset }
    if (bytesSinceEntry > indexIntervalBytes) {
      offsets.push({ offset: batch.lastOffset, position: batch.position })
      addTime()
      bytesSinceEntry = 0
    }
    bytesSinceEntry += batch.sizeBytes
  }
  if (closed) addTime()
  return { offsets, times }
}

function readIndexes(state: GoldenState, partition: string, baseOffset: number): Indexes {
  return {
    offsets: decodeOffsetIndex(goldenBytes(state, partition, segmentFileName(baseOffset, 'index'))!, baseOffset),
    times: decodeTimeIndex(goldenBytes(state, partition, segmentFileName(baseOffset, 'timeindex'))!, baseOffset),
  }
}

describe('index files', () => {
  for (const state of goldenStates)
    for (const partition of goldenPartitions(state))
      it(`${state}/${partition}: entries stand where the rules put them`, () => {
        const batches = readGoldenBatches(state, partition)
        const segments = goldenFiles(state, partition, '.log').map((name) => parseSegmentFileName(name)!.baseOffset)
        for (const base of segments) {
          const own = batches.filter(({ segmentBaseOffset }) => segmentBaseOffset === base)
          const closed = state !== 'killed' || base !== segments.at(-1)
          const expected = expectedIndexes(own, restarts[`${state}/${partition}`] ?? [], closed)
          const actual = readIndexes(state, partition, base)
          // Where the last 20 bytes were cut off by hand, the indexes know a batch that the log has lost.
          if (`${state}/${partition}` === 'killed/torn-0') {
            const end = own.at(-1)!.lastOffset
            actual.offsets = actual.offsets.filter(({ offset }) => offset <= end)
            actual.times = actual.times.filter(({ offset }) => offset <= end)
          }
          assert.deepEqual(actual, expected, `segment ${base}`)
        }
      })
})
