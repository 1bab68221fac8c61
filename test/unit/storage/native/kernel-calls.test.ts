import assert from 'node:assert/strict'
import { join } from 'node:path'
import { FlushFlag } from '../../../../src/storage/native/addon.ts'
import { fails, native, ok, system, temporaryFolder, ticketed } from './native-under-test.ts'
import { append, batch, gotten, opened, read, scanned, setScan } from './segment-under-test.ts'

const bytes = (text: string) => new Uint8Array(Buffer.from(text))
const text = (content: Uint8Array | undefined) => (content === undefined ? undefined : Buffer.from(content).toString())
const [lost, kept, sampled] = [0, 1, 2]

describe('the addon: simulated disks', () => {
  it('keeps what was flushed over a power cut, and loses or keeps the rest', () => {
    const disk = native.kernelMemory()
    ok(native.makeFolder(disk, '/log'))
    ok(native.syncFolder(disk, '/'))
    const segment = opened(disk, '/log')
    const one = batch(2)
    ok(append(segment, 0, one))
    ok(native.flushNow(Uint32Array.of(segment), FlushFlag.indexes | FlushFlag.folder))
    ok(append(segment, 2, one))
    const at = native.kernelOperations(disk)
    for (const [mode, nextOffset] of [
      [lost, 2],
      [kept, 4],
    ] as const) {
      const after = native.kernelCrash(disk, at, mode, 1)
      assert.ok(after > 0, native.lastError().message)
      const recovered = opened(after, '/log', { mode: 'write' })
      setScan(recovered)
      ok(native.segmentScan())
      assert.equal(scanned().nextOffset, nextOffset)
      ok(native.segmentClose(recovered))
      ok(native.kernelClose(after))
    }
    for (let seed = 0; seed < 20; seed++) {
      const after = native.kernelCrash(disk, at, sampled, seed)
      const recovered = opened(after, '/log', { mode: 'write' })
      setScan(recovered)
      ok(native.segmentScan())
      assert.ok(scanned().nextOffset >= 2)
      ok(native.segmentClose(recovered))
      ok(native.kernelClose(after))
    }
    ok(native.segmentClose(segment))
    ok(native.kernelClose(disk))
  })

  it('has a size, and a reserve that appends leave alone', () => {
    const disk = native.kernelMemory()
    ok(native.makeFolder(disk, '/log'))
    ok(native.kernelCapacity(disk, 1 << 20))
    assert.equal(native.freeBytes(disk, '/log'), 1 << 20)
    const segment = opened(disk, '/log', { mode: 'create', diskReserveBytes: 1 << 20 })
    fails(append(segment, 0, batch(2)), 'VARVE_NO_SPACE')
    ok(native.kernelCapacity(disk, 2 << 20))
    ok(append(segment, 0, batch(2)))
    fails(native.kernelCapacity(disk, -1), 'VARVE_INVALID_ARGUMENT')
    fails(native.kernelCapacity(0, 1), 'VARVE_CLOSED')
    ok(native.segmentClose(segment))
    ok(native.kernelClose(disk))
  })

  it('has files, locks and tails of its own, shared by all who open them', () => {
    const disk = native.kernelMemory()
    ok(native.replaceFile(disk, '/small', bytes('here')))
    assert.equal(text(native.readFile(disk, '/small')), 'here')
    assert.equal(native.readFile(native.kernelMemory(), '/small'), undefined)
    const lock = native.lock(disk, '/.lock', 'holder')
    assert.equal(native.lock(disk, '/.lock', 'other'), 0)
    assert.equal(native.lastError().message, 'holder')
    ok(native.unlock(lock))
    const writer = native.tailsOpen(disk, '/tails', true)
    const slot = native.tailsSlot(writer, 'log')
    const reader = native.tailsOpen(disk, '/tails', false)
    assert.equal(native.tailsSlot(reader, 'log'), slot)
    const segment = opened(disk, '/', { tails: writer, slot })
    ok(append(segment, 0, batch(2)))
    ok(native.tailRead(reader, slot))
    assert.equal(native.cells[7], 2)
    assert.equal(native.tailWriterAlive(reader), true)
    ok(native.tailsClose(writer))
    // The segment, or a job of it on another thread, still has the table's memory; the lock falls with the handle.
    assert.equal(native.tailWriterAlive(reader), false)
    ok(native.segmentClose(segment))
    ok(native.tailsClose(reader))
  })

  it('a watch on a simulated disk is woken like any other', async () => {
    const disk = native.kernelMemory()
    const writer = native.tailsOpen(disk, '/tails', true)
    const slot = native.tailsSlot(writer, 'log')
    const reader = native.tailsOpen(disk, '/tails', false)
    assert.equal(native.tailsSlot(reader, 'log'), slot)
    const segment = opened(disk, '/', { tails: writer, slot })
    ok(native.tailRead(reader, slot))
    const version = native.cells[1]!
    const { done } = ticketed((ticket) => native.tailWatch(reader, slot, version, 10_000, ticket))
    ok(append(segment, 0, batch(2)))
    ok(native.tailWake(writer, slot))
    assert.equal(await done, '')
  })

  it('outlives its handle as long as something is open on it', () => {
    const disk = native.kernelMemory()
    const segment = opened(disk, '/')
    ok(native.kernelClose(disk))
    fails(native.makeFolder(disk, '/x'), 'VARVE_CLOSED')
    ok(append(segment, 0, batch(2)))
    ok(read(segment, 0, new Uint8Array(1000)))
    assert.equal(gotten().nextOffset, 2)
    ok(native.segmentClose(segment))
  })
})

describe('the addon: injected faults', () => {
  const folder = temporaryFolder()

  it('makes the chosen call fail, once or for good, and counts', () => {
    const faulty = native.kernelFaulty(system)
    const path = join(folder.path, 'file')
    ok(native.kernelArm(faulty, 1, 'EIO', 'fsync,fdatasync', false))
    fails(native.replaceFile(faulty, path, bytes('a')), 'VARVE_IO')
    assert.equal(native.lastError().errnoName, 'EIO')
    ok(native.replaceFile(faulty, path, bytes('b')))
    ok(native.kernelArm(faulty, 1, 'ENOSPC', 'pwrite', true))
    for (let i = 0; i < 3; i++) fails(native.replaceFile(faulty, path, bytes('c')), 'VARVE_NO_SPACE')
    assert.ok(native.kernelCalls(faulty) >= 3)
    assert.equal(text(native.readFile(system, path)), 'b')
    ok(native.kernelArm(faulty, 1, 'short', '', false))
    ok(native.replaceFile(faulty, path, bytes('moved in two')))
    ok(native.kernelArm(faulty, 1, 'interrupt', '', true))
    ok(native.replaceFile(faulty, path, bytes('interrupted')))
    assert.equal(text(native.readFile(system, path)), 'interrupted')
    ok(native.kernelArm(faulty, 0, '', '', false))
    ok(native.replaceFile(faulty, path, bytes('quiet')))
    ok(native.kernelClose(faulty))
  })

  it('a failed flush of a segment comes back with its ticket and its details', async () => {
    const faulty = native.kernelFaulty(system)
    const segment = opened(faulty, folder.path)
    ok(append(segment, 0, batch(2)))
    ok(native.kernelArm(faulty, 1, 'EIO', 'fsync,fdatasync,msync', true))
    const { answer, done } = ticketed((ticket) => native.flush(Uint32Array.of(segment), 0, ticket))
    ok(answer)
    assert.equal(await done, 'VARVE_IO')
    ok(native.segmentClose(segment))
  })

  it('a layer over a simulated disk, over which another layer lies', () => {
    const disk = native.kernelMemory()
    const inner = native.kernelFaulty(disk)
    const outer = native.kernelFaulty(inner)
    ok(native.kernelClose(disk))
    ok(native.kernelClose(inner))
    ok(native.replaceFile(outer, '/a', bytes('through both')))
    assert.equal(text(native.readFile(outer, '/a')), 'through both')
  })

  it('refuses kinds and calls that it does not know, and kernels of the other kind', () => {
    const disk = native.kernelMemory()
    const faulty = native.kernelFaulty(disk)
    for (const kind of ['', 'EWHATEVER', 'eio'])
      fails(native.kernelArm(faulty, 1, kind, '', false), 'VARVE_INVALID_ARGUMENT')
    fails(native.kernelArm(faulty, 1, 'EIO', 'fdatasync,paint', false), 'VARVE_INVALID_ARGUMENT')
    fails(native.kernelArm(disk, 1, 'EIO', '', false), 'VARVE_INVALID_ARGUMENT')
    fails(native.kernelArm(system, 1, 'EIO', '', false), 'VARVE_CLOSED')
    assert.equal(native.kernelCalls(disk), -1)
    assert.equal(native.kernelOperations(faulty), -1)
    assert.equal(native.kernelCrash(faulty, 0, lost, 0), 0)
    assert.equal(native.kernelCrash(disk, native.kernelOperations(disk) + 1, lost, 0), 0)
    assert.equal(native.lastError().code, 'VARVE_INVALID_ARGUMENT')
    assert.equal(native.kernelCrash(disk, 0, 3, 0), 0)
    assert.equal(native.kernelFaulty(12345), 0)
    assert.equal(native.lastError().code, 'VARVE_CLOSED')
  })
})
