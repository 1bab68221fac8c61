import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openLog } from '../../src/doors/log.ts'
import { Disk } from '../../src/storage/disk.ts'
import { Actor } from '../actors/actor.ts'
import { eachStep, type FaultRow } from './row.ts'

/** The row's rule: nobody who is refused waits longer. */
const refusedWithinMs = 1000
/** A user who owns nothing. */
const nobody = 65534

/**
 * Threads and processes race for the lock of one folder: exactly one gets it, the others are refused at once with a
 * coded error that names the winner. The winner then closes, or is killed. After each race one of the places that
 * cannot be opened is tried.
 */
export const row: FaultRow = {
  id: 'F15',
  title: 'a second opener, and places that cannot be opened',
  unit: 'races',
  gate: 1000,
  long: 1000,
  seenToFailOn: 'a lock and a table of tails elsewhere, one for each opener (paths in LogRoot)',
  async run(options) {
    const contenders = [Actor.process(), Actor.process(), Actor.thread()]
    const other = process.getuid?.() === 0 ? Actor.process({ user: nobody }) : null
    const folder = join(options.folder, 'log')
    const refusals = placesThatCannotBeOpened(options.folder, other)
    if (other === null) options.log('not root: the places of another user are left out')
    try {
      await eachStep(options, async (step) => {
        const winner = await race(contenders, folder, step)
        if (step % 40 === 7 && contenders[winner]!.pid !== process.pid) {
          await contenders[winner]!.kill()
          contenders[winner] = Actor.process()
        } else {
          await contenders[winner]!.call('append', 1, 1, 0)
          await contenders[winner]!.call('close')
        }
        const place = refusals[step % refusals.length]!
        await refused(place.open(), place.code, place.name)
      })
    } finally {
      await Promise.all([...contenders, other].map((actor) => actor?.kill()))
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

/** @returns index of who got it. */
async function race(contenders: readonly Actor[], folder: string, step: number): Promise<number> {
  // Who is asked first has the best chance: everybody in turn.
  const order = contenders.map((_, index) => (index + step) % contenders.length)
  const startedAt = performance.now()
  const outcomes = await Promise.all(
    order.map((index) =>
      contenders[index]!.call('open', folder, { durability: 'buffered' }).then(
        () => ({ index, error: null }),
        (error: { code?: string; message: string }) => ({ index, error }),
      ),
    ),
  )
  const elapsedMs = performance.now() - startedAt
  const winners = outcomes.filter(({ error }) => error === null).map(({ index }) => index)
  assert.equal(winners.length, 1, `${winners.length} of ${contenders.length} have the log open for writing`)
  const pid = contenders[winners[0]!]!.pid
  for (const { error } of outcomes) {
    if (error === null) continue
    assert.equal(error.code, 'VARVE_LOCKED', error.message)
    // Between taking the lock and writing its name the winner is nobody yet, or still the one before.
    assert.match(error.message, /process (\d+ |that does not tell)/)
  }
  const late = contenders.findIndex((_, index) => index !== winners[0])
  await assert.rejects(contenders[late]!.call('open', folder), (error: Error) =>
    error.message.includes(`process ${pid} `),
  )
  assert.ok(elapsedMs < refusedWithinMs, `the race took ${elapsedMs} ms`)
  return winners[0]!
}

async function refused(opening: Promise<unknown>, code: string, place: string): Promise<void> {
  const startedAt = performance.now()
  await assert.rejects(opening, (error: { code?: string; message: string }) => {
    assert.equal(error.code, code, `${place}: ${error.message}`)
    return true
  })
  const elapsedMs = performance.now() - startedAt
  assert.ok(elapsedMs < refusedWithinMs, `${place}: refused after ${elapsedMs} ms`)
}

interface Place {
  readonly name: string
  readonly code: string
  open(): Promise<unknown>
}

function placesThatCannotBeOpened(root: string, other: Actor | null): Place[] {
  const file = join(root, 'file')
  writeFileSync(file, 'not a folder')
  const empty = join(root, 'empty')
  mkdirSync(empty)
  const foreign = join(root, 'foreign')
  mkdirSync(foreign)
  writeFileSync(join(foreign, 'letter.txt'), 'somebody’s')
  const readOnly = Disk.real()
  const kernel = readOnly.addon.kernelFaulty(0)
  readOnly.addon.kernelArm(kernel, 1, 'EROFS', 'open', true)
  const places: Place[] = [
    {
      name: 'a missing folder, to read',
      code: 'VARVE_NOT_FOUND',
      open: () => openLog(join(root, 'missing'), { mode: 'read' }),
    },
    { name: 'an empty folder, to read', code: 'VARVE_NOT_FOUND', open: () => openLog(empty, { mode: 'read' }) },
    { name: 'a file, to write', code: 'VARVE_NOT_A_FOLDER', open: () => openLog(file) },
    { name: 'a file, to read', code: 'VARVE_NOT_A_FOLDER', open: () => openLog(file, { mode: 'read' }) },
    { name: 'a path below a file', code: 'VARVE_NOT_A_FOLDER', open: () => openLog(join(file, 'log')) },
    { name: 'somebody’s folder', code: 'VARVE_FOREIGN_FOLDER', open: () => openLog(foreign) },
    {
      name: 'a read-only file system',
      code: 'VARVE_READ_ONLY',
      open: () => openLog(empty, { disk: new Disk(readOnly.addon, kernel) }),
    },
  ]
  if (other === null) return places
  chmodSync(root, 0o755)
  const secret = join(root, 'secret')
  mkdirSync(secret, { mode: 0o700 })
  return [
    ...places,
    { name: 'another’s folder, to write', code: 'VARVE_PERMISSION', open: () => other.call('open', empty) },
    {
      name: 'another’s secret, to read',
      code: 'VARVE_PERMISSION',
      open: () => other.call('attach', join(secret, 'log')),
    },
    {
      name: 'a new folder in another’s',
      code: 'VARVE_PERMISSION',
      open: () => other.call('open', join(root, 'new', 'log')),
    },
  ]
}
