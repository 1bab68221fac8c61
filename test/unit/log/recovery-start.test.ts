import assert from 'node:assert/strict'
import { changedKafkaFiles, type KafkaOffsets, recoveryStart } from '../../../src/log/recovery-start.ts'
import { snapshotsToTry, straySnapshots } from '../../../src/log/snapshot-files.ts'
import type { LogCheckpoint } from '../../../src/storage/varve-checkpoint.ts'

const own: LogCheckpoint = {
  name: 'orders-0',
  recoveryPoint: 1000,
  segmentBaseOffset: 900,
  segmentPosition: 4096,
  logStartOffset: 100,
  highWatermark: 990,
  maxTimestamp: -1,
  maxTimestampOffset: -1,
  bytesSinceIndexEntry: 0,
  indexEntries: 0,
  indexCrc: 0,
  timeIndexEntries: 0,
  timeIndexCrc: 0,
  leaderEpochsCrc: 0,
}
const position = { segmentBaseOffset: 900, segmentPosition: 4096 }
const asWeLeftIt = { recoveryFile: false, highWatermarkFile: false }
const oneFile = { recoveryFile: true, highWatermarkFile: false }
const bothFiles = { recoveryFile: true, highWatermarkFile: true }
const kafka = (recoveryPoint?: number, logStartOffset?: number, highWatermark?: number): KafkaOffsets => ({
  recoveryPoint,
  logStartOffset,
  highWatermark,
})

describe('where recovery starts', () => {
  it('is our recovery point, at its position, when nobody else has written', () => {
    const expected = { recoveryPoint: 1000, position, logStartOffset: 100, highWatermark: 990 }
    assert.deepEqual(recoveryStart(own, kafka(1000, 100, 990), asWeLeftIt), expected)
    assert.deepEqual(recoveryStart(own, kafka(), asWeLeftIt), expected)
    // Unchanged files that say less are simply older than our checkpoint.
    assert.deepEqual(recoveryStart(own, kafka(500, 0, 400), asWeLeftIt), expected)
  })

  it('is never later than ours because of a digit that flipped in one text file', () => {
    assert.deepEqual(recoveryStart(own, kafka(9000, 9000, 9000), oneFile), {
      recoveryPoint: 1000,
      position,
      logStartOffset: 100,
      highWatermark: 990,
    })
    assert.deepEqual(recoveryStart(own, kafka(undefined, 9000, 9000), oneFile), {
      recoveryPoint: 1000,
      position,
      logStartOffset: 100,
      highWatermark: 990,
    })
  })

  it('is the lower one, from the start of its segment, when the text says less than we wrote', () => {
    assert.deepEqual(recoveryStart(own, kafka(950), oneFile), {
      recoveryPoint: 950,
      position: undefined,
      logStartOffset: 100,
      highWatermark: 990,
    })
  })

  it('trusts no position of ours after a Kafka has had the folder, and takes its log start and high watermark', () => {
    assert.deepEqual(recoveryStart(own, kafka(2000, 700, 1990), bothFiles), {
      recoveryPoint: 1000,
      position: undefined,
      logStartOffset: 700,
      highWatermark: 1990,
    })
    // Kafka lists only log starts above the first segment's base: none means no move.
    assert.deepEqual(recoveryStart(own, kafka(2000, undefined, undefined), bothFiles), {
      recoveryPoint: 1000,
      position: undefined,
      logStartOffset: 100,
      highWatermark: 990,
    })
    assert.equal(recoveryStart(own, kafka(2000, 5, 1990), bothFiles).logStartOffset, 100)
  })

  it("is Kafka's in a folder that we never wrote, and the very start where nothing is known", () => {
    assert.deepEqual(recoveryStart(undefined, kafka(400, 155, 800), asWeLeftIt), {
      recoveryPoint: 400,
      position: undefined,
      logStartOffset: 155,
      highWatermark: 800,
    })
    assert.equal(recoveryStart(undefined, kafka(), asWeLeftIt).recoveryPoint, 0)
  })

  it('sees which of the files that we wrote differ or are gone', () => {
    const written = [
      { name: 'a', crc: 1 },
      { name: 'b', crc: 2 },
      { name: 'c', crc: 3 },
    ]
    const found = [
      { name: 'a', crc: 1 },
      { name: 'b', crc: 9 },
      { name: 'x', crc: 3 },
    ]
    assert.deepEqual([...changedKafkaFiles(written, found)], ['b', 'c'])
  })
})

describe('snapshot files on opening', () => {
  const folder = { segmentBaseOffsets: [0, 220, 440], logStartOffset: 0, logEndOffset: 800 }

  it('of segments stay, and the newest behind the last of them', () => {
    assert.deepEqual(straySnapshots({ ...folder, snapshotOffsets: [220, 400, 440, 600, 800] }), [400, 600])
    assert.deepEqual(straySnapshots({ ...folder, snapshotOffsets: [220, 440, 700] }), [])
  })

  it('past the log end go, and the newest of the rest counts', () => {
    assert.deepEqual(straySnapshots({ ...folder, snapshotOffsets: [220, 600, 800, 900] }), [600, 900])
    assert.deepEqual(straySnapshots({ ...folder, logEndOffset: 790, snapshotOffsets: [440, 600, 800] }), [800])
  })

  it('at or below the log start go', () => {
    assert.deepEqual(straySnapshots({ ...folder, logStartOffset: 220, snapshotOffsets: [0, 220, 440, 800] }), [0, 220])
  })

  it('are tried from the newest that does not lie past what is needed', () => {
    assert.deepEqual(snapshotsToTry([220, 440, 800], 790), [440, 220])
    assert.deepEqual(snapshotsToTry([220, 440, 800], 440), [440, 220])
    assert.deepEqual(snapshotsToTry([220], 100), [])
  })
})
