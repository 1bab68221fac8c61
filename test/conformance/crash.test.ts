import assert from 'node:assert/strict'
import { BatchBuilder, type Log, openLog, type WriteOptions } from '../../src/doors/log.ts'
import { Disk } from '../../src/storage/disk.ts'
import { addon as loadAddon } from '../../src/storage/native/loader.ts'

const addon = loadAddon()
const folder = '/data/log'

/** What a power cut leaves: nothing that was not flushed. */
const lost = 0

function batchOf(...values: string[]): BatchBuilder {
  const builder = new BatchBuilder()
  for (const value of values) builder.add({ value, timestamp: 1_700_000_000_000 })
  return builder
}

function texts(log: Log): string[] {
  const found: string[] = []
  for (let offset = log.logStartOffset; offset < log.logEndOffset; ) {
    const run = log.read(offset)
    for (const batch of run) for (const record of batch) found.push(record.text() ?? '')
    if (run.nextOffset === offset) break
    offset = run.nextOffset
  }
  return found
}

function numbers(from: number, end: number): string[] {
  return Array.from({ length: end - from }, (_, i) => String(from + i).padStart(400, '.'))
}

describe('a log on a simulated disk', () => {
  const kernels: number[] = []
  const logs: Log[] = []
  const memory = (): number => {
    const kernel = addon.kernelMemory()
    kernels.push(kernel)
    return kernel
  }
  const crashed = (kernel: number, mode: number): number => {
    const after = addon.kernelCrash(kernel, addon.kernelOperations(kernel), mode, 1)
    kernels.push(after)
    return after
  }
  const open = async (kernel: number, options: WriteOptions = {}): Promise<Log> => {
    const log = await openLog(folder, { disk: new Disk(addon, kernel), ...options })
    logs.push(log)
    return log
  }
  afterEach(async () => {
    for (const log of logs.splice(0)) await log.close().catch(() => {})
    for (const kernel of kernels.splice(0).reverse()) addon.kernelClose(kernel)
  })

  it('goes on from a recovery point in the middle of a segment', async () => {
    const disk = memory()
    const log = await open(disk, { checkpointIntervalBytes: 1 << 20 } as WriteOptions)
    const values = numbers(0, 4000)
    for (const value of values) log.append(batchOf(value))
    await log.flush()
    const again = await open(crashed(disk, lost))
    assert.equal(again.logEndOffset, 4000)
    assert.deepEqual(texts(again), values)
  })

  it('keeps a synced record when the folder was made just before', async () => {
    const disk = memory()
    const log = await open(disk)
    await log.appendDurable(batchOf('a'))
    assert.deepEqual(texts(await open(crashed(disk, lost))), ['a'])
  })

  it('answers those who wait for a flush when it is closed meanwhile', async () => {
    const log = await open(memory())
    const waiting = log.appendDurable(batchOf('a'))
    await log.close()
    assert.equal((await waiting).durability, 'synced')
  })

  for (const backend of ['mapped', 'pwrite'] as const) {
    it(`enters no recovery point after a flush that failed: ${backend}`, async () => {
      const disk = memory()
      const faulty = addon.kernelFaulty(disk)
      kernels.push(faulty)
      const log = await open(faulty, { backend })
      await log.appendDurable(batchOf('a'))
      log.append(batchOf('b'))
      // The next flush fails, and all later ones succeed, as after a write error that the system has told once.
      addon.kernelArm(faulty, 1, 'EIO', 'fdatasync', false)
      const flush = log.flush()
      const close = log.close()
      await assert.rejects(flush, { code: 'VARVE_FAILED' })
      await assert.rejects(close, { code: 'VARVE_FAILED' })
      const again = await open(crashed(disk, lost), { backend })
      assert.deepEqual(texts(again), ['a'])
      await again.appendDurable(batchOf('c'))
    })

    it(`does not close cleanly while the flush of a checkpoint fails: ${backend}`, async () => {
      const disk = memory()
      const faulty = addon.kernelFaulty(disk)
      kernels.push(faulty)
      const log = await open(faulty, { backend })
      await log.appendDurable(batchOf('a', 'b'))
      log.append(batchOf('c'))
      addon.kernelArm(faulty, 1, 'EIO', 'fdatasync', false)
      log.deleteBefore(1)
      await assert.rejects(log.close(), { code: 'VARVE_FAILED' })
      const again = await open(crashed(disk, lost), { backend })
      assert.equal(again.logEndOffset, 2)
    })

    it(`does not close cleanly after a background flush that failed: ${backend}`, async () => {
      const disk = memory()
      const faulty = addon.kernelFaulty(disk)
      kernels.push(faulty)
      const log = await open(faulty, { backend })
      await log.appendDurable(batchOf('a'))
      log.append(batchOf('b'))
      addon.kernelArm(faulty, 1, 'EIO', 'fdatasync', false)
      log.roll()
      await assert.rejects(log.close(), { code: 'VARVE_FAILED' })
      assert.deepEqual(texts(await open(crashed(disk, lost), { backend })), ['a'])
    })
  }
})
