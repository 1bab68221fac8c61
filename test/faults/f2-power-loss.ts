import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { openLog } from '../../src/doors/log.ts'
import { type AppendingTask, kill, killableSettings, startAppending, untilReady } from './appending-process.ts'
import { requireRootAnd, VolatileDisk } from './block-devices.ts'
import { waitMicroseconds } from './moments.ts'
import { checkNumbered } from './numbered-records.ts'
import { readProgress } from './progress-file.ts'
import { Random } from './random.ts'
import { eachStep, type FaultRow, type RowOptions } from './row.ts'

/** Power cuts of one disk, one after the other. */
const cutsPerDisk = 4
const diskBytes = 192 * 1024 * 1024

/** One power cut, and the disk's content after it. Steps of one group use the disk of the one before. */
async function cutOnce(step: number, disk: VolatileDisk, progressFile: string): Promise<void> {
  const random = new Random(step)
  const settings = killableSettings(new Random(step - (step % cutsPerDisk)))
  const task: AppendingTask = {
    folder: join(disk.folder, 'log'),
    progressFile,
    seed: step,
    durability: random.pick(['buffered', 'interval', 'synced', 'mixed']),
    settings,
    diskMayFail: true,
  }
  try {
    await disk.powerOn()
    const child = startAppending(task)
    try {
      await untilReady(child)
      await waitMicroseconds(random.below(150_000))
      if (child.exitCode !== null || child.signalCode !== null) throw new Error('the appending process died by itself')
    } finally {
      disk.cutPower()
      await kill(child)
    }
  } finally {
    await disk.remove()
  }
  const progress = readProgress(progressFile)!
  disk.image.mount()
  try {
    const log = await openLog(task.folder, settings)
    try {
      const { logEndOffset } = log
      if (logEndOffset < progress.syncedEnd) {
        throw new Error(`synced to ${progress.syncedEnd}, back to ${logEndOffset}`)
      }
      if (logEndOffset > progress.attemptedEnd) {
        throw new Error(`attempted to ${progress.attemptedEnd}, and there is ${logEndOffset}`)
      }
      checkNumbered(log)
    } finally {
      await log.close()
    }
  } finally {
    disk.image.unmount()
  }
}

async function run(options: RowOptions): Promise<void> {
  requireRootAnd({
    nbdkit: 'nbdkit',
    nbdfuse: 'libnbd-bin',
    fusermount3: 'fuse3',
    'mkfs.ext4': 'e2fsprogs',
    losetup: 'mount',
  })
  const place = join(options.folder, 'disk')
  let disk: VolatileDisk | null = null
  let next = -1
  await eachStep(options, async (step) => {
    const group = step - (step % cutsPerDisk)
    if (disk === null || step === group) {
      // A step that is run again alone needs those of its group that came before it.
      rmSync(place, { recursive: true, force: true })
      mkdirSync(place)
      disk = new VolatileDisk(place, diskBytes)
      next = group
    }
    for (; next <= step; next++) await cutOnce(next, disk, join(options.folder, 'progress'))
  })
}

export const row: FaultRow = {
  id: 'F2',
  title: 'power loss',
  unit: 'power cuts',
  gate: 20,
  long: 3000,
  variants: ['mapped', 'pwrite'],
  seenToFailOn: 'a group commit that acknowledges without the flush',
  run,
}
