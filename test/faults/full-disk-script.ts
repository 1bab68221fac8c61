import assert from 'node:assert/strict'
import { type Log, openLog, VarveError, type WriteOptions } from '../../src/doors/log.ts'
import { checkNumbered, numberedBatch } from './numbered-records.ts'
import { Random } from './random.ts'

/** Of the script; its disk is full while `fullSteps` of them run. */
export const scriptSteps = 200
const fullSteps = 30
/** What a log may take of its reserve meanwhile, for all that is no record: index pages, snapshots, checkpoints. */
const smallFilesBytes = 80 * 1024
const startMs = 1_700_000_000_000

/** A disk that a test fills up and empties again. */
export interface Fillable {
  readonly folder: string
  /** Takes all space but so many bytes. */
  fill(leaveBytes: number): void
  /** Gives back what `fill` took. */
  empty(): void
  freeBytes(): number
}

/** What is left while the disk is full, for each kind of fullness. */
export const leftBytes = [
  { title: 'the reserve and two pages', bytes: (reserve: number) => reserve + 8192 },
  { title: 'half of the reserve', bytes: (reserve: number) => reserve / 2 },
  { title: 'nothing', bytes: () => 0 },
] as const

/**
 * Drives a log over a disk that is full from one position of a script on, for a while.
 *
 * While it is full: an append is refused with VARVE_NO_SPACE and leaves nothing behind, or it succeeds; everything can
 * be read; nothing takes the log offline; records do not eat up the reserve. Once there is space again everything succeeds, with the same log.
 *
 * @param fullAt Step of the script at which the disk becomes full.
 * @param leaveBytes What stays free.
 * @returns what was refused, and where the log ends.
 */
export async function runFullDisk(
  disk: Fillable,
  settings: WriteOptions,
  fullAt: number,
  leaveBytes: number,
): Promise<{ refused: number; appended: number }> {
  const random = new Random(fullAt)
  const log = await openLog(disk.folder, settings)
  let refused = 0
  let appended = 0
  try {
    for (let step = 0; step < scriptSteps; step++) {
      if (step === fullAt) disk.fill(leaveBytes)
      if (step === fullAt + fullSteps) disk.empty()
      const full = step >= fullAt && step < fullAt + fullSteps
      const endBefore = log.logEndOffset
      try {
        await runStep(log, random)
        appended += log.logEndOffset - endBefore
      } catch (failure) {
        if (!(full && failure instanceof VarveError && failure.code === 'VARVE_NO_SPACE')) throw failure
        assert.equal(log.logEndOffset, endBefore, 'a refused append moved the log end')
        refused++
      }
      // Everything that runs behind: flushes, checkpoints.
      await new Promise((resolve) => setImmediate(resolve))
      if (!full) continue
      checkNumbered(log, Math.max(0, log.logEndOffset - 50))
      const keptBytes = Math.min(leaveBytes, log.settings.diskReserveBytes) - smallFilesBytes
      assert.ok(disk.freeBytes() >= keptBytes, `only ${disk.freeBytes()} bytes of the reserve are left`)
    }
    checkNumbered(log)
  } finally {
    disk.empty()
    await log.close()
  }
  const again = await openLog(disk.folder, settings)
  try {
    assert.equal(again.logEndOffset, appended)
    checkNumbered(again)
  } finally {
    await again.close()
  }
  return { refused, appended }
}

async function runStep(log: Log, random: Random): Promise<void> {
  const draw = random.below(20)
  if (draw === 0) log.roll()
  else if (draw === 1) await log.flush()
  else {
    const recordCount = random.oneIn(4) ? 60 : random.between(1, 4)
    const batch = numberedBatch(log.logEndOffset, recordCount, startMs)
    // A producer's appends make snapshots that hold something.
    if (random.oneIn(3)) batch.setProducer({ producerId: BigInt(log.logEndOffset), producerEpoch: 0, baseSequence: 0 })
    if (random.oneIn(5)) await log.appendDurable(batch, 'synced')
    else log.append(batch)
  }
}
