import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type LogReader, openLog } from '../../src/doors/log.ts'
import { Actor } from '../actors/actor.ts'
import { checkedTag } from '../actors/contents.ts'
import { temporaryFolder } from './temporary-folder.ts'

const small = { internalSegmentBytes: 16 * 1024, durability: 'buffered' } as const

/** Offset of the first record that was read, and of the one after the last, with every byte compared. */
function readAll(reader: LogReader, from = reader.logStartOffset): { from: number; to: number } {
  let offset = from
  for (;;) {
    const run = reader.read(offset)
    if (run.batchCount === 0) return { from, to: offset }
    for (const batch of run)
      for (const record of batch) {
        if (record.offset < offset) continue
        assert.equal(record.offset, offset++)
        checkedTag(record.offset, record.value)
      }
  }
}

describe('live readers', function () {
  this.timeout(60_000)
  const actors: Actor[] = []
  const readers: LogReader[] = []
  afterEach(async () => {
    for (const reader of readers.splice(0)) reader.close()
    await Promise.all(actors.splice(0).map((actor) => actor.kill()))
  })
  const folder = temporaryFolder()
  const start = (kind: 'process' | 'thread'): Actor => {
    const actor = kind === 'process' ? Actor.process() : Actor.thread()
    actors.push(actor)
    return actor
  }
  const attach = async (): Promise<LogReader> => {
    const reader = await openLog(folder(), { mode: 'read' })
    readers.push(reader)
    return reader
  }
  /** Every follower has seen all below `offset`, and nothing was missing, doubled or changed. */
  const allSee = async (followers: readonly Actor[], offset: number): Promise<void> => {
    for (const seen of await Promise.all(followers.map((follower) => follower.call('seenTo', offset)))) {
      assert.equal(seen.failure, '')
      assert.equal(seen.nextOffset, offset)
    }
  }

  for (const kind of ['process', 'thread'] as const) {
    describe(`in another ${kind}`, () => {
      it('follow over a hundred rolls, retention and the writer’s restarts, clean and killed', async () => {
        let writer = start('process')
        await writer.call('open', folder(), small)
        await writer.call('append', 10, 10, 0)
        const followers = [start(kind), start(kind)]
        for (const [index, follower] of followers.entries()) {
          await follower.call('attach', folder())
          await follower.call('follow', 'earliest', index === 1)
        }
        let end = 10
        for (let round = 1; round <= 4; round++) {
          end = await writer.call('append', 4500, 9, round)
          await allSee(followers, end)
          const { segmentCount } = await writer.call('stats')
          assert.ok(segmentCount > 25, `only ${segmentCount} segments`)
          await writer.call('deleteBefore', end - 100)
          if (round % 2 === 1) await writer.kill()
          else await writer.call('close')
          writer = start('process')
          assert.equal((await writer.call('open', folder(), small)).logEndOffset, end)
          end = await writer.call('append', 3, 3, round)
          await allSee(followers, end)
        }
        for (const follower of followers) {
          const seen = await follower.call('seen')
          assert.deepEqual(seen.jumps, [])
          assert.deepEqual(
            seen.tags.map(({ tag }) => tag),
            [0, 1, 2, 3, 4],
          )
          assert.equal(seen.records, end)
        }
      })

      it('find the new end after a truncation, and then the new records', async () => {
        const writer = start('process')
        await writer.call('open', folder(), small)
        await writer.call('append', 2000, 10, 1)
        const followers = [start(kind), start(kind)]
        for (const [index, follower] of followers.entries()) {
          await follower.call('attach', folder())
          await follower.call('follow', 'earliest', index === 1)
        }
        await allSee(followers, 2000)
        assert.equal(await writer.call('truncateTo', 705), 700)
        const end = await writer.call('append', 900, 10, 2)
        await allSee(followers, end)
        for (const follower of followers) {
          const { jumps, tags } = await follower.call('seen')
          assert.deepEqual(
            tags.map(({ tag }) => tag),
            [1, 2],
          )
          assert.equal(jumps[0]?.offset, 2000)
          assert.ok(jumps.every(({ to }) => to >= 700 && to <= 1600))
        }
        await writer.call('truncateFully', 5000)
        await allSee(followers, await writer.call('append', 10, 10, 3))
      })
    })
  }

  it('learn from what the writer deletes under their feet where the log stands', async () => {
    const writer = start('process')
    await writer.call('open', folder(), { ...small, fileDeleteDelayMs: 0 })
    await writer.call('append', 2000, 10, 0)
    const reader = await attach()
    assert.ok(reader.read(0).batchCount > 0)
    await writer.call('deleteBefore', 1500)
    const details = { offset: 20, logStartOffset: 1500, logEndOffset: 2000 }
    assert.throws(() => reader.read(20), { code: 'VARVE_OFFSET_OUT_OF_RANGE', details })
    assert.deepEqual(readAll(reader, 1500), { from: 1500, to: 2000 })
    await assert.rejects(reader.follow({ from: 20 }).next(), { code: 'VARVE_OFFSET_OUT_OF_RANGE' })
    const first = await reader.follow().next()
    assert.ok(first.value!.nextOffset > 1500)
    await writer.call('truncateTo', 1600)
    assert.throws(() => reader.read(1900), { code: 'VARVE_OFFSET_OUT_OF_RANGE' })
    assert.equal(reader.logEndOffset, 1600)
  })

  it('attach while no writer lives, and follow the next one', async () => {
    const first = start('process')
    await first.call('open', folder(), small)
    await first.call('append', 300, 10, 0)
    await first.call('close')
    // As a log that was never written by us: no table of tails yet.
    rmSync(join(folder(), 'varve-tails'))
    const reader = await attach()
    assert.deepEqual(readAll(reader), { from: 0, to: 300 })
    const waiting = reader.waitFor(300)
    await first.call('open', folder(), small)
    await first.call('append', 10, 10, 1)
    assert.equal(await waiting, true)
    assert.deepEqual(readAll(reader), { from: 0, to: 310 })
  })

  it('of an ownerless log see all that is whole and nothing behind it, whatever the table says', async () => {
    const writer = start('process')
    await writer.call('open', folder(), small)
    await writer.call('append', 1000, 10, 0)
    const follower = await attach()
    assert.equal(readAll(follower).to, 1000)
    await writer.kill()
    const active = join(
      folder(),
      readdirSync(folder())
        .filter((name) => name.endsWith('.log'))
        .sort()
        .at(-1)!,
    )
    const bytes = readFileSync(active)
    // As a power cut might leave it: the last batch is torn, and the table still names the end behind it.
    let [position, last] = [0, 0]
    while (position + 12 < bytes.length && bytes.readInt32BE(position + 8) > 0) {
      last = position
      position += bytes.readInt32BE(position + 8) + 12
    }
    bytes.fill(0, position - 20, position)
    writeFileSync(active, bytes)
    assert.ok(last > 0)
    const reader = await attach()
    assert.deepEqual(readAll(reader), { from: 0, to: 990 })
    assert.throws(() => reader.read(1000), { code: 'VARVE_OFFSET_OUT_OF_RANGE' })
  })

  it('of an ownerless log stop where an older segment is torn, as recovery will', async () => {
    const writer = start('process')
    await writer.call('open', folder(), { ...small, checkpointIntervalBytes: 2 ** 30 })
    await writer.call('append', 10, 10, 0)
    await writer.kill()
    rmSync(join(folder(), 'varve-checkpoint'), { force: true })
    const again = start('process')
    await again.call('open', folder(), small)
    await again.call('append', 1000, 10, 0)
    await again.kill()
    // No checkpoint: nothing is known to have been flushed.
    rmSync(join(folder(), 'varve-checkpoint'), { force: true })
    const second = join(
      folder(),
      readdirSync(folder())
        .filter((name) => name.endsWith('.log'))
        .sort()[1]!,
    )
    const bytes = readFileSync(second)
    bytes.fill(0, bytes.length - 20)
    writeFileSync(second, bytes)
    const reader = await attach()
    const { to } = readAll(reader)
    reader.close()
    const next = start('process')
    assert.equal((await next.call('open', folder(), small)).logEndOffset, to)
    assert.ok(to > 10 && to < 1000)
  })

  it('see nothing change while a writer was killed in the middle of telling', async () => {
    const writer = start('process')
    await writer.call('open', folder(), small)
    await writer.call('append', 100, 10, 0)
    const reader = await attach()
    assert.equal(reader.logEndOffset, 100)
    await writer.kill()
    // An odd version is what a write under way leaves (native/tail/tail_slot.h).
    const table = readFileSync(join(folder(), 'varve-tails'))
    table.writeBigUInt64LE(table.readBigUInt64LE(128) | 1n, 128)
    writeFileSync(join(folder(), 'varve-tails'), table, { flag: 'r+' })
    assert.deepEqual(readAll(reader), { from: 0, to: 100 })
    assert.equal(await reader.waitFor(100, { timeoutMs: 10 }), false)
    const next = start('process')
    const waiting = reader.waitFor(100)
    await next.call('open', folder(), small)
    await next.call('append', 1, 1, 1)
    assert.equal(await waiting, true)
    assert.equal(readAll(reader).to, 101)
  })

  it('name offsets that are missing, and do not wait for them', async () => {
    const writer = start('process')
    await writer.call('open', folder(), small)
    await writer.call('append', 1000, 10, 0)
    const [first, second, ...rest] = readdirSync(folder())
      .filter((name) => name.endsWith('.log'))
      .sort()
    for (const name of rest) rmSync(join(folder(), name))
    const reader = await attach()
    assert.throws(() => readAll(reader), { code: 'VARVE_CORRUPT' })
    assert.ok(first !== undefined && second !== undefined)
  })

  it('need no permission to write', async function () {
    if (process.getuid?.() !== 0) this.skip() // needs root: another user
    const inner = join(folder(), 'log')
    mkdirSync(inner)
    const writer = start('process')
    await writer.call('open', inner, small)
    await writer.call('append', 100, 10, 0)
    for (const name of readdirSync(inner)) chmodSync(join(inner, name), 0o644)
    chmodSync(folder(), 0o755)
    const reader = Actor.process({ user: 65534 })
    actors.push(reader)
    await reader.call('attach', inner)
    await reader.call('follow', 'earliest', false)
    await allSee([reader], 100)
    await allSee([reader], await writer.call('append', 5, 5, 0))
    await assert.rejects(reader.call('open', inner), { code: 'VARVE_PERMISSION' })
  })

  it('leave the log to one writer: every other is refused at once, and told who holds it', async () => {
    const writer = start('process')
    await writer.call('open', folder(), small)
    const holder = new RegExp(`process ${writer.pid}\\b`)
    const refused = (error: { code?: string; message: string }): boolean =>
      error.code === 'VARVE_LOCKED' && holder.test(error.message)
    await assert.rejects(writer.call('open', folder()), refused)
    await assert.rejects(start('thread').call('open', folder()), refused)
    await assert.rejects(start('process').call('open', folder()), refused)
    await assert.rejects(openLog(folder()), refused)
    await writer.kill()
    await (await openLog(folder())).close()
  })
})
