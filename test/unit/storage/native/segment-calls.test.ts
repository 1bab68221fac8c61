import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { HeaderField } from '../../../../src/record/batch-header.ts'
import { AppendFlag, FlushFlag, ScanFlag, ScanStop, TailCell } from '../../../../src/storage/native/addon.ts'
import { fails, native, ok, system, temporaryFolder, ticketed } from './native-under-test.ts'
import {
  append,
  appended,
  batch,
  gotten,
  opened,
  openSegment,
  read,
  scanned,
  scanRow,
  setAppend,
  setRead,
  setScan,
  stated,
} from './segment-under-test.ts'

/** Takes a buffer's memory away, as a transfer to another thread does. */
const detach = (bytes: Uint8Array) => structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] })

const logName = '00000000000000000000.log'

for (const backend of ['mapped', 'pwrite'] as const) {
  describe(`the addon: segments, ${backend}`, () => {
    const folder = temporaryFolder()
    let here = ''
    let segment = 0
    let folders = 0

    beforeEach(() => {
      here = join(folder.path, `log-${++folders}`)
      mkdirSync(here)
      segment = opened(system, here, { backend })
    })
    afterEach(() => {
      native.segmentClose(segment)
    })

    it('appends a batch, stamps it and says where it is', () => {
      const bytes = batch(3)
      ok(append(segment, 7, bytes))
      assert.deepEqual(appended(), {
        lastOffset: 9,
        batches: 1,
        endPosition: bytes.length,
        maxTimestamp: 1002,
        maxTimestampOffset: 9,
        watchers: 0,
        bytes: bytes.length,
        position: 0,
        faultAt: appended().faultAt,
      })
      assert.equal(new DataView(bytes.buffer).getInt32(4), 0, "the caller's bytes are only read")
      const into = new Uint8Array(4096)
      ok(read(segment, 0, into))
      const { bytes: length, batches, baseOffset, nextOffset } = gotten()
      assert.deepEqual(
        { length, batches, baseOffset, nextOffset },
        { length: bytes.length, batches: 1, baseOffset: 7, nextOffset: 10 },
      )
      const view = new DataView(into.buffer)
      assert.equal(view.getBigInt64(HeaderField.baseOffset), 7n)
      assert.equal(view.getInt32(HeaderField.leaderEpoch), 5)
    })

    it('appends from scratch memory, from shared scratch memory and from fragments', () => {
      const bytes = batch(2)
      const scratch = new Uint8Array(10_000)
      scratch.set(bytes, 100)
      ok(native.setScratch(scratch))
      setAppend(segment, 0, { scratchOffset: 100, scratchLength: bytes.length })
      ok(native.segmentAppendScratch())

      const shared = new Uint8Array(new SharedArrayBuffer(1000))
      shared.set(bytes)
      ok(native.setScratch(shared))
      setAppend(segment, 2, { scratchOffset: 0, scratchLength: bytes.length })
      ok(native.segmentAppendScratch())

      setAppend(segment, 4)
      ok(
        native.segmentAppendFragments([
          bytes.subarray(0, 1),
          bytes.subarray(1, 40),
          new Uint8Array(0),
          bytes.subarray(40),
        ]),
      )
      assert.equal(appended().lastOffset, 5)

      const two = new Uint8Array(2 * bytes.length)
      two.set(bytes)
      two.set(bytes, bytes.length)
      ok(append(segment, 6, two))
      assert.equal(appended().batches, 2)

      const into = new Uint8Array(4096)
      ok(read(segment, 0, into))
      assert.equal(gotten().batches, 5)
      assert.equal(gotten().nextOffset, 10)
      const body = (position: number) => Buffer.from(into.subarray(position + 21, position + bytes.length))
      for (let i = 0; i < 5; i++) assert.deepEqual(body(i * bytes.length), Buffer.from(bytes.subarray(21)))
    })

    it('computes the checksum when told to, and verifies it when not', () => {
      const bytes = batch(2)
      bytes[HeaderField.crc] = bytes[HeaderField.crc]! ^ 1
      fails(append(segment, 0, bytes), 'VARVE_CORRUPT')
      assert.equal(appended().faultAt, 0)
      setAppend(segment, 0, { flags: AppendFlag.setCrc })
      ok(native.segmentAppend(bytes))
      ok(read(segment, 0, new Uint8Array(1000)))
      const good = batch(1)
      const two = new Uint8Array(good.length + bytes.length)
      two.set(good)
      two.set(bytes, good.length)
      fails(append(segment, 2, two), 'VARVE_CORRUPT')
      assert.equal(appended().faultAt, good.length)
      ok(native.segmentStats(segment))
      assert.equal(stated().nextOffset, 2, 'nothing of a refused append is visible')
    })

    it('publishes the end of an append to its tail slot in the same call', () => {
      const tails = native.tailsOpen(system, join(here, 'tails'), true)
      const slot = native.tailsSlot(tails, 'log')
      const published = opened(system, here, { backend, baseOffset: 100, tails, slot })
      ok(append(published, 100, batch(3)))
      const { endPosition, watchers } = appended()
      assert.equal(watchers, 0)
      ok(native.tailRead(tails, slot))
      assert.equal(native.cells[TailCell.segmentBaseOffset], 100)
      assert.equal(native.cells[TailCell.endPosition], endPosition)
      assert.equal(native.cells[TailCell.logEndOffset], 103)
      // The segment goes on publishing when only the handle of the table is closed.
      ok(native.tailsClose(tails))
      ok(append(published, 103, batch(1)))
      ok(native.segmentClose(published))
    })

    it('tells an append that somebody watches', async () => {
      const tails = native.tailsOpen(system, join(here, 'tails'), true)
      const slot = native.tailsSlot(tails, 'log')
      const published = opened(system, here, { backend, baseOffset: 100, tails, slot })
      ok(native.tailRead(tails, slot))
      const version = native.cells[TailCell.version]!
      const watch = ticketed((ticket) => native.tailWatch(tails, slot, version, 10_000, ticket))
      let nextOffset = 100
      // The watcher's mark comes from another thread, some microseconds later.
      for (let tries = 0; ; tries++) {
        await new Promise(setImmediate)
        ok(append(published, nextOffset, batch(1)))
        nextOffset++
        if (appended().watchers === 1 || tries > 1000) break
        if ((await Promise.race([watch.done, 'waiting'])) !== 'waiting') break
      }
      ok(native.tailWake(tails, slot))
      assert.equal(await watch.done, '')
      ok(native.segmentClose(published))
      ok(native.tailsClose(tails))
    })

    it('locates by timestamp', () => {
      for (let i = 0; i < 10; i++) ok(append(segment, i, batch(1, 1000 + i * 10)))
      native.cells[1] = segment
      native.cells[2] = 1055
      native.cells[3] = -1
      ok(native.segmentLocateTimestamp())
      assert.deepEqual([native.cells[1], native.cells[3]], [1, 6])
      native.cells[1] = segment
      native.cells[2] = 5000
      native.cells[3] = -1
      ok(native.segmentLocateTimestamp())
      assert.equal(native.cells[1], 0)
    })

    it('says how large a buffer a batch needs, and when there is nothing to read', () => {
      const bytes = batch(100)
      ok(append(segment, 0, bytes))
      fails(read(segment, 0, new Uint8Array(100)), 'VARVE_BUFFER_TOO_SMALL')
      assert.equal(gotten().neededBytes, bytes.length)
      ok(read(segment, 100, new Uint8Array(10_000)))
      assert.equal(gotten().bytes, 0)
    })

    it('scans, after a stop without flush or trim, into rows, and goes on after setting the end', () => {
      const bytes = batch(3, 7777)
      for (let i = 0; i < 4; i++) ok(append(segment, i * 3, bytes))
      ok(native.segmentClose(segment))
      segment = opened(system, here, { backend, mode: 'write' })
      setScan(segment, { flags: ScanFlag.checkRecords | ScanFlag.rebuildIndexes })
      ok(native.segmentScan())
      const { rows, position, nextOffset, stop } = scanned()
      assert.deepEqual([rows, position, nextOffset], [4, 4 * bytes.length, 12])
      assert.ok(stop === ScanStop.zeroTail || stop === ScanStop.end)
      assert.deepEqual(scanRow(3), {
        baseOffset: 9,
        lastOffset: 11,
        position: 3 * bytes.length,
        size: bytes.length,
        leaderEpoch: 5,
        attributes: 0,
        baseTimestamp: 7777,
        maxTimestamp: 7779,
        producerIdHigh: 0xffffffff,
        producerIdLow: 0xffffffff,
        producerEpoch: -1,
        baseSequence: -1,
        recordCount: 3,
        crc: new DataView(bytes.buffer).getUint32(HeaderField.crc),
      })
      native.cells[1] = segment
      native.cells[2] = 2 * bytes.length
      native.cells[3] = 6
      ok(native.segmentSetEnd())
      ok(append(segment, 6, bytes))
      ok(read(segment, 0, new Uint8Array(10_000)))
      assert.equal(gotten().nextOffset, 9)
    })

    it('flushes and seals in rounds', async () => {
      const bytes = batch(3)
      ok(append(segment, 0, bytes))
      const other = opened(system, here, { backend, baseOffset: 3 })
      ok(append(other, 3, bytes))
      const round = ticketed((ticket) => native.flush(Uint32Array.of(segment, other), FlushFlag.indexes, ticket))
      ok(round.answer)
      assert.equal(await round.done, '')
      ok(native.segmentStats(segment))
      assert.equal(stated().flushedPosition, bytes.length)
      ok(native.flushNow(Uint32Array.of(segment), FlushFlag.seal))
      assert.equal(statSync(join(here, logName)).size, bytes.length)
      const empty = ticketed((ticket) => native.flush(new Uint32Array(0), 0, ticket))
      assert.equal(await empty.done, '')
      ok(native.segmentClose(other))
    })

    it('hands out windows over sealed bytes, which outlive the handle and take writes that reach no file', () => {
      const bytes = batch(3)
      for (let i = 0; i < 2; i++) ok(append(segment, i * 3, bytes))
      ok(native.flushNow(Uint32Array.of(segment), FlushFlag.seal))
      const before = readFileSync(join(here, logName))
      native.cells[1] = segment
      native.cells[2] = bytes.length
      native.cells[3] = bytes.length
      const window = native.segmentWindow()
      assert.ok(window, native.lastError().message)
      ok(native.segmentClose(segment))
      assert.deepEqual(Buffer.from(window), before.subarray(bytes.length))
      new Uint8Array(window).fill(0xff)
      assert.deepEqual(readFileSync(join(here, logName)), before)
    })

    it('copies a prefix to another stem and prepares the next segment', async () => {
      const bytes = batch(3)
      for (let i = 0; i < 3; i++) ok(append(segment, i * 3, bytes))
      const copy = ticketed((ticket) => native.segmentCopyPrefix(segment, 2 * bytes.length, join(here, 'copy'), ticket))
      assert.equal(await copy.done, '')
      assert.equal(statSync(join(here, 'copy.log')).size, 2 * bytes.length)
      const copied = opened(system, here, { backend, mode: 'read', stem: 'copy' })
      ok(read(copied, 0, new Uint8Array(10_000)))
      assert.equal(gotten().nextOffset, 6)
      ok(native.segmentClose(copied))
      ok(native.segmentPrepareNext(segment))
    })

    it('refuses nonsense in every cell, and does nothing', () => {
      const bytes = batch(1)
      const wrong = [Number.NaN, -2, 0.5, Number.POSITIVE_INFINITY, 2 ** 60]
      for (const value of wrong) {
        for (const cell of ['baseOffset', 'leaderEpoch', 'flags', 'appendTimestamp', 'maxBatchBytes'] as const) {
          setAppend(segment, 0, { [cell]: value })
          fails(native.segmentAppend(bytes), 'VARVE_INVALID_ARGUMENT')
        }
        for (const cell of ['offset', 'positionHint', 'maxBytes', 'endPosition', 'endOffset'] as const) {
          setRead(segment, 0, { [cell]: value })
          fails(native.segmentRead(new Uint8Array(100)), 'VARVE_INVALID_ARGUMENT')
        }
        for (const cell of ['position', 'expectedOffset', 'flags', 'endPosition'] as const) {
          setScan(segment, { [cell]: value })
          fails(native.segmentScan(), 'VARVE_INVALID_ARGUMENT')
        }
        for (const cell of [2, 3]) {
          native.cells.set([0, segment, 0, 0])
          native.cells[cell] = value
          fails(native.segmentSetEnd(), 'VARVE_INVALID_ARGUMENT')
          native.cells.set([0, segment, 0, -1])
          native.cells[cell] = value
          fails(native.segmentLocateTimestamp(), 'VARVE_INVALID_ARGUMENT')
          native.cells.set([0, segment, 0, 1])
          native.cells[cell] = value
          assert.equal(native.segmentWindow(), undefined)
          assert.equal(native.lastError().code, 'VARVE_INVALID_ARGUMENT')
        }
        native.cells[1] = value
        fails(native.segmentScan(), 'VARVE_CLOSED')
      }
      ok(native.segmentStats(segment))
      assert.equal(stated().endPosition, 0)
    })

    it('refuses buffers that were detached, and throws for what is no Uint8Array', () => {
      const detached = batch(1)
      detach(detached)
      fails(append(segment, 0, detached), 'VARVE_INVALID_ARGUMENT')
      fails(read(segment, 0, detached), 'VARVE_INVALID_ARGUMENT')
      setAppend(segment, 0)
      fails(native.segmentAppendFragments([batch(1), detached]), 'VARVE_INVALID_ARGUMENT')
      const scratch = batch(1)
      ok(native.setScratch(scratch))
      detach(scratch)
      fails(native.setScratch(scratch), 'VARVE_INVALID_ARGUMENT')
      setAppend(segment, 0, { scratchLength: 10 })
      fails(native.segmentAppendScratch(), 'VARVE_INVALID_ARGUMENT')
      for (const wrong of [
        undefined,
        null,
        1,
        'text',
        [],
        {},
        new Float64Array(4),
        new DataView(new ArrayBuffer(8)),
        new ArrayBuffer(8),
      ]) {
        setAppend(segment, 0)
        assert.throws(() => native.segmentAppend(wrong as never), TypeError)
        assert.throws(() => native.segmentRead(wrong as never), TypeError)
        assert.throws(() => native.setScratch(wrong as never), TypeError)
        assert.throws(() => native.segmentAppendFragments([wrong] as never), TypeError)
        assert.throws(() => native.crc32c(wrong as never, 0), TypeError)
        assert.throws(() => native.replaceFile(system, join(here, 'x'), wrong as never), TypeError)
        assert.throws(() => native.flushNow(wrong as never, 0), TypeError)
      }
      assert.throws(() => native.segmentAppendFragments(batch(1) as never), TypeError)
      fails(native.segmentAppendFragments([]), 'VARVE_INVALID_ARGUMENT')
      fails(append(segment, 0, new Uint8Array(0)), 'VARVE_CORRUPT')
      fails(native.replaceFile(system, join(here, 'x'), detached), 'VARVE_INVALID_ARGUMENT')
    })

    it('survives getters in an array of fragments that close the segment or take the memory away', () => {
      const bytes = batch(1)
      const closing: unknown[] = [bytes]
      Object.defineProperty(closing, 1, {
        configurable: true,
        enumerable: true,
        get: () => {
          detach(bytes)
          return new Uint8Array(1)
        },
      })
      setAppend(segment, 0)
      fails(native.segmentAppendFragments(closing as Uint8Array[]), 'VARVE_INVALID_ARGUMENT')
      Object.defineProperty(closing, 1, {
        configurable: true,
        get: () => {
          native.segmentClose(segment)
          return new Uint8Array(1)
        },
      })
      closing[0] = batch(1)
      setAppend(segment, 0)
      fails(native.segmentAppendFragments(closing as Uint8Array[]), 'VARVE_CLOSED')
      Object.defineProperty(closing, 1, {
        configurable: true,
        get: () => {
          throw new RangeError('thrown by a getter')
        },
      })
      segment = opened(system, here, { backend, baseOffset: 50 })
      setAppend(segment, 50)
      assert.throws(() => native.segmentAppendFragments(closing as Uint8Array[]), RangeError)
    })

    const ResizableBuffer = ArrayBuffer as unknown as new (
      size: number,
      options: { maxByteLength: number },
    ) => ArrayBuffer & { resize(size: number): void }
    it('survives buffers that shrink', () => {
      const bytes = batch(1)
      const buffer = new ResizableBuffer(1 << 20, { maxByteLength: 1 << 20 })
      const view = new Uint8Array(buffer, 0, bytes.length)
      view.set(bytes)
      fails(native.setScratch(view), 'VARVE_INVALID_ARGUMENT')
      ok(append(segment, 0, view))
      buffer.resize(10)
      fails(append(segment, 1, view), 'VARVE_CORRUPT')
    })
  })
}

describe('the addon: handles', () => {
  const folder = temporaryFolder()

  it('knows each kind apart, and a closed one from one that was opened after it', () => {
    const tails = native.tailsOpen(system, join(folder.path, 'tails'), true)
    const kernel = native.kernelMemory()
    const segment = opened(system, folder.path)
    const lock = native.lock(system, join(folder.path, '.lock'), '')
    for (const [own, other] of [
      [tails, segment],
      [segment, lock],
      [lock, kernel],
      [kernel, tails],
    ] as const) {
      assert.notEqual(own, other)
    }
    for (const wrong of [tails, lock, kernel, 0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31]) {
      fails(append(wrong, 0, batch(1)), 'VARVE_CLOSED')
      fails(native.segmentClose(wrong), 'VARVE_CLOSED')
      fails(native.segmentStats(wrong), 'VARVE_CLOSED')
    }
    for (const wrong of [segment, lock, kernel, 0]) fails(native.tailsClose(wrong), 'VARVE_CLOSED')
    for (const wrong of [segment, tails, kernel, 0]) fails(native.unlock(wrong), 'VARVE_CLOSED')
    for (const wrong of [segment, tails, lock, 0]) fails(native.kernelClose(wrong), 'VARVE_CLOSED')
    ok(native.segmentClose(segment))
    const reopened = opened(system, folder.path, { mode: 'read' })
    assert.notEqual(reopened, segment)
    fails(native.segmentStats(segment), 'VARVE_CLOSED')
    for (const close of [
      () => native.segmentClose(reopened),
      () => native.tailsClose(tails),
      () => native.unlock(lock),
      () => native.kernelClose(kernel),
    ]) {
      ok(close())
      fails(close(), 'VARVE_CLOSED')
    }
  })

  it('opens and closes a hundred thousand times without growing its numbers past a small integer', () => {
    const seen = new Set<number>()
    for (let i = 0; i < 100_000; i++) {
      const kernel = native.kernelFaulty(system)
      assert.ok(kernel > 0 && kernel < 2 ** 30)
      seen.add(kernel)
      native.kernelClose(kernel)
    }
    assert.ok(seen.size > 30_000, `handles come back only after long: ${seen.size}`)
  })

  it('throws for options of a wrong type and refuses wrong values, by name', () => {
    const wrongTypes = {
      folder: 1,
      baseOffset: '0',
      stem: null,
      mode: 7,
      backend: undefined,
      segmentBytes: {},
      tails: 'x',
      slot: [],
    }
    for (const [name, value] of Object.entries(wrongTypes)) {
      assert.throws(
        () => openSegment(system, folder.path, { [name]: value } as never),
        (error) => error instanceof TypeError && error.message.includes(name),
      )
    }
    assert.throws(() => native.segmentOpen(system, undefined as never), TypeError)
    const wrongValues = {
      folder: 'a\0b',
      baseOffset: -1,
      stem: '\0',
      mode: 'append',
      backend: 'paper',
      segmentBytes: 0,
      indexIntervalBytes: 0.5,
      indexMaxBytes: Number.NaN,
      slot: -2,
    }
    for (const [name, value] of Object.entries(wrongValues)) {
      assert.equal(openSegment(system, folder.path, { [name]: value } as never), 0)
      assert.equal(native.lastError().code, 'VARVE_INVALID_ARGUMENT')
      assert.ok(native.lastError().message.includes(name), native.lastError().message)
    }
    assert.equal(openSegment(system, folder.path, { tails: 12345, slot: 0 }), 0)
    assert.equal(native.lastError().code, 'VARVE_CLOSED')
  })

  it('throws for missing and mistyped arguments of every call, and dies of none', () => {
    const calls = Object.entries(native).filter(
      (entry): entry is [string, (...args: unknown[]) => unknown] => typeof entry[1] === 'function',
    )
    assert.ok(calls.length > 50, `${calls.length} calls`)
    const hostile = [
      undefined,
      null,
      true,
      'text',
      Symbol('s'),
      1n,
      {},
      [],
      () => 0,
      new Uint8Array(1),
      new Proxy({}, {}),
    ]
    const harmless = new Set(['setCompletionHandler', 'lastError', 'kernelMemory'])
    for (const [name, call] of calls) {
      if (harmless.has(name)) continue
      for (const first of hostile) {
        for (const second of [undefined, ...hostile]) {
          try {
            call(first, second, first, second, first)
          } catch (error) {
            assert.ok(error instanceof TypeError, `${name}: ${error}`)
          }
        }
      }
    }
  })
})
