import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Actor } from '../actors/actor.ts'
import { randomFrom } from '../actors/contents.ts'
import { eachStep, type FaultRow, type RowOptions } from './row.ts'

const readerCount = 4
/** The row's rule: so long after the first append of the new writer every reader has its records. */
const followAgainMs = 1000

/**
 * Four reading processes follow one writer, which rolls and deletes as it goes and is killed at a random moment; a new
 * one goes on. Every reader compares every byte (`contents.ts`), and the tag in each value says which writer wrote it:
 * the second writer's records begin exactly where its recovery says that the log ended, so that nothing that was read
 * has been lost or written anew, and nothing is missing or doubled in between.
 */
export const row: FaultRow = {
  id: 'F16',
  title: 'kill -9 of the writer under four reading processes',
  unit: 'kills',
  gate: 200,
  long: 5000,
  seenToFailOn: 'a reader that keeps its list of files when epoch or generation change (LogReader.#readTail)',
  async run(options) {
    const readers = Array.from({ length: readerCount }, () => Actor.process())
    // Whoever survives a round is the first writer of the next; its second one is started while the first works.
    const writers = [Actor.process(), Actor.process()]
    try {
      await eachStep(options, async (step) => {
        await round(options, step, readers, writers)
        writers.shift()
        writers.push(Actor.process())
      })
    } finally {
      await Promise.all([...readers, ...writers].map((actor) => actor.kill()))
    }
  },
}

async function round(options: RowOptions, step: number, readers: readonly Actor[], writers: readonly Actor[]) {
  const [first, second] = writers as [Actor, Actor]
  const random = randomFrom(step)
  const folder = join(options.folder, String(step))
  mkdirSync(folder)
  const settings = {
    internalSegmentBytes: 4096 + random(60_000),
    durability: 'buffered',
    fileDeleteDelayMs: random(2) * 1000,
    checkpointIntervalBytes: random(2) === 0 ? 64 * 1024 : 1 << 20,
  } as const
  await first.call('open', folder, settings)
  await first.call('append', 1, 1, 1)
  for (const [index, reader] of readers.entries()) {
    await reader.call('attach', folder)
    await reader.call('follow', 'earliest', index % 2 === 1)
  }
  await first.call('appendForEver', 1 + random(40), 1, 500 + random(3000))
  await new Promise((resolve) => setTimeout(resolve, random(40)))
  await first.kill()

  const { logEndOffset: cutAt } = await second.call('open', folder, settings)
  assert.ok(cutAt >= first.acknowledged, `${first.acknowledged} records were acknowledged, ${cutAt} are left`)
  const startedAt = performance.now()
  const end = await second.call('append', 1 + random(500), 1 + random(20), 2)
  const all = await Promise.all(readers.map((reader) => reader.call('seenTo', end)))
  const elapsedMs = performance.now() - startedAt
  for (const seen of all) {
    assert.equal(seen.failure, '')
    assert.equal(seen.nextOffset, end)
    assert.ok(
      seen.jumps.every(({ offset, to }) => offset < to),
      `offsets were taken back: ${JSON.stringify(seen.jumps)}`,
    )
    assert.deepEqual(
      seen.tags.filter(({ tag }) => tag === 2),
      [{ tag: 2, offset: cutAt }],
    )
    assert.ok(seen.tags.length <= 2)
  }
  assert.ok(elapsedMs < followAgainMs, `they followed again after ${elapsedMs} ms`)
  for (const reader of readers) await reader.call('detach')
  await second.call('close')
  rmSync(folder, { recursive: true })
}
