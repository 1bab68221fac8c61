// A crash within recovery, a roll, a truncation, a deletion: doing it again gives the same log.
//
// Step = (script, prefix of its operations). The disk is crashed there, and opening it is recorded. Then that opening is
// crashed before each of its own operations, in three ways, and each time the next opening ends with the same log as
// the one that was not disturbed. Rolls, truncations and deletions are steps of the scripts, so the prefixes fall inside
// of them too; where a truncation was under way it is done once more, and must succeed.
import assert from 'node:assert/strict'
import { Disk } from '../../src/storage/disk.ts'
import { addon } from '../../src/storage/native/loader.ts'
import { openLog } from '../../src/store/open-log.ts'
import { derivedFilesOf } from './derived-files.ts'
import { eachStep, type FaultRow } from './row.ts'
import { freeDisk } from './simulated-folder.ts'
import { StillClock } from './still-clock.ts'
import { readStoredLog, type StoredLog } from './stored-log.ts'
import { folder, startMs, Workload } from './workload.ts'

const prefixesPerScript = 300
const stepsPerScript = 30
const sampled = 2
const modes = [0, 1, sampled] as const

function crash(kernel: number, at: number, mode: number, seed: number): Disk {
  return new Disk(addon(), addon().kernelCrash(kernel, at, mode, seed))
}

interface Opened {
  readonly stored: StoredLog
  readonly derived: unknown
  /** Operations of the disk that opening took. */
  readonly operations: number
}

async function open(disk: Disk, workload: Workload): Promise<Opened> {
  const log = await openLog(folder, { ...workload.settings, clock: new StillClock(startMs), disk })
  const operations = addon().kernelOperations(disk.kernel)
  const stored = readStoredLog(log)
  await log.close()
  return { stored, operations, derived: derivedFilesOf(disk, folder, stored.logEndOffset) }
}

export const row: FaultRow = {
  id: 'F11',
  title: 'crash while opening',
  unit: 'interrupted openings',
  gate: 1200,
  long: 60_000,
  variants: ['mapped', 'pwrite'],
  seenToFailOn:
    'a recovery that does not ask whether the next segment begins where this one ends (recovery.ts: follows = true)',
  async run(options) {
    const backend = options.variant === 'pwrite' ? 'pwrite' : 'mapped'
    let script = -1
    let workload: Workload | null = null
    await eachStep(options, async (step) => {
      const wanted = Math.floor(step / prefixesPerScript)
      if (workload === null || script !== wanted) {
        await workload?.end()
        workload = new Workload(wanted + 5000, backend)
        script = wanted
        await workload.run(stepsPerScript)
      }
      const prefix = (step % prefixesPerScript) % (workload.operations + 1)
      const mode = step % 2 === 0 ? 1 : sampled
      const where = workload.history.describe(prefix)
      const undisturbed = crash(workload.kernel, prefix, mode, step)
      const first = await open(undisturbed, workload)
      for (let at = 0; at <= first.operations; at++) {
        const interrupted = crash(undisturbed.kernel, at, modes[at % modes.length]!, step)
        const again = await open(interrupted, workload)
        const message = `${where}; opening interrupted at operation ${at} of ${first.operations}`
        assert.deepEqual(again.stored, first.stored, message)
        assert.deepEqual(again.derived, first.derived, message)
        freeDisk(interrupted)
      }
      freeDisk(undisturbed)
    })
    await (workload as Workload | null)?.end()
  },
}
