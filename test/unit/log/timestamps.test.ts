import assert from 'node:assert/strict'
import { firstSegmentReaching, segmentOfMaxTimestamp } from '../../../src/log/timestamps.ts'

const segments = [{ maxTimestamp: 500 }, { maxTimestamp: 900 }, { maxTimestamp: -1 }, { maxTimestamp: 900 }]

describe('seeking by time over segments', () => {
  it('finds the first segment that reaches a time, though times need not rise', () => {
    assert.equal(firstSegmentReaching(segments, 0), 0)
    assert.equal(firstSegmentReaching(segments, 500), 0)
    assert.equal(firstSegmentReaching(segments, 501), 1)
    assert.equal(firstSegmentReaching(segments, 501, 2), 3)
    assert.equal(firstSegmentReaching(segments, 901), -1)
    assert.equal(firstSegmentReaching([], 0), -1)
  })

  it('finds the first segment with the largest time of all', () => {
    assert.equal(segmentOfMaxTimestamp(segments), 1)
    assert.equal(segmentOfMaxTimestamp([{ maxTimestamp: -1 }]), -1)
    assert.equal(segmentOfMaxTimestamp([]), -1)
  })
})
