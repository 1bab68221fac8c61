import assert from 'node:assert/strict'
import {
  type RollAppend,
  type RollLimits,
  type RollReason,
  type RollSegment,
  rollReason,
} from '../../../src/log/roll.ts'

const limits: RollLimits = { segmentBytes: 1000, segmentMs: 100, segmentIndexBytes: 80 }
const segment: RollSegment = {
  baseOffset: 500,
  sizeBytes: 400,
  firstMaxTimestamp: 10_000,
  createdMs: 0,
  indexEntries: 3,
  timeIndexEntries: 3,
}
const append: RollAppend = { sizeBytes: 100, maxTimestamp: 10_050, lastOffset: 600 }

interface Case {
  name: string
  expected: RollReason | undefined
  limits?: Partial<RollLimits>
  segment?: Partial<RollSegment>
  append?: Partial<RollAppend>
  nowMs?: number
}

const cases: Case[] = [
  { name: 'nothing is due', expected: undefined },
  { name: 'the batch fills the segment exactly', append: { sizeBytes: 600 }, expected: undefined },
  { name: 'the batch is one byte too many', append: { sizeBytes: 601 }, expected: 'size' },
  { name: 'a batch larger than a segment meets a segment with data', append: { sizeBytes: 5000 }, expected: 'size' },
  {
    name: 'a batch larger than a segment gets an empty one of its own',
    segment: { sizeBytes: 0 },
    append: { sizeBytes: 5000 },
    expected: undefined,
  },
  { name: 'record time reaches the limit', append: { maxTimestamp: 10_100 }, expected: undefined },
  { name: 'record time passes the limit', append: { maxTimestamp: 10_101 }, expected: 'time' },
  { name: 'wall time does not count when records have times', nowMs: 99_999_999, expected: undefined },
  { name: 'older records than the first are no reason', append: { maxTimestamp: 5 }, expected: undefined },
  {
    name: "a segment whose first batch has no time rolls by its age, whatever the new batch's time",
    segment: { firstMaxTimestamp: -1, createdMs: 1000 },
    nowMs: 1101,
    expected: 'time',
  },
  {
    name: 'the same just before',
    segment: { firstMaxTimestamp: -1, createdMs: 1000 },
    nowMs: 1100,
    expected: undefined,
  },
  {
    name: 'a first time of 0 is a time',
    segment: { firstMaxTimestamp: 0 },
    append: { maxTimestamp: 100 },
    nowMs: 99_999,
    expected: undefined,
  },
  {
    name: 'an empty segment never rolls by time',
    segment: { sizeBytes: 0, firstMaxTimestamp: -1 },
    nowMs: 99_999_999,
    expected: undefined,
  },
  { name: 'one slot of the index is free', segment: { indexEntries: 9 }, expected: undefined },
  { name: 'the index is full', segment: { indexEntries: 10 }, expected: 'index' },
  { name: 'only the last slot of the time index is free', segment: { timeIndexEntries: 5 }, expected: 'index' },
  { name: 'two slots of the time index are free', segment: { timeIndexEntries: 4 }, expected: undefined },
  { name: 'the last relative offset that fits', append: { lastOffset: 500 + 0x7fff_ffff }, expected: undefined },
  { name: 'one past it', append: { lastOffset: 501 + 0x7fff_ffff }, expected: 'offsets' },
  {
    name: 'offsets too far for an empty segment',
    segment: { sizeBytes: 0 },
    append: { lastOffset: 501 + 0x7fff_ffff },
    expected: 'offsets',
  },
]

describe('when the active segment rolls', () => {
  for (const { name, expected, ...given } of cases)
    it(`${name}: ${expected ?? 'no roll'}`, () => {
      const reason = rollReason(
        { ...limits, ...given.limits },
        { ...segment, ...given.segment },
        { ...append, ...given.append },
        given.nowMs ?? 10_050,
      )
      assert.equal(reason, expected)
    })
})
