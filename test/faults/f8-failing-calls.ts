// Failing system calls: whatever call fails, and however, nothing that was acknowledged is lost, nothing that was refused
// is there, and nobody is told that a flush went well which did not.
//
// Step = (k, kind of fault, once or for good). A script of appends, flushes, a roll, a deletion, a truncation, a close
// and an opening runs on a simulated disk whose k-th call fails: with EIO, with ENOSPC, by moving half of the bytes, or
// by being interrupted. The disk does what Linux does after a failed flush: the pages count as clean, so that a flush
// which is tried again "succeeds" and saves nothing. After the script the power goes off. Short and interrupted calls
// must not be noticed at all.
import assert from 'node:assert/strict'
import { VarveError } from '../../src/errors.ts'
import type { Log } from '../../src/log/log.ts'
import { Disk } from '../../src/storage/disk.ts'
import { addon } from '../../src/storage/native/loader.ts'
import { openLog, type WriteOptions } from '../../src/store/open-log.ts'
import { LogHistory, type Point } from './log-history.ts'
import { eachStep, type FaultRow } from './row.ts'
import { batchOf } from './simulated-folder.ts'
import { StillClock } from './still-clock.ts'
import { readStoredLog, type StoredBatch, storedBatches } from './stored-log.ts'
import { folder, settle, startMs } from './workload.ts'

const kinds = ['EIO', 'ENOSPC', 'short', 'interrupt'] as const
const kindsAndTerms = kinds.length * 2

/** One run of the script on a disk of its own. */
class FaultyRun {
  readonly #memory = addon().kernelMemory()
  readonly #faulty = addon().kernelFaulty(this.#memory)
  readonly #settings: WriteOptions
  readonly #clock = new StillClock(startMs)
  readonly errors: string[] = []
  #log: Log | null = null
  /** What is certain of the log. */
  #certain: Point = { lineage: { baseOffset: 0, batches: [] }, appended: 0, durable: 0, logStartOffset: 0 }
  /** What it may be instead, after a call whose outcome is unknown. */
  #possible: Point | null = null
  /** The highest log start that was asked for; the lowest is that of `#certain`. */
  #highestStart = 0
  #serial = 0

  constructor(backend: 'mapped' | 'pwrite') {
    const disk = new Disk(addon(), this.#faulty)
    this.#settings = { disk, backend, clock: this.#clock, internalSegmentBytes: 2000, indexIntervalBytes: 100 }
  }

  get calls(): number {
    return addon().kernelCalls(this.#faulty)
  }

  async run(at: number, kind: string, forGood: boolean): Promise<void> {
    assert.equal(addon().kernelArm(this.#faulty, at, kind, '', forGood), 0)
    await this.#open()
    for (let i = 0; i < 4; i++) await this.#append(100)
    await this.#appendDurable(300)
    await this.#flush()
    for (let i = 0; i < 3; i++) await this.#append(500)
    await this.#appendDurable(20)
    await this.#append(40, 2)
    await this.#attempt('roll', (log) => log.roll())
    await this.#appendDurable(100)
    await this.#deleteBefore(3)
    await this.#append(200)
    await this.#truncate(9)
    await this.#append(200)
    await this.#appendDurable(60)
    await this.#close()
    await this.#open()
    await this.#append(80)
    await this.#appendDurable(700)
    await this.#append(80)
  }

  /** The power goes off; the disk is as good as new. */
  async check(): Promise<void> {
    for (const mode of [0, 1, 2]) {
      const kernel = addon().kernelCrash(this.#memory, addon().kernelOperations(this.#memory), mode, mode)
      const log = await openLog(folder, { ...this.#settings, disk: new Disk(addon(), kernel) })
      this.#judge(readStoredLog(log), mode === 1, ['after losing', 'with', 'after losing some of'][mode]!)
      await log.close()
      addon().kernelClose(kernel)
    }
    addon().kernelArm(this.#faulty, 0, '', '', false)
    await this.#log?.close().catch(() => {})
    addon().kernelClose(this.#faulty)
    addon().kernelClose(this.#memory)
  }

  #judge(found: ReturnType<typeof readStoredLog>, kept: boolean, how: string): void {
    const history = new LogHistory(this.#certain)
    const after = { ...(this.#possible ?? this.#certain), logStartOffset: this.#highestStart }
    history.add('an unknown outcome', Number.MAX_SAFE_INTEGER, after)
    const fault = history.fault(found, 0, kept)
    if (fault !== null)
      throw new Error(`${how} what was not flushed: ${fault}. Errors on the way: ${this.errors.join(' | ')}`)
  }

  /** Runs a call that may fail, but only in the ways that the contract knows. @returns its code if it did. */
  async #attempt(what: string, run: (log: Log) => unknown): Promise<string | null> {
    if (this.#log === null) return 'closed'
    try {
      await run(this.#log)
      await settle()
      return null
    } catch (error) {
      await settle()
      return this.#note(what, error)
    }
  }

  #note(what: string, error: unknown): string {
    if (!(error instanceof VarveError)) throw error
    this.errors.push(`${what}: ${error.code} (${error.message.slice(0, 160)})`)
    // What the arguments were is no fault of the disk's, and what is in the log was never damaged.
    assert.ok(
      !['VARVE_INVALID_ARGUMENT', 'VARVE_INVALID_RECORD', 'VARVE_CORRUPT'].includes(error.code),
      this.errors.join(' | '),
    )
    return error.code
  }

  async #open(): Promise<void> {
    for (let tries = 0; tries < 2 && this.#log === null; tries++) {
      try {
        this.#log = await openLog(folder, this.#settings)
      } catch (error) {
        this.#note('open', error)
      }
    }
    if (this.#log === null) return
    let found: ReturnType<typeof readStoredLog>
    try {
      found = readStoredLog(this.#log)
    } catch (error) {
      if (!(error instanceof VarveError) || error.code === 'VARVE_CORRUPT') throw error
      // Unreadable just now: what is in it is judged when it can be read.
      await this.#close()
      return
    }
    this.#judge(found, true, 'opened anew with')
    // What was found counts as flushed from here on; only a new log start may still be unknown to the disk.
    const { logStartOffset, lineage: before } = this.#certain
    const first = found.batches[0]?.baseOffset ?? found.logEndOffset
    const lower = before.batches.filter(({ nextOffset }) => nextOffset <= first)
    const lineage = { baseOffset: before.baseOffset, batches: [...lower, ...found.batches] }
    const appended = lineage.batches.length
    this.#certain = { lineage, appended, durable: appended, logStartOffset }
    this.#possible = null
    this.#highestStart = found.logStartOffset
  }

  async #close(): Promise<void> {
    const failed = await this.#attempt('close', (log) => log.close())
    if (failed === null) this.#certain = { ...this.#certain, durable: this.#certain.appended }
    this.#log = null
  }

  #batch(size: number, newEpochs = 0): { bytes: Buffer; stored: (baseOffset: number) => StoredBatch } {
    const leaderEpoch = (this.#log?.leaderEpoch ?? 0) + newEpochs
    const batch = batchOf([`${this.#serial++} `.padEnd(size, '-')], startMs + this.#serial)
    const bytes = batch.build({ baseOffset: this.#log?.logEndOffset ?? 0, leaderEpoch })
    return {
      bytes,
      stored: (baseOffset) => ({ ...storedBatches(bytes)[0]!, baseOffset, nextOffset: baseOffset + 1, leaderEpoch }),
    }
  }

  #taken(batch: StoredBatch, durable: boolean): void {
    assert.ok(this.#possible === null, `appended to a log that is offline. ${this.errors.join(' | ')}`)
    const { lineage, appended } = this.#certain
    lineage.batches.push(batch)
    this.#certain = {
      ...this.#certain,
      appended: appended + 1,
      durable: durable ? appended + 1 : this.#certain.durable,
    }
  }

  async #append(size: number, newEpochs = 0): Promise<void> {
    const { bytes, stored } = this.#batch(size, newEpochs)
    const end = this.#log?.logEndOffset ?? 0
    let baseOffset = 0
    const failed = await this.#attempt('append', (log) => {
      baseOffset = log.append(bytes, newEpochs > 0 ? 'replica' : 'client').baseOffset
    })
    if (failed === null) this.#taken(stored(baseOffset), false)
    else this.#maybeTaken(stored(end))
  }

  async #appendDurable(size: number): Promise<void> {
    const { bytes, stored } = this.#batch(size)
    let baseOffset = this.#log?.logEndOffset ?? 0
    const end = baseOffset
    const failed = await this.#attempt('appendDurable', async (log) => {
      baseOffset = (await log.appendDurable(bytes)).baseOffset
    })
    if (failed === null) this.#taken(stored(baseOffset), true)
    else this.#maybeTaken(stored(end))
  }

  /** After a failure that says that the outcome is unknown: the batch may be in the log. */
  #maybeTaken(batch: StoredBatch): void {
    if (this.#log === null || this.#log.logEndOffset <= batch.baseOffset) return
    const { lineage, appended } = this.#certain
    lineage.batches.splice(appended, Number.POSITIVE_INFINITY, batch)
    this.#possible = { ...this.#certain, appended: appended + 1 }
  }

  async #flush(): Promise<void> {
    const failed = await this.#attempt('flush', (log) => log.flush())
    if (failed === null) this.#certain = { ...this.#certain, durable: this.#certain.appended }
  }

  async #deleteBefore(offset: number): Promise<void> {
    if (this.#log === null || this.#log.logEndOffset < offset) return
    const failed = await this.#attempt('deleteBefore', (log) => log.deleteBefore(offset))
    // Without an error the new start is as durable as the next checkpoint, which may have failed in the background.
    this.#highestStart = Math.max(this.#highestStart, offset)
    if (failed === null && !this.#failedSince()) this.#certain = { ...this.#certain, logStartOffset: offset }
  }

  #failedSince(): boolean {
    try {
      this.#log?.applyRetention()
      return false
    } catch {
      return true
    }
  }

  async #truncate(offset: number): Promise<void> {
    if (this.#log === null || this.#log.logEndOffset < offset) return
    const failed = await this.#attempt('truncateTo', (log) => log.truncateTo(offset))
    if (this.#possible !== null) return
    const { lineage } = this.#certain
    const batches = lineage.batches.filter(({ nextOffset }) => nextOffset <= offset)
    const cut: Point = {
      lineage: { ...lineage, batches },
      appended: batches.length,
      durable: batches.length,
      logStartOffset: this.#certain.logStartOffset,
    }
    if (failed === null) this.#certain = cut
    else if (failed === 'VARVE_FAILED' || this.#failedSince()) this.#possible = cut
  }
}

export const row: FaultRow = {
  id: 'F8',
  title: 'failing calls',
  unit: 'failing calls',
  gate: 2000,
  long: 20_000,
  variants: ['mapped', 'pwrite'],
  seenToFailOn:
    'a recovery that flushes what it finds in the page cache without writing it again (segment_recovery.cc: no write_again()); an opening that does not flush the parent of a folder that it finds',
  async run(options) {
    const backend = options.variant === 'pwrite' ? 'pwrite' : 'mapped'
    const undisturbed = new FaultyRun(backend)
    await undisturbed.run(0, '', false)
    const { calls } = undisturbed
    assert.deepEqual(undisturbed.errors, [])
    await undisturbed.check()
    await eachStep(options, async (step) => {
      const kind = kinds[step % kinds.length]!
      const forGood = Math.floor(step / kinds.length) % 2 === 1
      // 7919 is prime: the gate's steps are spread over all calls, and the long lane meets every one.
      const at = 1 + ((Math.floor(step / kindsAndTerms) * 7919) % calls)
      const run = new FaultyRun(backend)
      try {
        await run.run(at, kind, forGood)
        if (kind === 'short' || kind === 'interrupt') assert.deepEqual(run.errors, [])
        await run.check()
      } catch (error) {
        throw new Error(`call ${at} of ${calls}, ${kind} ${forGood ? 'for good' : 'once'}`, { cause: error })
      }
    })
  },
}
