import assert from 'node:assert/strict'
import type { WriteOptions } from '../../src/doors/log.ts'
import { Disk } from '../../src/storage/disk.ts'
import { addon } from '../../src/storage/native/loader.ts'
import { leftBytes, runFullDisk, scriptSteps } from './full-disk-script.ts'
import { eachStep, type FaultRow, type RowOptions } from './row.ts'

const reserveBytes = 256 * 1024
const diskBytes = 2 ** 30

async function fillOnce(step: number): Promise<number> {
  const kernel = addon().kernelMemory()
  const disk = new Disk(addon(), kernel)
  addon().kernelCapacity(kernel, diskBytes)
  const settings: WriteOptions = {
    disk,
    backend: (process.env.VARVE_BACKEND as WriteOptions['backend']) ?? 'mapped',
    internalSegmentBytes: 100_000,
    indexIntervalBytes: 500,
    checkpointIntervalBytes: 64 * 1024,
    diskReserveBytes: reserveBytes,
  }
  const fillable = {
    folder: '/log',
    fill(leaveBytes: number) {
      const used = diskBytes - disk.freeBytes('/')
      addon().kernelCapacity(kernel, used + leaveBytes)
    },
    freeBytes: () => disk.freeBytes('/'),
    empty: () => void addon().kernelCapacity(kernel, diskBytes),
  }
  const kind = leftBytes[Math.floor(step / scriptSteps) % leftBytes.length]!
  try {
    const { refused } = await runFullDisk(fillable, settings, step % scriptSteps, kind.bytes(reserveBytes))
    return refused
  } finally {
    addon().kernelClose(kernel)
  }
}

async function run(options: RowOptions): Promise<void> {
  let refused = 0
  await eachStep(options, async (step) => {
    refused += await fillOnce(step)
  })
  if (options.count >= scriptSteps) assert.ok(refused > 0, 'the disk was never full')
}

export const row: FaultRow = {
  id: 'F7',
  title: 'full disk',
  unit: 'positions',
  gate: 240,
  long: scriptSteps * leftBytes.length * 2,
  variants: ['mapped', 'pwrite'],
  seenToFailOn: 'the reserve left out of the allocation; a full disk at a checkpoint that takes the log offline',
  run,
}
