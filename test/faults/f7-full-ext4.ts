import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { WriteOptions } from '../../src/doors/log.ts'
import { ImageDisk, requireRootAnd } from './block-devices.ts'
import { leftBytes, runFullDisk, scriptSteps } from './full-disk-script.ts'
import { eachStep, type FaultRow, type RowOptions } from './row.ts'

const reserveBytes = 512 * 1024
const diskBytes = 24 * 1024 * 1024
/** The script's positions in an order in which the first few are spread over all of it. */
const stride = 67

async function fillOnce(step: number, mounted: string): Promise<void> {
  const settings: WriteOptions = {
    backend: (process.env.VARVE_BACKEND as WriteOptions['backend']) ?? 'mapped',
    internalSegmentBytes: 300_000,
    indexIntervalBytes: 500,
    checkpointIntervalBytes: 64 * 1024,
    diskReserveBytes: reserveBytes,
  }
  const filler = join(mounted, 'filler')
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(mounted)
    return bavail * bsize
  }
  const disk = {
    folder: join(mounted, 'log'),
    fill(leaveBytes: number) {
      const file = openSync(filler, 'a')
      for (const block of [Buffer.alloc(64 * 1024), Buffer.alloc(4096)]) {
        try {
          while (freeBytes() > leaveBytes + block.byteLength || leaveBytes === 0) writeSync(file, block)
        } catch (failure) {
          if ((failure as NodeJS.ErrnoException).code !== 'ENOSPC') throw failure
        }
      }
      closeSync(file)
    },
    empty: () => rmSync(filler, { force: true }),
    freeBytes,
  }
  const kind = leftBytes[step % leftBytes.length]!
  await runFullDisk(disk, settings, (step * stride) % scriptSteps, kind.bytes(reserveBytes))
  rmSync(disk.folder, { recursive: true })
}

async function run(options: RowOptions): Promise<void> {
  requireRootAnd({ 'mkfs.ext4': 'e2fsprogs', losetup: 'mount' })
  const place = join(options.folder, 'disk')
  mkdirSync(place)
  const image = new ImageDisk(place, diskBytes)
  image.mount()
  try {
    await eachStep(options, (step) => fillOnce(step, image.folder))
  } finally {
    image.unmount()
  }
}

export const row: FaultRow = {
  id: 'F7-ext4',
  title: 'full ext4',
  unit: 'positions',
  gate: 12,
  long: scriptSteps * leftBytes.length * 2,
  variants: ['mapped', 'pwrite'],
  seenToFailOn: 'the reserve left out of the allocation; a full disk at a checkpoint that takes the log offline',
  run,
}
