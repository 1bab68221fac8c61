/**
 * Rows F4 (cuts), F5 (flipped bits) and F6 (index damage) for whoever asks `varve verify`: what is damaged is told, on
 * folders that Kafka wrote. Seen to fail with the comparison of checksums, of offsets that follow, of leader epochs, of index
 * positions or of time entries taken out of the inspection, one at a time.
 */
import assert from 'node:assert/strict'
import { segmentFileName } from '../../../../src/storage/segment-names.ts'
import { goldenPath } from '../../../golden/golden-folders.ts'
import { flipped, inspect, MemoryFolder } from './memory-folder.ts'

const root = MemoryFolder.read(goldenPath('clean'))
const golden = (partition: string): MemoryFolder => MemoryFolder.read(goldenPath('clean', partition), root)
const first = (kind: 'log' | 'index' | 'timeindex') => segmentFileName(0, kind)

/** Every n-th bit of every file but those that nothing can vouch for: a topic's id is any 22 characters. */
function bitsThatPass(folder: MemoryFolder, step: number): string[] {
  const passed: string[] = []
  for (const [name, bytes] of folder.files) {
    if (name === 'partition.metadata') continue
    for (let bit = 0; bit < bytes.length * 8; bit += step) {
      const { damageCount } = inspect(folder.with({ [name]: flipped(bytes, bit) }))
      if (damageCount === 0) passed.push(`${name} byte ${bit >> 3} bit ${bit & 7}`)
    }
  }
  return passed
}

describe('an inspection', () => {
  // Steps are primes: all bits of a byte have their turn.
  for (const [partition, step] of [
    ['txn-open-0', 13],
    ['segments-0', 2003],
    ['epochs-0', 211],
    ['txn-0', 1013],
    ['trimmed-0', 211],
    ['codec-zstd-0', 2003],
  ] as const) {
    it(`finds a flipped bit, wherever it is: ${partition}`, function () {
      this.timeout(60_000)
      assert.deepEqual(bitsThatPass(golden(partition), step), [])
    })
  }

  it('finds each flipped bit of the header of a batch in the middle, of both indexes and of the epochs', () => {
    const folder = golden('epochs-0')
    const log = folder.files.get(first('log'))!
    const start = 11_427 // of the batch with offset 150
    assert.equal(Number(log.readBigInt64BE(start)), 150)
    const passed: number[] = []
    for (let bit = start * 8; bit < (start + 61) * 8; bit++)
      if (inspect(folder.with({ [first('log')]: flipped(log, bit) })).damageCount === 0) passed.push(bit - start * 8)
    assert.deepEqual(passed, [])
    for (const name of [first('index'), first('timeindex'), 'leader-epoch-checkpoint']) {
      const bytes = folder.files.get(name)!
      for (let bit = 0; bit < bytes.length * 8; bit++)
        assert.ok(inspect(folder.with({ [name]: flipped(bytes, bit) })).damageCount > 0, `${name} bit ${bit}`)
    }
  })

  it('finds a cut at every byte, and keeps all batches before it', () => {
    const folder = golden('epochs-0')
    const log = folder.files.get(first('log'))!
    const ends = batchEnds(log)
    for (let length = 0; length < log.length; length += length < 700 ? 1 : 53) {
      const report = inspect(folder.with({ [first('log')]: log.subarray(0, length) }))
      const whole = ends.filter((end) => end <= length).length
      assert.ok(report.damageCount > 0, `cut at ${length}`)
      assert.equal(report.logs[0]!.report.batches, whole, `cut at ${length}`)
    }
  }).timeout(60_000)

  it('finds an index cut inside an entry, and a time index of a sealed segment cut anywhere', () => {
    const folder = golden('segments-0')
    const index = folder.files.get(first('index'))!
    for (let length = 0; length < index.length; length++) {
      const { damageCount } = inspect(folder.with({ [first('index')]: index.subarray(0, length) }))
      // The index is sparse: a shorter one is a slower one, and nothing else.
      assert.equal(damageCount > 0, length % 8 !== 0, `cut at ${length}`)
    }
    const times = folder.files.get(first('timeindex'))!
    for (let length = 0; length < times.length; length++)
      assert.ok(inspect(folder.with({ [first('timeindex')]: times.subarray(0, length) })).damageCount > 0, `${length}`)
  }).timeout(60_000)

  for (const name of [first('index'), first('timeindex'), first('log'), 'leader-epoch-checkpoint'])
    it(`finds that ${name} is missing`, () => {
      assert.ok(inspect(golden('segments-0').with({ [name]: null })).damageCount > 0)
    })

  it('finds a stale index: that of a log which went on otherwise', () => {
    const folder = golden('epochs-0')
    const stale = golden('segments-0')
    for (const name of [first('index'), first('timeindex')])
      assert.ok(inspect(folder.with({ [name]: stale.files.get(name)! })).damageCount > 0, name)
  })

  it('takes zeros behind the entries of an index, and behind the batches, for what they are', () => {
    const folder = golden('epochs-0')
    const zeros = (name: string, count: number) => Buffer.concat([folder.files.get(name)!, Buffer.alloc(count)])
    const { logs, damageCount } = inspect(
      folder.with({
        [first('index')]: zeros(first('index'), 800),
        [first('timeindex')]: zeros(first('timeindex'), 1200),
        [first('log')]: zeros(first('log'), 5000),
      }),
    )
    assert.equal(damageCount, 0)
    assert.equal(logs[0]!.report.segments[0]!.preallocatedBytes, 5000)
  })

  it('finds bytes behind a zero length, and the batches among them', () => {
    const folder = golden('epochs-0')
    const log = Buffer.from(folder.files.get(first('log'))!)
    const position = batchEnds(log)[9]!
    log.writeInt32BE(0, position + 8)
    const { logs, damageCount } = inspect(folder.with({ [first('log')]: log }))
    const { report } = logs[0]!
    assert.ok(damageCount > 0)
    assert.equal(report.batches, 50)
    assert.deepEqual(
      report.lost.map(({ position: at, offset, nextOffset }) => ({ at, offset, nextOffset })),
      [{ at: position, offset: 90, nextOffset: 99 }],
    )
  })

  it('goes on behind each of several damaged places, and says which offsets each has cost', () => {
    const folder = golden('segments-0')
    const log = Buffer.from(folder.files.get(first('log'))!)
    const ends = batchEnds(log)
    for (const batch of [2, 3, 10]) log[ends[batch - 1]! + 70]! ^= 0xff
    const lost = inspect(folder.with({ [first('log')]: log })).logs[0]!.report.lost
    assert.deepEqual(
      lost.map(({ position, endPosition }) => [position, endPosition]),
      [
        [ends[1], ends[3]],
        [ends[9], ends[10]],
      ],
    )
    const offsetAt = (position: number) => Number(log.readBigInt64BE(position))
    assert.deepEqual(
      lost.map(({ offset, nextOffset }) => [offset, nextOffset]),
      [
        [offsetAt(ends[1]!), offsetAt(ends[3]!)],
        [offsetAt(ends[9]!), offsetAt(ends[10]!)],
      ],
    )
  })

  it('finds that a whole batch is missing between two that are good', () => {
    const folder = golden('epochs-0')
    const log = folder.files.get(first('log'))!
    const ends = batchEnds(log)
    const without = Buffer.concat([log.subarray(0, ends[4]), log.subarray(ends[5]!)])
    const { lost } = inspect(folder.with({ [first('log')]: without })).logs[0]!.report
    assert.equal(lost[0]!.offset, Number(log.readBigInt64BE(ends[4]!)))
    assert.match(lost[0]!.reason, /offsets are missing/)
  })

  it('finds a whole segment that is missing', () => {
    const folder = golden('segments-0')
    const bases = [...folder.files.keys()].filter((name) => name.endsWith('.log')).sort()
    const gone = bases[2]!.replace('.log', '')
    const { logs, damageCount } = inspect(
      folder.with({ [`${gone}.log`]: null, [`${gone}.index`]: null, [`${gone}.timeindex`]: null }),
    )
    assert.ok(damageCount > 0)
    assert.deepEqual(
      logs[0]!.report.lost.map(({ offset, nextOffset }) => [offset, nextOffset]),
      [[Number(gone), Number(bases[3]!.replace('.log', ''))]],
    )
  })

  it('takes no memory for a length that is claimed, and no hour for a file made to look like many batches', () => {
    const folder = golden('codec-none-0')
    // Every byte could be the magic of a header: each is looked at, and the checksums stay within their budget.
    const hostile = Buffer.alloc(300_000, 2)
    const { damageCount } = inspect(folder.with({ [first('log')]: hostile }))
    assert.ok(damageCount > 0)
  })
})

/** Positions at which the batches of a good file end. */
function batchEnds(log: Buffer): number[] {
  const ends: number[] = []
  for (let position = 0; position < log.length; ) {
    position += 12 + log.readInt32BE(position + 8)
    ends.push(position)
  }
  return ends
}
