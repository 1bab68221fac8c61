// One flipped bit, anywhere: it is found, or it does no harm. Never a wrong record, never an error without a code.
//
// A log of four segments (one of them 16 KiB) with producers, an aborted transaction and several leader epochs is
// written, and kept in two states: closed, so that nothing is checked when it is opened, and killed, so that its last
// segments are. Step = (state, bit): the bit of one of the folder's files is flipped, the log is opened and all of it
// read. What is read equals what was written but for what a coded error reports as damaged; reading goes on where that
// error says. In the killed state the log may end early instead, at the batch that was damaged.
import assert from 'node:assert/strict'
import { VarveError } from '../../src/errors.ts'
import type { Log } from '../../src/log/log.ts'
import type { Disk } from '../../src/storage/disk.ts'
import { parseSegmentFileName } from '../../src/storage/segment-names.ts'
import { openLog, type WriteOptions } from '../../src/store/open-log.ts'
import { eachStep, type FaultRow } from './row.ts'
import {
  appendTransaction,
  batchOf,
  diskOf,
  type FolderImage,
  freeDisk,
  newDisk,
  readImage,
} from './simulated-folder.ts'
import { readStoredLog, type StoredBatch, type StoredLog, storedBatches } from './stored-log.ts'
import { folder, settle, startMs } from './workload.ts'

const settings: WriteOptions = { internalSegmentBytes: 16 * 1024, indexIntervalBytes: 600 }

interface Written {
  readonly image: FolderImage
  readonly stored: StoredLog
}

async function write(backend: 'mapped' | 'pwrite', closed: boolean): Promise<Written> {
  const disk = newDisk()
  const log = await openLog(folder, { ...settings, backend, disk })
  let serial = 0
  const fill = (bytes: number): void => {
    const end = log.stats().sizeBytes + bytes
    while (log.stats().sizeBytes < end) {
      log.append(batchOf([`${serial}`.padEnd(80, 'a'), `${serial}`.padEnd(90, 'b')], startMs + serial * 7))
      serial++
    }
  }
  fill(3000)
  appendTransaction(log, 7n, 0, 'abort')
  log.append(batchOf(['epoch 3']).build({ baseOffset: log.logEndOffset, leaderEpoch: 3 }), 'replica')
  fill(12_500)
  log.roll()
  fill(2000)
  appendTransaction(log, 8n, 0, 'commit')
  appendTransaction(log, 7n, 1, 'abort')
  log.roll()
  log.append(batchOf(['epoch 5']).build({ baseOffset: log.logEndOffset, leaderEpoch: 5 }), 'replica')
  fill(2500)
  await log.flush()
  log.deleteBefore(2)
  await settle()
  fill(2500)
  const stored = readStoredLog(log)
  if (closed) await log.close()
  const image = readImage(disk, folder)
  if (!closed) await log.close()
  freeDisk(disk)
  return { image, stored }
}

interface Target {
  readonly file: string
  readonly byte: number
  readonly bit: number
}

/** The bit of a number: all bits of all files, in an order that is spread over them. */
function targetOf(image: FolderImage, step: number): Target {
  // Not the lock: what it says of its holder differs from run to run, and nobody reads it.
  const names = [...image.keys()].filter((name) => name !== '.lock').sort()
  const total = names.reduce((sum, name) => sum + image.get(name)!.length * 8, 0)
  // A prime that divides no total: each bit comes up once in `total` steps.
  let left = (step * 1_000_003) % total
  for (const file of names) {
    const bits = image.get(file)!.length * 8
    if (left < bits) return { file, byte: left >> 3, bit: left & 7 }
    left -= bits
  }
  throw new Error('out of bits')
}

function flip(image: FolderImage, { file, byte, bit }: Target): FolderImage {
  const bytes = Uint8Array.from(image.get(file)!)
  bytes[byte]! ^= 1 << bit
  return new Map([...image, [file, bytes]])
}

interface Damage {
  readonly from: number
  readonly to: number
}

/** Reads everything, going on behind damage as the error says. */
function readAround(log: Log): { batches: StoredBatch[]; damage: Damage[] } {
  const batches: StoredBatch[] = []
  const damage: Damage[] = []
  for (let offset = log.logStartOffset; offset < log.logEndOffset; ) {
    try {
      const run = log.read(offset)
      assert.ok(run.nextOffset > offset, `nothing can be read at ${offset}`)
      batches.push(...storedBatches(run.bytes))
      offset = run.nextOffset
    } catch (error) {
      if (!(error instanceof VarveError) || error.code !== 'VARVE_CORRUPT') throw error
      const { path, position, offset: at, nextGoodOffset } = error.details as Record<string, number>
      assert.ok(String(path).endsWith('.log') && position! >= 0 && at! <= offset, JSON.stringify(error.details))
      assert.ok(nextGoodOffset! > offset && nextGoodOffset! <= log.logEndOffset, JSON.stringify(error.details))
      damage.push({ from: offset, to: nextGoodOffset! })
      offset = nextGoodOffset!
    }
  }
  return { batches, damage }
}

/**
 * Not found yet: a leader epoch lies outside of the checksum, and the file of epochs, which could tell, has none itself.
 * A flipped bit in it gives records another epoch, and changes nothing else.
 */
const withoutEpoch = (batch: StoredBatch): object => ({ ...batch, leaderEpoch: undefined })

/** At most this many batches are lost by one bit: the damaged one, or the two whose order it breaks. */
const lostBatchesMax = 2

async function checkFlip(
  disk: Disk,
  written: Written,
  closed: boolean,
  target: Target,
  backend: 'mapped' | 'pwrite',
): Promise<void> {
  const isLog = target.file.endsWith('.log')
  let log: Log
  try {
    log = await openLog(folder, { ...settings, backend, disk })
  } catch (error) {
    // A file that names a format from the future is refused, and so is nothing else.
    assert.ok(error instanceof VarveError && error.code === 'VARVE_FORMAT_TOO_NEW', String(error))
    return
  }
  const { stored } = written
  const { batches, damage } = readAround(log)
  const end = log.logEndOffset
  if (closed || !isLog) assert.equal(end, stored.logEndOffset, 'the log ends elsewhere')
  assert.ok(log.logStartOffset <= stored.logStartOffset, 'the log starts later')
  const lost = (batch: StoredBatch): boolean =>
    batch.baseOffset >= end || damage.some(({ from, to }) => batch.nextOffset > from && batch.baseOffset < to)
  const expected = stored.batches.filter((batch) => !lost(batch))
  const found = batches.filter(({ nextOffset }) => nextOffset > stored.logStartOffset)
  const comparable = isLog ? withoutEpoch : (batch: StoredBatch) => batch
  assert.deepEqual(found.map(comparable), expected.map(comparable))
  if (!isLog) assert.deepEqual(damage, [])
  const damaged = stored.batches.filter((batch) => batch.baseOffset < end && lost(batch)).length
  assert.ok(damaged <= lostBatchesMax, `${damaged} batches are reported as damaged`)
  for (let timestamp = startMs; timestamp < startMs + 1600; timestamp += 157) {
    try {
      const answer = log.offsetForTimestamp(timestamp)
      const batch = expected.find(({ maxTimestamp, control }) => maxTimestamp >= timestamp && !control)
      if (damage.length === 0 && batch !== undefined && batch.baseOffset >= stored.logStartOffset) {
        assert.ok(answer !== null && answer.offset >= batch.baseOffset && answer.offset < batch.nextOffset)
      }
    } catch (error) {
      assert.ok(error instanceof VarveError && error.code === 'VARVE_CORRUPT' && isLog, String(error))
    }
  }
  // The log still works, and what is appended to it stays.
  const appended = log.append(batchOf(['after the flip']))
  assert.equal(appended.baseOffset, end)
  await log.close()
}

export const row: FaultRow = {
  id: 'F5',
  title: 'a flipped bit',
  unit: 'bits',
  gate: 5000,
  long: 900_000,
  variants: ['mapped', 'pwrite'],
  seenToFailOn: 'reads that take a jump in the offsets for a gap (log.ts: new SlabReader(list, false))',
  async run(options) {
    const backend = options.variant === 'pwrite' ? 'pwrite' : 'mapped'
    const states = [await write(backend, true), await write(backend, false)] as const
    await eachStep(options, async (step) => {
      const closed = step % 2 === 0
      const written = states[step % 2]!
      const target = targetOf(written.image, Math.floor(step / 2))
      const disk = diskOf(flip(written.image, target), folder)
      try {
        await checkFlip(disk, written, closed, target, backend)
      } catch (error) {
        const kind = parseSegmentFileName(target.file)?.kind ?? target.file
        throw new Error(
          `bit ${target.bit} of byte ${target.byte} of ${target.file} (${kind}), ${closed ? 'closed' : 'killed'}`,
          { cause: error },
        )
      }
      freeDisk(disk)
    })
  },
}
