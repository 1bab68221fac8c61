import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TailCell } from '../../../../src/storage/native/addon.ts'
import { fails, nameOf, native, ok, system, temporaryFolder, ticketed } from './native-under-test.ts'

const values = {
  generation: 7,
  segmentBaseOffset: 2 ** 40,
  endPosition: 12345,
  logStartOffset: 10,
  logEndOffset: 2 ** 53 - 1,
  highWatermark: 20,
  lastStableOffset: 19,
  flushedOffset: 18,
  leaderEpoch: 3,
}

function publish(tails: number, slot: number, changed: Partial<typeof values> = {}): number {
  for (const [name, value] of Object.entries({ ...values, ...changed })) {
    native.cells[TailCell[name as keyof typeof values]] = value
  }
  return native.tailPublish(tails, slot)
}

function read(tails: number, slot: number) {
  ok(native.tailRead(tails, slot))
  return Object.fromEntries(Object.entries(TailCell).map(([name, cell]) => [name, native.cells[cell]])) as Record<
    keyof typeof TailCell,
    number
  >
}

describe('the addon: the table of tails', () => {
  const folder = temporaryFolder()
  const at = (name: string) => join(folder.path, name)

  function open(path: string, write: boolean): number {
    const tails = native.tailsOpen(system, path, write)
    assert.ok(tails > 0, native.lastError().message)
    return tails
  }

  it('shows a reader what the writer published, field by field', () => {
    const writer = open(at('fields'), true)
    const slot = native.tailsSlot(writer, 'orders-0')
    ok(publish(writer, slot))
    const reader = open(at('fields'), false)
    const found = native.tailsSlot(reader, 'orders-0')
    const { version, epoch, ...fields } = read(reader, found)
    assert.deepEqual(fields, values)
    assert.equal(epoch, 1)
    ok(publish(writer, slot, { endPosition: 1 }))
    const after = read(reader, found)
    assert.ok(after.version > version)
    assert.equal(after.endPosition, 1)
    ok(native.tailsClose(reader))
    ok(native.tailsClose(writer))
    fails(native.tailRead(reader, found), 'VARVE_CLOSED')
  })

  it('gives each log a slot of its own, for ever, and none to a reader that asks too early', () => {
    const writer = open(at('slots'), true)
    const reader = open(at('slots'), false)
    const long = 'a'.repeat(249)
    const names = ['', 'a', 'a'.repeat(31), 'a'.repeat(32), `${long}-0`, `${long}-1`]
    assert.equal(native.tailsSlot(reader, 'a'), -1)
    assert.equal(native.lastError().code, 'VARVE_NOT_FOUND')
    const slots = names.map((name) => native.tailsSlot(writer, name))
    assert.deepEqual(slots, [0, 1, 2, 3, 4, 5])
    assert.deepEqual(
      names.map((name) => native.tailsSlot(reader, name)),
      slots,
    )
    ok(native.tailsClose(writer))
    const next = open(at('slots'), true)
    assert.deepEqual(
      names.map((name) => native.tailsSlot(next, name)),
      slots,
    )
    ok(native.tailsClose(next))
    ok(native.tailsClose(reader))
  })

  it('grows past its first page, under readers that have it open', () => {
    const writer = open(at('growing'), true)
    const reader = open(at('growing'), false)
    const { ino, size } = statSync(at('growing'))
    assert.equal(size, 4096)
    for (let log = 0; log < 1000; log++) {
      const slot = native.tailsSlot(writer, `log-${log}`)
      assert.equal(slot, log)
      ok(publish(writer, slot, { endPosition: log }))
    }
    for (let log = 0; log < 1000; log++) {
      assert.equal(read(reader, native.tailsSlot(reader, `log-${log}`)).endPosition, log)
    }
    assert.equal(statSync(at('growing')).ino, ino)
    ok(native.tailsClose(writer))
    ok(native.tailsClose(reader))
  })

  it('a new writer raises the epoch, resets in place and keeps the inode', () => {
    const first = open(at('epochs'), true)
    const slot = native.tailsSlot(first, 'log')
    ok(publish(first, slot))
    const reader = open(at('epochs'), false)
    assert.equal(native.tailsSlot(reader, 'log'), slot)
    const before = read(reader, slot)
    const { ino } = statSync(at('epochs'))
    ok(native.tailsClose(first))
    const second = open(at('epochs'), true)
    const after = read(reader, slot)
    assert.equal(after.epoch, before.epoch + 1)
    assert.equal(after.generation, before.generation + 1)
    assert.equal(after.endPosition, -1)
    assert.ok(after.version > before.version)
    assert.equal(statSync(at('epochs')).ino, ino)
    ok(native.tailsClose(second))
    ok(native.tailsClose(reader))
  })

  it('has one writer, whose life readers can ask for', () => {
    const first = open(at('one-writer'), true)
    const reader = open(at('one-writer'), false)
    assert.equal(native.tailsOpen(system, at('one-writer'), true), 0)
    assert.equal(native.lastError().code, 'VARVE_LOCKED')
    assert.equal(native.tailWriterAlive(reader), true)
    ok(native.tailsClose(first))
    assert.equal(native.tailWriterAlive(reader), false)
    const slot = 0
    native.tailsSlot(reader, 'x')
    fails(publish(reader, slot), 'VARVE_NOT_FOUND')
    ok(native.tailsClose(reader))
  })

  it('a reader cannot publish or wake', () => {
    const writer = open(at('read-only'), true)
    const slot = native.tailsSlot(writer, 'log')
    const reader = open(at('read-only'), false)
    assert.equal(native.tailsSlot(reader, 'log'), slot)
    fails(publish(reader, slot), 'VARVE_READ_ONLY')
    fails(native.tailWake(reader, slot), 'VARVE_READ_ONLY')
    ok(native.tailsClose(reader))
    ok(native.tailsClose(writer))
  })

  it('refuses a newer format, makes a damaged table anew, and finds none where none was made', () => {
    assert.equal(native.tailsOpen(system, at('nowhere'), false), 0)
    assert.equal(native.lastError().code, 'VARVE_NOT_FOUND')
    writeFileSync(at('empty'), '')
    assert.equal(native.tailsOpen(system, at('empty'), false), 0)
    assert.equal(native.lastError().code, 'VARVE_NOT_FOUND')

    const writer = open(at('newer'), true)
    ok(native.tailsClose(writer))
    ok(native.writeFileAt(system, at('newer'), 8, new Uint8Array([2, 0, 0, 0]), false))
    for (const write of [false, true]) {
      assert.equal(native.tailsOpen(system, at('newer'), write), 0)
      assert.equal(native.lastError().code, 'VARVE_FORMAT_TOO_NEW')
    }

    writeFileSync(at('damaged'), Buffer.alloc(5000, 0xa5))
    assert.equal(native.tailsOpen(system, at('damaged'), false), 0)
    assert.equal(native.lastError().code, 'VARVE_CORRUPT')
    const anew = open(at('damaged'), true)
    for (let log = 0; log < 100; log++) assert.equal(native.tailsSlot(anew, `log-${log}`), log)
    ok(publish(anew, 99))
    assert.equal(read(anew, 99).endPosition, values.endPosition)
    ok(native.tailsClose(anew))
  })

  it('outlives somebody who cuts the file under it', () => {
    const writer = open(at('cut'), true)
    const slot = native.tailsSlot(writer, 'log')
    const reader = open(at('cut'), false)
    assert.equal(native.tailsSlot(reader, 'log'), slot)
    truncateSync(at('cut'), 0)
    fails(native.tailRead(reader, slot), 'VARVE_IO')
    fails(publish(writer, slot), 'VARVE_IO')
    ok(native.tailsClose(reader))
    ok(native.tailsClose(writer))
  })

  for (const [what, wrong] of Object.entries({
    NaN: Number.NaN,
    infinity: Number.POSITIVE_INFINITY,
    'a fraction': 0.5,
    'a number past 2^53': 2 ** 53,
    'a number below -1': -2,
  })) {
    it(`refuses to publish ${what}`, () => {
      const writer = open(at('wrong-fields'), true)
      const slot = native.tailsSlot(writer, 'log')
      for (const name of Object.keys(values)) {
        fails(publish(writer, slot, { [name]: wrong }), 'VARVE_INVALID_ARGUMENT')
      }
      ok(native.tailsClose(writer))
    })
  }

  it('refuses slots that do not exist', () => {
    const writer = open(at('no-slots'), true)
    fails(native.tailRead(writer, 0), 'VARVE_NOT_FOUND')
    for (const slot of [-1, 0.5, Number.NaN, 2 ** 32, Number.POSITIVE_INFINITY]) {
      fails(native.tailRead(writer, slot), 'VARVE_INVALID_ARGUMENT')
    }
    ok(native.tailsClose(writer))
  })
})

describe('the addon: watching a tail', () => {
  const folder = temporaryFolder()
  let writer = 0
  let reader = 0
  let slot = 0

  beforeEach(() => {
    const path = join(folder.path, 'watched')
    writer = native.tailsOpen(system, path, true)
    slot = native.tailsSlot(writer, 'log')
    reader = native.tailsOpen(system, path, false)
    assert.equal(native.tailsSlot(reader, 'log'), slot)
  })
  afterEach(() => {
    native.tailsClose(reader)
    native.tailsClose(writer)
  })
  const watch = (version: number, timeoutMs: number) =>
    ticketed((ticket) => native.tailWatch(reader, slot, version, timeoutMs, ticket))

  it('completes at once when the version is another one already', async () => {
    const { version } = read(reader, slot)
    const { answer, done } = watch(version + 2, 10_000)
    ok(answer)
    assert.equal(await done, '')
  })

  it('completes when the writer publishes and wakes, a hundred times over', async () => {
    for (let turn = 0; turn < 100; turn++) {
      const { version } = read(reader, slot)
      const { done } = watch(version, 10_000)
      setImmediate(() => {
        ok(publish(writer, slot, { endPosition: turn }))
        ok(native.tailWake(writer, slot))
      })
      assert.equal(await done, '')
      assert.equal(read(reader, slot).endPosition, turn)
    }
  })

  it('completes with a time-out, and with VARVE_CLOSED when it is taken back or the table closes', async () => {
    const { version } = read(reader, slot)
    assert.equal(await watch(version, 20).done, 'VARVE_TIMED_OUT')
    const taken = watch(version, 10_000)
    ok(native.tailUnwatch(taken.ticket))
    assert.equal(await taken.done, 'VARVE_CLOSED')
    fails(native.tailUnwatch(taken.ticket), 'VARVE_NOT_FOUND')
    const closed = watch(version, 10_000)
    ok(native.tailsClose(reader))
    assert.equal(await closed.done, 'VARVE_CLOSED')
  })

  it('serves more watchers than one wait of the kernel takes words', async () => {
    const { version } = read(reader, slot)
    const watches = Array.from({ length: 300 }, () => watch(version, 10_000))
    ok(publish(writer, slot))
    ok(native.tailWake(writer, slot))
    assert.deepEqual(new Set(await Promise.all(watches.map((one) => one.done))), new Set(['']))
  })

  it('a new writer wakes who waited for the old one', async () => {
    const { version } = read(reader, slot)
    const { done } = watch(version, 10_000)
    ok(native.tailsClose(writer))
    writer = native.tailsOpen(system, join(folder.path, 'watched'), true)
    assert.equal(await done, '')
  })

  it('refuses wrong versions, times and tickets', () => {
    for (const wrong of [-1, Number.NaN, 0.5, Number.POSITIVE_INFINITY]) {
      fails(native.tailWatch(reader, slot, wrong, 10, 1), 'VARVE_INVALID_ARGUMENT')
      fails(native.tailWatch(reader, slot, 0, wrong, 1), 'VARVE_INVALID_ARGUMENT')
      fails(native.tailWatch(reader, slot, 0, 10, wrong), 'VARVE_INVALID_ARGUMENT')
    }
    fails(native.tailWatch(reader, slot, 0, 10, 0), 'VARVE_INVALID_ARGUMENT')
    assert.throws(() => native.tailWatch(reader, slot, 0, 10, 'x' as never), TypeError)
  })

  it('follows a writer in another process through its death and its successor', async () => {
    const path = join(folder.path, 'across')
    const start = () => fork(fileURLToPath(new URL('./tail-writer.js', import.meta.url)), [path])
    let child = start()
    await once(child, 'message')
    const following = native.tailsOpen(system, path, false)
    const shared = native.tailsSlot(following, 'log')
    const changed = async (): Promise<string> => {
      const { version } = read(following, shared)
      return ticketed((ticket) => native.tailWatch(following, shared, version, 10_000, ticket)).done
    }
    for (let turn = 1; turn <= 20; turn++) {
      const change = changed()
      child.send(turn)
      assert.equal(await change, '')
      assert.equal(read(following, shared).endPosition, turn)
    }
    assert.equal(native.tailWriterAlive(following), true)
    const { epoch, version } = read(following, shared)
    child.kill('SIGKILL')
    await once(child, 'exit')
    assert.equal(native.tailWriterAlive(following), false)

    const restarted = ticketed((ticket) => native.tailWatch(following, shared, version, 10_000, ticket))
    child = start()
    await once(child, 'message')
    assert.equal(await restarted.done, '')
    assert.equal(read(following, shared).epoch, epoch + 1)
    child.send(0)
    await once(child, 'exit')
    assert.equal(nameOf(native.tailsClose(following)), '')
  })
})
