// Two producers and three consumers of a group are killed at a random moment, again and again on one store. After each
// reopening everything that was acknowledged is there, where it was acknowledged to be; nothing of a partition was
// delivered out of order or passed over; what is committed has not gone back and is never more than was finished; and what
// is delivered once more lies behind what was committed.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { open, type Store } from '../../src/index.ts'
import { kill, killableSettings, untilReady } from './appending-process.ts'
import { type GroupTask, group, type JournalEntry, partitionCount, topic } from './group-process.ts'
import { waitMicroseconds } from './moments.ts'
import { Random } from './random.ts'
import { eachStep, type FaultRow, type RowOptions } from './row.ts'

/** Kills of one folder, one after the other. */
const killsPerFolder = 5

const program = fileURLToPath(new URL('./group-process.js', import.meta.url))

/** What is known of a folder from its earlier kills. */
interface Known {
  /** By partition and offset. */
  readonly acknowledged: Map<number, string>[]
  /** Exclusive ends, by partition. */
  readonly finished: number[]
  readonly committed: number[]
}

const nothingKnown = (): Known => ({
  acknowledged: Array.from({ length: partitionCount }, () => new Map()),
  finished: Array.from({ length: partitionCount }, () => 0),
  committed: Array.from({ length: partitionCount }, () => 0),
})

async function killOnce(step: number, folder: string, known: Known): Promise<void> {
  const { internalSegmentBytes, checkpointIntervalBytes } = killableSettings(new Random(step - (step % killsPerFolder)))
  const options = { internalSegmentBytes, checkpointIntervalBytes }
  const journal = join(folder, `journal-${step}`)
  const task: GroupTask = { folder: join(folder, 'data'), journal, seed: step, options }
  const child = spawn(process.execPath, [program, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'inherit'] })
  await untilReady(child)
  await waitMicroseconds(new Random(step).below(300_000))
  await kill(child)
  takeIn(existsSync(journal) ? readJournal(journal) : [], known)

  const startedAt = performance.now()
  const store = await open(task.folder, options)
  try {
    await checkRecords(store, known)
    await checkCommits(store, known)
  } finally {
    await store.close()
  }
  const elapsedMs = performance.now() - startedAt
  if (elapsedMs > 5000) throw new Error(`reading everything back took ${elapsedMs} ms`)
}

/** The last line may be cut. */
function readJournal(path: string): JournalEntry[] {
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as JournalEntry)
}

function takeIn(entries: readonly JournalEntry[], known: Known): void {
  for (const entry of entries) {
    const { partition } = entry
    if (entry.kind === 'acknowledged') {
      known.acknowledged[partition]!.set(entry.offset, entry.value)
    } else if (entry.kind === 'finished') {
      known.finished[partition] = Math.max(known.finished[partition]!, entry.to)
    } else {
      const { from } = entry
      // Also what was handed out and not finished comes again.
      if (from > known.finished[partition]!) {
        throw new Error(`partition ${partition}: ${from} was delivered, and only ${known.finished[partition]} finished`)
      }
      if (from < known.committed[partition]!) {
        throw new Error(
          `partition ${partition}: ${from} was delivered again, and ${known.committed[partition]} was committed`,
        )
      }
    }
  }
}

async function checkRecords(store: Store, known: Known): Promise<void> {
  if (store.listTopics().length === 0) return
  const left = known.acknowledged.map((records) => new Set(records.keys()))
  for await (const batch of store.reader({ topic, maxBytes: 1 << 20 })) {
    const records = known.acknowledged[batch.partition]!
    for (const { partition, offset, value } of batch) {
      const expected = records.get(offset)
      if (expected !== undefined && expected !== value?.toString()) throw new Error(`${partition}@${offset} changed`)
      left[partition]!.delete(offset)
    }
  }
  const [lost] = left.flatMap((offsets, partition) => [...offsets].map((offset) => `${partition}@${offset}`))
  if (lost !== undefined) throw new Error(`${lost} was acknowledged, and is gone`)
}

async function checkCommits(store: Store, known: Known): Promise<void> {
  if (!store.groups.list().some((info) => info.group === group)) return
  for (const { partition, committedOffset } of await store.groups.lag(group)) {
    const [before, finished] = [known.committed[partition]!, known.finished[partition]!]
    if (committedOffset < before)
      throw new Error(`partition ${partition}: committed ${before}, then ${committedOffset}`)
    if (committedOffset > finished)
      throw new Error(`partition ${partition}: ${committedOffset} committed, ${finished} done`)
    known.committed[partition] = committedOffset
  }
}

async function run(options: RowOptions): Promise<void> {
  const folder = join(options.folder, 'group')
  let next = -1
  let known = nothingKnown()
  await eachStep(options, async (step) => {
    const first = step - (step % killsPerFolder)
    if (step !== next || step === first) {
      // A step that is run again alone needs those of its folder that came before it.
      await rm(folder, { recursive: true, force: true })
      await mkdir(folder)
      next = first
      known = nothingKnown()
    }
    for (; next <= step; next++) await killOnce(next, folder, known)
  })
}

export const row: FaultRow = {
  id: 'F1-groups',
  title: 'kill -9 of producers and a group',
  unit: 'kills',
  gate: 100,
  long: 5000,
  variants: ['mapped', 'pwrite'],
  seenToFailOn: 'a batch that is finished as it is handed out; a member that begins where the partition ends',
  run,
}
