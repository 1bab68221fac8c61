import assert from 'node:assert/strict'
import { type KafkaOffsets, recoveryStart } from '../../../src/storage/recovery-start.ts'
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
  indexEntries: 0,
  indexCrc: 0,
  timeIndexEntries: 0,
  timeIndexCrc: 0,
  topicCrc: 0,
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
})
