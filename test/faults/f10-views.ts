import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type LogReader, openLog } from '../../src/doors/log.ts'
import { Actor } from '../actors/actor.ts'
import { batchAt, checkedTag, randomFrom } from '../actors/contents.ts'
import { heldPaths, mapsLeft } from '../actors/garbage.ts'
import { eachStep, type FaultRow, type RowOptions } from './row.ts'

/** Views held at a time: by this process, a worker thread and another process together. */
const viewsHeld = 1000
/** Everybody holds another part of the log. */
const share = Math.ceil(viewsHeld / 3)
const operationsPerRound = 20
/** Shares of what came later that this process holds beside the first one; the oldest is let go of for a new one. */
const laterShares = 4
/** Records that come after each operation. */
const grownRecords = 60

/**
 * A log is cut, loses its oldest segments and is emptied, again and again and in an order that the step decides, and
 * then closed, while a thousand views of its first segments are held by this process, a worker thread and another
 * process. After each operation the log grows, this process takes views of what is new, and every byte of every view is
 * compared; once the views are let go of, no map and no file of the log is left.
 *
 * Compaction joins the operations when there is one.
 */
export const row: FaultRow = {
  id: 'F10',
  title: 'truncation, retention and close under live views',
  unit: `rounds of ${operationsPerRound} operations`,
  gate: 50,
  long: 25_000,
  variants: ['mapped', 'copied'],
  seenToFailOn: 'a truncation that writes the shorter file over the old one, in place',
  async run(options) {
    const others = [Actor.thread(), Actor.process()]
    try {
      await eachStep(options, (step) => round(options, step, others))
    } finally {
      await Promise.all(others.map((actor) => actor.kill()))
    }
  },
}

async function round(options: RowOptions, step: number, others: readonly Actor[]): Promise<void> {
  const random = randomFrom(step)
  const folder = join(options.folder, String(step))
  mkdirSync(folder)
  const log = await openLog(folder, {
    internalSegmentBytes: 8192 + random(16_384),
    durability: 'buffered',
    fileDeleteDelayMs: 0,
  })
  while (log.logEndOffset < 3 * share) log.append(batchAt(log.logEndOffset, 10, 1))
  log.roll()
  // Sealed and trimmed: only such segments are ever mapped for a reader.
  await log.flush()
  const reader = await openLog(folder, { mode: 'read' })
  let first = hold(reader, 0, share)
  let later: View[][] = []
  for (const [index, other] of others.entries()) {
    await other.call('attach', folder)
    await other.call('hold', (index + 1) * share, share)
  }
  if (options.variant === 'mapped') assert.ok(heldPaths(folder).maps > 0, 'nothing is mapped: this shows nothing')

  const check = async (after: string): Promise<void> => {
    try {
      for (const views of [first, ...later]) for (const { offset, value } of views) checkedTag(offset, value)
      for (const other of others) await other.call('checkHeld')
    } catch (cause) {
      throw new Error(`after ${after}: ${String(cause)}`, { cause })
    }
  }
  const operations: Record<string, () => unknown> = {
    'a truncation': () => log.truncateTo(log.logStartOffset + random(log.logEndOffset - log.logStartOffset)),
    retention: () => log.deleteBefore(log.logStartOffset + random(log.logEndOffset - log.logStartOffset)),
    'a new start': () => log.truncateFully(random(5000)),
  }
  const names = Object.keys(operations)
  for (let count = 1; count < operationsPerRound; count++) {
    const name = names[random(names.length)]!
    await operations[name]!()
    const grownFrom = log.logEndOffset
    while (log.logEndOffset < grownFrom + grownRecords) log.append(batchAt(log.logEndOffset, 10, 1 + count))
    log.roll()
    await log.flush()
    later = [...later, hold(reader, grownFrom, grownRecords)].slice(-laterShares)
    await check(`${name}, operation ${count}`)
  }
  await log.close()
  reader.close()
  for (const other of others) await other.call('detach')
  await check('close')

  first = []
  later = []
  // The worker thread's maps are this process's: they are counted when both have let go.
  await mapsLeft(folder, 3)
  for (const other of others) await other.call('release', folder)
  assert.equal(await mapsLeft(folder), 0, 'maps are left')
  for (const other of others) assert.deepEqual(await other.call('release', folder), { maps: 0, files: 0 })
  assert.deepEqual(heldPaths(folder), { maps: 0, files: 0 })
  rmSync(folder, { recursive: true })
}

interface View {
  readonly offset: number
  readonly value: Uint8Array
}

/** In a function of its own, so that nothing but the answer holds on to the views. */
function hold(reader: LogReader, from: number, count: number): View[] {
  const held: View[] = []
  for (let offset = from; held.length < count; ) {
    const run = reader.read(offset, { views: true })
    for (const batch of run) for (const { offset: at, value } of batch) held.push({ offset: at, value: value! })
    offset = run.nextOffset
  }
  return held
}
