import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { BatchBuilder, type Log, openLog } from '../../src/doors/log.ts'
import { batchAt, checkedTag } from '../actors/contents.ts'
import { heldPaths, mapsLeft } from '../actors/garbage.ts'
import { temporaryFolder } from '../conformance/temporary-folder.ts'

const program = fileURLToPath(new URL('./log-life.js', import.meta.url))
const options = { internalSegmentBytes: 64 * 1024, durability: 'buffered' } as const

/** Opens what an end has left: the lock is free at once, and all that was acknowledged is there, whole. */
async function checkLeft(folder: string, acknowledged: number): Promise<void> {
  const log = await openLog(folder, options)
  try {
    assert.ok(log.logEndOffset >= acknowledged, `${log.logEndOffset} of ${acknowledged} records are left`)
    for (let offset = log.logStartOffset; offset < log.logEndOffset; ) {
      const run = log.read(offset)
      for (const batch of run)
        for (const record of batch) {
          assert.equal(record.offset, offset++)
          checkedTag(record.offset, record.value)
        }
    }
  } finally {
    await log.close()
  }
}

/** The largest offset that was told of. */
const told = (lines: string): number =>
  Math.max(0, ...[...lines.matchAll(/^at (\d+)$/gm)].map(([, end]) => Number(end)))

describe('the life of logs', function () {
  this.timeout(60_000)
  const folder = temporaryFolder()
  const children: ChildProcessByStdio<null, Readable, Readable>[] = []
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
  })

  /** Runs a plan to its end; `meanwhile` is told each line. */
  async function run(plan: string, meanwhile: (line: string) => void = () => {}) {
    const child = spawn(process.execPath, [program, folder(), plan], { stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    let [out, errors] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
      for (const line of text.split('\n')) meanwhile(line)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text
    })
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
    return { out, errors, code, signal }
  }

  it('an idle open log and an idle open reader keep no process alive', async () => {
    const { code, signal, errors } = await run('idle')
    assert.deepEqual([code, signal, errors], [0, null, ''])
    await checkLeft(folder(), 10)
  })

  for (const [plan, last] of [
    ['append', 'appended synced'],
    ['flush', 'flushed 10'],
  ] as const) {
    it(`a waiting ${plan} keeps the process alive until it is done`, async () => {
      const { code, out, errors } = await run(plan)
      assert.deepEqual([code, errors], [0, ''])
      assert.equal(out.trim().split('\n').at(-1), last)
    })
  }

  for (const [plan, last] of [
    ['wait', 'waited true'],
    ['follow', 'followed 11'],
  ] as const) {
    it(`a waiting ${plan} keeps the process alive until there is something to read`, async () => {
      const log = await openLog(folder(), options)
      log.append(batchAt(0, 10, 0))
      const { code, out, errors } = await run(plan, (line) => {
        // Later than a process without anything to wait for would have lived.
        if (line === 'at 10') setTimeout(() => log.append(batchAt(10, 1, 0)), 150)
      })
      await log.close()
      assert.deepEqual([code, errors], [0, ''])
      assert.equal(out.trim().split('\n').at(-1), last)
    })
  }

  for (const [plan, exitCode] of [
    ['exit', 0],
    ['throw', 1],
    ['forget', 0],
  ] as const) {
    it(`a process that ends by ${plan} loses nothing that was acknowledged, and gives the lock back`, async () => {
      const { out, errors, code, signal } = await run(plan)
      assert.deepEqual([code, signal], [exitCode, null])
      assert.equal(errors.includes('thrown on purpose'), plan === 'throw', errors)
      assert.ok(told(out) > 300)
      await checkLeft(folder(), told(out))
    })

    it(`a worker that ends by ${plan} loses nothing that was acknowledged, and gives the lock back`, async () => {
      const worker = new Worker(program, { workerData: [folder(), plan] })
      let acknowledged = 0
      worker.on('message', (line: string) => {
        acknowledged = Math.max(acknowledged, told(line))
      })
      const errors: string[] = []
      worker.on('error', (error) => errors.push(error.message))
      const code = await new Promise<number>((resolve) => worker.on('exit', resolve))
      assert.deepEqual(errors, plan === 'throw' ? ['thrown on purpose'] : [])
      assert.equal(code, exitCode)
      assert.ok(acknowledged > 300)
      await checkLeft(folder(), acknowledged)
    })
  }

  it('a worker that is terminated at any moment loses nothing that was acknowledged, and gives the lock back', async () => {
    for (let round = 0; round < 10; round++) {
      const worker = new Worker(program, { workerData: [folder(), 'run'] })
      let acknowledged = 0
      worker.on('message', (line: string) => {
        acknowledged = Math.max(acknowledged, told(line))
      })
      await once(worker, 'message')
      await new Promise((resolve) => setTimeout(resolve, 7 * (round % 4)))
      await worker.terminate()
      await checkLeft(folder(), acknowledged)
    }
  })

  it('a process that is killed in the middle of its work loses nothing that was acknowledged', async () => {
    let turns = 0
    const { out, signal } = await run('run', (line) => {
      if (line.startsWith('at ') && ++turns === 8) children.at(-1)!.kill('SIGKILL')
    })
    assert.equal(signal, 'SIGKILL')
    await checkLeft(folder(), told(out))
  })
})

describe('what opening and closing leave behind', function () {
  this.timeout(60_000)
  const folder = temporaryFolder()
  const count = () => ({
    files: readdirSync('/proc/self/fd').length,
    maps: heldPaths(folder()).maps,
    threads: readdirSync('/proc/self/task').length,
  })
  const linuxOnly = function (this: Mocha.Context): void {
    if (process.platform !== 'linux') this.skip()
  }
  before(linuxOnly)

  async function openAndClose(): Promise<void> {
    const log = await openLog(folder(), { internalSegmentBytes: 4096 })
    const reader = await openLog(folder(), { mode: 'read' })
    log.append(batchAt(log.logEndOffset, 20, 0))
    const waiting = reader.waitFor(log.logEndOffset)
    log.append(batchAt(log.logEndOffset, 20, 0))
    assert.equal(await waiting, true)
    reader.read(Math.max(0, reader.logEndOffset - 100))
    reader.waitFor(reader.logEndOffset).catch(() => {})
    reader.close()
    await log.close()
  }

  it('is no file, no map and no thread, after a hundred times', async () => {
    for (let i = 0; i < 5; i++) await openAndClose()
    const before = count()
    for (let i = 0; i < 100; i++) await openAndClose()
    assert.deepEqual(count(), before)
    assert.equal(before.maps, 0)
  })

  it('is a bounded number of files, however many segments were written and read', async () => {
    const log = await openLog(folder(), { internalSegmentBytes: 4096, durability: 'buffered' })
    const reader = await openLog(folder(), { mode: 'read' })
    const before = count()
    for (let i = 0; i < 200; i++) log.append(batchAt(log.logEndOffset, 20, 0))
    await log.flush()
    assert.ok(log.stats().segmentCount > 90)
    for (const source of [log, reader])
      for (let offset = 0; offset < log.logEndOffset; ) offset = source.read(offset).nextOffset
    const { files, maps } = count()
    assert.ok(files - before.files < 100, `${files - before.files} files more`)
    assert.ok(maps - before.maps < 10, `${maps - before.maps} maps more`)
    reader.close()
    await log.close()
  })

  /** In a function of its own, so that nothing but `held` holds on to it. */
  async function hold(held: Uint8Array[]): Promise<void> {
    const reader = await openLog(folder(), { mode: 'read' })
    for (let offset = 0; offset < 300; ) {
      const run = reader.read(offset, { views: true })
      for (const batch of run) for (const record of batch) held.push(record.value!)
      offset = run.nextOffset
    }
    reader.close()
  }

  it('is no map, once nobody holds a view of it', async () => {
    const log = await openLog(folder(), { internalSegmentBytes: 4096 })
    for (let i = 0; i < 20; i++) log.append(batchAt(log.logEndOffset, 20, 0))
    await log.close()
    const held: Uint8Array[] = []
    await hold(held)
    // Where external buffers are refused, what would be a view is a copy.
    assert.equal(count().maps > 0, process.env.VARVE_NO_EXTERNAL_BUFFERS === undefined)
    held.length = 0
    assert.equal(await mapsLeft(folder()), 0)
  })
})

function batchOf(values: readonly string[]): Buffer {
  const builder = new BatchBuilder()
  for (const value of values) builder.add({ key: null, value, timestamp: 1_700_000_000_000 })
  return Buffer.from(builder.build())
}

/** An ArrayBuffer that can be resized: ES2024, which the compiler's library here does not know yet. */
function resizable(bytes: number): ArrayBuffer & { resize(bytes: number): void } {
  return Reflect.construct(ArrayBuffer, [bytes, { maxByteLength: 1 << 20 }])
}

describe('memory that somebody changes while it is appended', () => {
  let log: Log
  // Before the folder's own hook, which removes what an open log still writes to.
  afterEach(() => log.close())
  const folder = temporaryFolder()
  beforeEach(async () => {
    log = await openLog(folder(), { durability: 'buffered' })
  })

  it('a detached buffer is refused', () => {
    const bytes = Uint8Array.from(batchAt(0, 3, 0).build())
    structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] })
    assert.throws(() => log.append(bytes), { code: 'VARVE_INVALID_ARGUMENT' })
    assert.throws(() => log.append([bytes]), { name: 'VarveError' })
    assert.equal(log.logEndOffset, 0)
  })

  it('a resizable buffer is taken as it is, and refused when it was cut short', () => {
    const batch = batchAt(0, 3, 0).build()
    const buffer = resizable(batch.length)
    const whole = new Uint8Array(buffer)
    whole.set(batch)
    const fixed = new Uint8Array(buffer, 0, batch.length)
    assert.deepEqual(log.append(whole), { baseOffset: 0, lastOffset: 2 })
    buffer.resize(batch.length - 1)
    assert.throws(() => log.append(whole), { name: 'VarveError' })
    assert.throws(() => log.append(fixed), { name: 'VarveError' })
    buffer.resize(0)
    assert.throws(() => log.append(whole), { name: 'VarveError' })
    assert.equal(log.logEndOffset, 3)
  })

  it('shared memory that another thread writes meanwhile: refused, or stored as it was checked', async () => {
    // Two batches of one length with different numbers of records: a header of one with the bytes of the other would
    // give offsets to records that are not there.
    const one = batchOf(['a'.repeat(200)])
    let filler = 200
    while (batchOf(['b', 'b'.repeat(filler)]).length > one.length) filler--
    const two = batchOf(['b', 'b'.repeat(filler)])
    assert.equal(two.length, one.length)
    const shared = new SharedArrayBuffer(one.length)
    const bytes = new Uint8Array(shared)
    bytes.set(one)
    const flipper = new Worker(
      `const { workerData: [shared, one, two] } = require('node:worker_threads')
       const bytes = new Uint8Array(shared)
       require('node:worker_threads').parentPort.postMessage('running')
       for (;;) { bytes.set(two); bytes.set(one) }`,
      { eval: true, workerData: [shared, one, two] },
    )
    await once(flipper, 'message')
    let [accepted, refused] = [0, 0]
    for (let i = 0; i < 20_000 && (accepted < 100 || refused < 10); i++) {
      try {
        log.append(bytes)
        accepted++
      } catch (error) {
        assert.equal((error as { name: string }).name, 'VarveError')
        refused++
      }
    }
    await flipper.terminate()
    assert.ok(accepted > 0)
    for (let offset = 0; offset < log.logEndOffset; ) {
      const run = log.read(offset)
      for (const batch of run) {
        const texts = [...batch].map((record) => record.text())
        assert.ok(texts.length === 1 ? texts[0] === 'a'.repeat(200) : texts[1] === 'b'.repeat(filler))
      }
      assert.ok(run.nextOffset > offset)
      offset = run.nextOffset
    }
  })
})
