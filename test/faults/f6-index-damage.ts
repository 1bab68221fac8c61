// Damaged indexes: whatever stands in an index file, lookups by offset and by time find what a full scan finds.
//
// Step = (index file, kind of damage, where): the file is deleted, cut at a byte, has a bit flipped, points to
// neighbouring batches, is that of an earlier time, goes on behind the end of the log, has the zero tail of a preallocated file, or holds random bytes. The
// log is opened, as after a clean close and as after a crash by turns; `lookupsPerStep` offsets and times are looked up.
import assert from 'node:assert/strict'
import { openLog, type WriteOptions } from '../../src/store/open-log.ts'
import { Random } from './random.ts'
import { eachStep, type FaultRow } from './row.ts'
import { batchOf, diskOf, type FolderImage, freeDisk, newDisk, readImage } from './simulated-folder.ts'
import { readStoredLog, type StoredLog, storedBatches } from './stored-log.ts'
import { folder, startMs } from './workload.ts'

const lookupsPerStep = 20
const batchCount = 240
const settings: WriteOptions = { internalSegmentBytes: 16 * 1024, indexIntervalBytes: 300 }

interface Written {
  readonly closed: FolderImage
  readonly killed: FolderImage
  /** Indexes as they were when the log was half as long. */
  readonly stale: FolderImage
  readonly stored: StoredLog
}

async function write(backend: 'mapped' | 'pwrite'): Promise<Written> {
  const disk = newDisk()
  const random = new Random(1)
  let log = await openLog(folder, { ...settings, backend, disk })
  const append = (from: number, to: number): void => {
    for (let i = from; i < to; i++) {
      // Times rise on the whole, and now and then go back.
      log.append(batchOf([`${i}`.padEnd(random.between(1, 200)), 'second'], startMs + i * 10 - random.below(40)))
    }
  }
  append(0, batchCount / 2)
  await log.close()
  const stale = readImage(disk, folder)
  log = await openLog(folder, { ...settings, backend, disk })
  append(batchCount / 2, batchCount)
  await log.flush()
  const stored = readStoredLog(log)
  const killed = readImage(disk, folder)
  await log.close()
  const closed = readImage(disk, folder)
  freeDisk(disk)
  return { closed, killed, stale, stored }
}

const kinds = ['deleted', 'cut', 'flipped', 'shifted', 'stale', 'longer', 'zero tail', 'random'] as const

function damage(
  kind: (typeof kinds)[number],
  name: string,
  bytes: Uint8Array,
  stale: FolderImage,
  random: Random,
): Uint8Array | null {
  switch (kind) {
    case 'deleted':
      return null
    case 'cut':
      return bytes.subarray(0, random.below(bytes.length + 1))
    case 'flipped': {
      const flipped = Uint8Array.from(bytes)
      if (flipped.length > 0) flipped[random.below(flipped.length)]! ^= 1 << random.below(8)
      return flipped
    }
    case 'shifted': {
      // Every entry is one that an index may hold, but points to the batch of its neighbour.
      const [entry, key] = name.endsWith('.index') ? [8, 4] : [12, 8]
      const shifted = Uint8Array.from(bytes)
      for (let at = entry; at < bytes.length; at += entry) shifted.set(bytes.subarray(at - entry, at - entry + key), at)
      // Entries that do not rise would not be taken for entries.
      if (shifted.length > 0) shifted[key - 1]! -= 1
      return shifted
    }
    case 'stale':
      return stale.get(name) ?? new Uint8Array(0)
    case 'longer': {
      // Entries that rise as they should, for batches that are not there.
      const more = Buffer.alloc(24 * 5)
      for (let i = 0; i < 5; i++) {
        if (name.endsWith('.index')) {
          more.writeInt32BE(100_000 + i, i * 8)
          more.writeInt32BE(1_000_000 + i * 100, i * 8 + 4)
        } else {
          more.writeBigInt64BE(BigInt(startMs + 100_000 + i), i * 12)
          more.writeInt32BE(100_000 + i, i * 12 + 8)
        }
      }
      return Buffer.concat([bytes, more.subarray(0, name.endsWith('.index') ? 40 : 60)])
    }
    case 'zero tail':
      return Buffer.concat([bytes, Buffer.alloc(random.between(1, 5000))])
    case 'random':
      return Uint8Array.from({ length: Math.max(24, bytes.length) }, () => random.below(256))
  }
}

export const row: FaultRow = {
  id: 'F6',
  title: 'index damage',
  unit: 'damaged indexes',
  gate: 4000,
  long: 40_000,
  variants: ['mapped', 'pwrite'],
  seenToFailOn:
    'an index entry that is believed without a look at its batch (segment_read.cc: start_below() that does not compare the last offset)',
  async run(options) {
    const backend = options.variant === 'pwrite' ? 'pwrite' : 'mapped'
    const written = await write(backend)
    const { stored } = written
    await eachStep(options, async (step) => {
      const random = new Random(step)
      const image = step % 2 === 0 ? written.closed : written.killed
      const names = [...image.keys()].filter((name) => /index$/.test(name))
      const name = random.pick(names)
      const kind = kinds[Math.floor(step / 2) % kinds.length]!
      const damaged = damage(kind, name, image.get(name)!, written.stale, random)
      const files = new Map(image)
      if (damaged === null) files.delete(name)
      else files.set(name, damaged)
      const disk = diskOf(files, folder)
      const where = `${kind} ${name} of a log that was ${step % 2 === 0 ? 'closed' : 'killed'}`
      const log = await openLog(folder, { ...settings, backend, disk })
      assert.equal(log.logEndOffset, stored.logEndOffset, where)
      for (let i = 0; i < lookupsPerStep; i++) {
        const offset = random.below(stored.logEndOffset)
        const [batch] = storedBatches(log.read(offset, { maxBytes: 1 }).bytes)
        assert.deepEqual(
          batch,
          stored.batches.find(({ nextOffset }) => nextOffset > offset),
          `${where}: offset ${offset}`,
        )
        const timestamp = startMs + random.below(batchCount * 10 + 100) - 50
        const reaching = stored.batches.find(({ maxTimestamp }) => maxTimestamp >= timestamp)
        assert.equal(log.offsetForTimestamp(timestamp)?.offset, reaching?.baseOffset, `${where}: time ${timestamp}`)
      }
      assert.deepEqual(readStoredLog(log), stored, where)
      await log.close()
      freeDisk(disk)
    })
  },
}
