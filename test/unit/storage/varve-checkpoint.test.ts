import assert from 'node:assert/strict'
import fc from 'fast-check'
import { VarveError } from '../../../src/errors.ts'
import {
  type Checkpoint,
  type CheckpointFile,
  type CheckpointWrite,
  type LogCheckpoint,
  planCheckpointWrite,
  readCheckpoint,
} from '../../../src/storage/varve-checkpoint.ts'

const hasCode = (code: string) => (error: unknown) => error instanceof VarveError && error.code === code

function log(name: string, recoveryPoint = 1000): LogCheckpoint {
  return {
    name,
    recoveryPoint,
    segmentBaseOffset: 900,
    segmentPosition: 4096,
    logStartOffset: 10,
    highWatermark: recoveryPoint,
    maxTimestamp: 1_700_000_000_000,
    maxTimestampOffset: 950,
    indexEntries: 3,
    indexCrc: 0xffff_ffff,
    timeIndexEntries: 2,
    timeIndexCrc: 0x8000_0001,
    topicCrc: 0,
  }
}

const small: Checkpoint = {
  kafkaFiles: [{ name: 'recovery-point-offset-checkpoint', crc: 0xdead_beef }],
  logs: [log('orders-0'), log('größe-1', Number.MAX_SAFE_INTEGER)],
}

/** What the caller does: the file after a write, of which only some bytes reached the disk when `upTo` is given. */
function perform(file: Uint8Array, write: CheckpointWrite, upTo = write.bytes.length): Uint8Array {
  if (write.kind === 'replace') return upTo === write.bytes.length ? write.bytes.slice() : file
  const after = file.slice()
  after.set(write.bytes.subarray(0, upTo), write.position)
  return after
}

function firstFile(checkpoint: Checkpoint): { bytes: Uint8Array; file: CheckpointFile } {
  const write = planCheckpointWrite(checkpoint, undefined)
  return { bytes: perform(new Uint8Array(0), write), file: write.file }
}

describe("varve's checkpoint", () => {
  it('comes back as it was written, from alternating slots', () => {
    let { bytes, file } = firstFile(small)
    assert.equal(bytes.length, 2 * 4096)
    for (let i = 1; i <= 5; i += 1) {
      const read = readCheckpoint(bytes)
      assert.deepEqual(read.file, file)
      assert.equal(read.file.slot, (i + 1) % 2)
      assert.equal(read.file.generation, i)
      assert.equal(read.otherDamaged, false)
      const next = { ...small, logs: [log('orders-0', 1000 + i)] }
      if (i > 1) assert.equal(read.checkpoint.logs[0]!.recoveryPoint, 1000 + i - 1)
      else assert.deepEqual(read.checkpoint, small)
      const write = planCheckpointWrite(next, file)
      assert.equal(write.kind, 'in-place')
      assert.equal(write.position % 4096, 0)
      bytes = perform(bytes, write)
      file = write.file
    }
  })

  it('of no log is a checkpoint too', () => {
    assert.deepEqual(readCheckpoint(firstFile({ kafkaFiles: [], logs: [] }).bytes).checkpoint, {
      kafkaFiles: [],
      logs: [],
    })
  })

  it('that outgrows its slot replaces the file, and keeps counting', () => {
    const { bytes, file } = firstFile(small)
    const large = { kafkaFiles: [], logs: Array.from({ length: 10_000 }, (_, i) => log(`topic-${i}`)) }
    const write = planCheckpointWrite(large, file)
    assert.equal(write.kind, 'replace')
    assert.equal(write.bytes.length, 2 * write.file.capacityBytes)
    const read = readCheckpoint(perform(bytes, write))
    assert.deepEqual(read.checkpoint, large)
    assert.equal(read.file.generation, 2)
    // There is room to grow, and a smaller one stays in place.
    assert.equal(planCheckpointWrite({ ...large, logs: [...large.logs, log('one-more')] }, read.file).kind, 'in-place')
    assert.equal(planCheckpointWrite(small, read.file).kind, 'in-place')
  })

  it('never writes past the slot that it has', () => {
    const { file } = firstFile({ kafkaFiles: [], logs: [] })
    const logs: LogCheckpoint[] = []
    for (let write = planCheckpointWrite({ kafkaFiles: [], logs }, file); write.kind === 'in-place'; ) {
      assert.ok(write.bytes.length <= file.capacityBytes)
      // Each log takes some hundred bytes; the last steps go byte by byte.
      const isNear = write.bytes.length + 200 > file.capacityBytes
      if (isNear) logs.push(log('x'.repeat(logs.pop()!.name.length + 1)))
      else logs.push(log('x'))
      write = planCheckpointWrite({ kafkaFiles: [], logs }, file)
      if (write.kind === 'replace') assert.ok(isNear && write.file.capacityBytes > file.capacityBytes)
    }
  })

  it('survives a write that is torn at any byte: the one before counts', () => {
    let { bytes, file } = firstFile(small)
    const second = planCheckpointWrite({ ...small, logs: [log('second')] }, file)
    bytes = perform(bytes, second)
    file = second.file
    const third = planCheckpointWrite({ ...small, logs: [log('third')] }, file)
    const whole = perform(bytes, third)
    for (let upTo = 0; upTo <= third.bytes.length; upTo += 1) {
      const torn = perform(bytes, third, upTo)
      const read = readCheckpoint(torn)
      // What is the same before and after cannot tear.
      const isBefore = Buffer.compare(torn, bytes) === 0
      const isDone = Buffer.compare(torn, whole) === 0
      assert.equal(read.checkpoint.logs[0]!.name, isDone ? 'third' : 'second', `torn at ${upTo}`)
      assert.equal(read.otherDamaged, !isBefore && !isDone, `torn at ${upTo}`)
      // The next write goes over the torn slot, not over the good one.
      if (!isDone) assert.equal(planCheckpointWrite(small, read.file).position, third.position)
    }
  })

  it('with a flipped bit anywhere is never read as something else', () => {
    const first = firstFile(small)
    const second = planCheckpointWrite({ ...small, logs: [log('second')] }, first.file)
    const bytes = perform(first.bytes, second)
    const slots = [
      { position: 0, length: 400, usedBytes: 0, left: 'second' },
      { position: second.position, length: 400, usedBytes: second.bytes.length, left: 'orders-0' },
    ]
    for (const { position, length, usedBytes, left } of slots)
      for (let bit = 0; bit < length * 8; bit += 1) {
        const at = bit >> 3
        const damaged = bytes.slice()
        damaged[position + at]! ^= 1 << (bit & 7)
        // Nobody reads what lies behind the payload.
        const isRead = at < usedBytes
        const name = readCheckpoint(damaged).checkpoint.logs[0]!.name
        assert.equal(name, isRead ? left : 'second', `bit ${bit} of the slot at ${position}`)
      }
  })

  it('is refused when no slot is whole, whatever the bytes', () => {
    const { bytes } = firstFile(small)
    for (let length = 0; length < 250; length += 1)
      assert.throws(() => readCheckpoint(bytes.subarray(0, length)), hasCode('VARVE_CORRUPT'), `${length} bytes`)
    assert.throws(() => readCheckpoint(new Uint8Array(8192)), hasCode('VARVE_CORRUPT'))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
        assert.throws(() => readCheckpoint(noise), hasCode('VARVE_CORRUPT'))
      }),
    )
  })

  it('is found when only the second slot is whole', () => {
    const first = firstFile(small)
    const second = planCheckpointWrite({ ...small, logs: [log('second')] }, first.file)
    const bytes = perform(first.bytes, second)
    bytes.fill(0xff, 0, 4096)
    const read = readCheckpoint(bytes)
    assert.equal(read.checkpoint.logs[0]!.name, 'second')
    assert.equal(read.otherDamaged, true)
    assert.deepEqual(read.file, second.file)
  })

  it('is found when the file was cut behind the first slot', () => {
    const { bytes } = firstFile(small)
    assert.deepEqual(readCheckpoint(bytes.subarray(0, 5000)).checkpoint, small)
  })

  it('of a newer version is refused with both versions named, but damage is not taken for one', () => {
    const { bytes } = firstFile(small)
    bytes[9] = 2
    assert.throws(() => readCheckpoint(bytes), hasCode('VARVE_CORRUPT'))
    new DataView(bytes.buffer).setUint32(12, crcOf(bytes.subarray(0, 12)))
    assert.throws(
      () => readCheckpoint(bytes),
      (error: unknown) => {
        assert.deepEqual((error as VarveError).details, { version: 2, knownVersion: 1 })
        return hasCode('VARVE_FORMAT_TOO_NEW')(error)
      },
    )
  })

  it('takes nothing from a claimed count', () => {
    // A whole slot, checksums right, that claims 4 billion logs.
    const { bytes } = firstFile({ kafkaFiles: [], logs: [] })
    const view = new DataView(bytes.buffer)
    view.setUint32(38, 0xffff_ffff)
    view.setUint32(32, crcOf(bytes.subarray(36, 42), crcOf(bytes.subarray(16, 32))))
    assert.throws(() => readCheckpoint(bytes), hasCode('VARVE_CORRUPT'))
  })
})

/** Bit by bit, so that the table of the tested code is not what it is tested with. */
function crcOf(bytes: Uint8Array, seed = 0): number {
  let crc = ~seed
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (0x82f6_3b78 & -(crc & 1))
  }
  return ~crc >>> 0
}
