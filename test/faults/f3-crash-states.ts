// Crash states: whatever a power cut leaves of a log, opening it brings back a prefix with everything in it that was
// acknowledged as synced; and what was cut off stays away when the power fails again.
//
// One script of 60 steps of everything that an owner may do is recorded on a simulated disk, and replayed in
// `statesPerScript` states: every prefix of its operations with nothing, everything, and a sample of the unsynced
// operations kept (native/file/disk_state.h says which states are legal). Each state is opened, judged by the history of
// what had been promised by then, appended to with batches as large as those that were cut, crashed once more (also
// while it was being opened) and opened again.

import { BatchBuilder } from '../../src/doors/record.ts'
import type { Log } from '../../src/log/log.ts'
import { headerBytes } from '../../src/record/batch-header.ts'
import { Disk } from '../../src/storage/disk.ts'
import { addon } from '../../src/storage/native/loader.ts'
import { openLog } from '../../src/store/open-log.ts'
import { derivedDifference } from './derived-files.ts'
import { type Lineage, LogHistory } from './log-history.ts'
import { Random } from './random.ts'
import { eachStep, type FaultRow } from './row.ts'
import { StillClock } from './still-clock.ts'
import { readStoredLog, type StoredLog, storedBatches } from './stored-log.ts'
import { folder, settle, startMs, Workload } from './workload.ts'

const statesPerScript = 1200
const stepsPerScript = 30
/** Lost, kept, and two samples of each prefix. */
const statesPerPrefix = 4
const kept = 1
const sampled = 2

function check(fault: string | null, where: string): void {
  if (fault !== null) throw new Error(`${where}: ${fault}`)
}

class CrashedDisk {
  readonly kernel: number
  readonly disk: Disk

  constructor(kernel: number, at: number, mode: number, seed: number) {
    this.kernel = addon().kernelCrash(kernel, at, mode, seed)
    this.disk = new Disk(addon(), this.kernel)
  }

  get operations(): number {
    return addon().kernelOperations(this.kernel)
  }

  close(): void {
    addon().kernelClose(this.kernel)
  }
}

/** The sizes of what was there before, or would have come, from an offset on: what is appended there now looks alike. */
function appendAlike(log: Log, lineage: Lineage, random: Random): void {
  const { logEndOffset } = log
  const cut = lineage.batches.filter(({ baseOffset }) => baseOffset >= logEndOffset).slice(0, random.between(1, 4))
  const sizes = cut.length > 0 ? cut : [{ sizeBytes: 400, baseOffset: 0, nextOffset: 2 }]
  for (const { sizeBytes, baseOffset, nextOffset } of sizes) {
    log.append(batchOfSize(sizeBytes, nextOffset - baseOffset, startMs + random.below(3)))
  }
}

/** A batch of exactly so many bytes and records. */
function batchOfSize(sizeBytes: number, recordCount: number, timestamp: number): BatchBuilder {
  const builder = new BatchBuilder()
  let left = sizeBytes - headerBytes
  const add = (record: { key?: string; value: string; timestamp: number }): void => {
    left -= builder.sizeOf(record)
    builder.add(record)
  }
  for (let i = 1; i < recordCount; i++) add({ value: '', timestamp })
  // The last record takes what is left. Where the length of a length skips a size, a key makes up for it.
  for (const key of [undefined, 'k', 'kk']) {
    for (let length = Math.max(0, left - 16); length < left; length++) {
      const record = { ...(key === undefined ? {} : { key }), value: 'x'.repeat(length), timestamp }
      if (builder.sizeOf(record) !== left) continue
      add(record)
      return builder
    }
  }
  throw new Error(`no batch of ${recordCount} records has ${sizeBytes} bytes`)
}

/** Times are found where a walk over all batches finds them. */
function timestampFault(log: Log, { logStartOffset, batches }: StoredLog, random: Random): string | null {
  for (let i = 0; i < 4; i++) {
    const timestamp = startMs + random.below(2000) - 10
    const answer = log.offsetForTimestamp(timestamp)
    const batch = batches.find(({ maxTimestamp, control }) => maxTimestamp >= timestamp && !control)
    // Where the log starts within a batch its lower records do not count.
    if (batch !== undefined && batch.baseOffset < logStartOffset) continue
    const holds =
      batch === undefined
        ? answer === null
        : answer !== null && answer.offset >= batch.baseOffset && answer.offset < batch.nextOffset
    if (!holds) return `time ${timestamp} was found at ${answer?.offset}, and is in ${JSON.stringify(batch)}`
  }
  return null
}

async function runState(workload: Workload, state: number): Promise<void> {
  const random = new Random(state)
  const prefix = Math.floor((state % statesPerScript) / statesPerPrefix)
  const operations = workload.operations
  const at = prefix % (operations + 1)
  const mode = Math.min(state % statesPerPrefix, sampled)
  const options = { ...workload.settings, clock: new StillClock(startMs) }
  const where = workload.history.describe(at)

  const first = new CrashedDisk(workload.kernel, at, mode, state)
  const log = await openLog(folder, { ...options, disk: first.disk })
  const found = readStoredLog(log)
  check(workload.history.fault(found, at, mode === kept), where)
  check(timestampFault(log, found, random), where)
  const opened = first.operations

  // Everything that was found was flushed by the opening; what comes now is not.
  const lineage: Lineage = {
    baseOffset: found.batches[0]?.baseOffset ?? found.logEndOffset,
    batches: [...found.batches],
  }
  const point = {
    lineage,
    appended: found.batches.length,
    durable: found.batches.length,
    logStartOffset: found.logStartOffset,
  }
  const history = new LogHistory(point)
  history.add('open', opened, point)
  const { lineage: before } = workload.history.pointAt(at)
  appendAlike(log, before, random)
  for (let offset = found.logEndOffset; offset < log.logEndOffset; ) {
    const run = log.read(offset)
    lineage.batches.push(...storedBatches(run.bytes))
    offset = run.nextOffset
  }
  history.add('append', first.operations, { ...point, appended: lineage.batches.length })
  await settle()

  const secondAt = random.below(first.operations + 1)
  const secondMode = random.below(3)
  const second = new CrashedDisk(first.kernel, secondAt, secondMode, state)
  const again = await openLog(folder, { ...options, disk: second.disk })
  const foundAgain = readStoredLog(again)
  check(
    history.fault(foundAgain, secondAt, secondMode === kept),
    `${where}; second crash ${history.describe(secondAt)}`,
  )
  check(timestampFault(again, foundAgain, random), `${where}; second crash`)
  await again.close()
  const bases = found.logStartOffset === lineage.baseOffset && workload.history.isWhole(at)
  if (bases) {
    const difference = await derivedDifference(second.disk, folder, foundAgain.logEndOffset, options)
    check(difference, `${where}; second crash ${history.describe(secondAt)}`)
  }
  second.close()
  await log.close()
  first.close()
}

export const row: FaultRow = {
  id: 'F3',
  title: 'crash states',
  unit: 'crash states',
  gate: 20_000,
  long: 1_000_000,
  variants: ['mapped', 'pwrite'],
  seenToFailOn:
    'a recovery that leaves what it cut in the file (segment_recovery.cc: zero_from() does nothing); makeFolder() that does not flush the parent; a scan that starts at the offset behind the last but one index entry',
  async run(options) {
    const backend = options.variant === 'pwrite' ? 'pwrite' : 'mapped'
    let script = -1
    let workload: Workload | null = null
    await eachStep(options, async (state) => {
      const wanted = Math.floor(state / statesPerScript)
      if (workload === null || script !== wanted) {
        await workload?.end()
        workload = new Workload(wanted, backend)
        script = wanted
        await workload.run(stepsPerScript)
      }
      await runState(workload, state)
    })
    await (workload as Workload | null)?.end()
  },
}
