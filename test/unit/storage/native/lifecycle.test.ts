import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { FlushFlag } from '../../../../src/storage/native/addon.ts'
import { native, ok, system, temporaryFolder, ticketed } from './native-under-test.ts'
import { append, batch, opened } from './segment-under-test.ts'

const busyThread = fileURLToPath(new URL('./busy-thread.js', import.meta.url))

describe('the addon: the end of threads and processes', () => {
  const folder = temporaryFolder()
  let folders = 0
  function newFolder(): string {
    const path = join(folder.path, `life-${++folders}`)
    mkdirSync(path)
    return path
  }
  const startWorker = (path: string, plan: string) => new Worker(busyThread, { workerData: [path, plan] })
  const runProcess = (plan: string, environment: NodeJS.ProcessEnv = {}) =>
    spawnSync(process.execPath, [busyThread, newFolder(), plan], {
      encoding: 'utf8',
      timeout: 15_000,
      env: { ...process.env, ...environment },
    })

  it('a worker that is terminated in the middle of its work frees its lock at once, twenty times over', async () => {
    const path = newFolder()
    for (let round = 0; round < 20; round++) {
      const worker = startWorker(path, 'run')
      const [said] = await Promise.race([
        once(worker, 'message'),
        once(worker, 'error').then(([error]) => Promise.reject(error)),
      ])
      assert.equal(said, 'running')
      await new Promise((resolve) => setTimeout(resolve, round % 5))
      assert.equal(await worker.terminate(), 1)
      const lock = native.lock(system, join(path, '.lock'), 'between rounds')
      assert.ok(lock > 0, `round ${round}: ${native.lastError().message}`)
      ok(native.unlock(lock))
    }
  })

  it('several workers at once load it, use it and end in any order', async () => {
    const workers = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const worker = startWorker(newFolder(), 'run')
        await once(worker, 'message')
        return worker
      }),
    )
    await Promise.all(workers.map((worker) => worker.terminate()))
  })

  for (const plan of ['exit', 'idle', 'throw']) {
    it(`a worker that ends by ${plan} ends cleanly`, async () => {
      const worker = startWorker(newFolder(), plan)
      const errors: Error[] = []
      worker.on('error', (error) => errors.push(error))
      // Not `once`, which rejects on an 'error' that comes first.
      const code = await new Promise<number>((resolve) => worker.on('exit', resolve))
      assert.equal(code, plan === 'throw' ? 1 : 0)
      assert.deepEqual(
        errors.map((error) => error.message),
        plan === 'throw' ? ['thrown on purpose'] : [],
      )
    })
  }

  for (const environment of [{}, { VARVE_NO_EXTERNAL_BUFFERS: '1' }]) {
    const how = Object.keys(environment).length === 0 ? '' : ', external buffers refused'
    it(`process.exit() with flushes and watches in flight${how}`, () => {
      const { status, signal, stderr } = runProcess('exit', environment)
      assert.deepEqual([status, signal, stderr], [0, null, ''])
    })

    it(`an uncaught exception with flushes and watches in flight${how}`, () => {
      const { status, signal, stderr } = runProcess('throw', environment)
      assert.deepEqual([status, signal], [1, null])
      assert.match(stderr, /thrown on purpose/)
    })

    it(`a process whose handles stand idle ends by itself${how}`, () => {
      const { status, signal, stderr } = runProcess('idle', environment)
      assert.deepEqual([status, signal, stderr], [0, null, ''])
    })
  }

  it('a process that only watches a tail ends by itself', () => {
    const { status, signal, stderr } = runProcess('watch')
    assert.deepEqual([status, signal, stderr], [0, null, ''])
  })

  it('a flush in flight keeps the process alive until it is done', () => {
    const { status, stdout, stderr } = runProcess('flush')
    assert.deepEqual([status, stdout, stderr], [0, 'flushed 0\n', ''])
  })

  it('what a completion handler throws is uncaught, and the next ticket still comes', () => {
    const { status, stdout, stderr } = runProcess('handler-throws')
    assert.deepEqual([status, stdout, stderr], [0, 'caught first\nthen 2\n', ''])
  })

  it('kill -9 frees the lock at once', async () => {
    const path = newFolder()
    const child = spawn(process.execPath, [busyThread, path, 'run'], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout!, 'data')
    assert.equal(native.lock(system, join(path, '.lock'), ''), 0)
    assert.equal(native.lastError().message, `run by ${child.pid}`)
    child.kill('SIGKILL')
    await once(child, 'exit')
    const lock = native.lock(system, join(path, '.lock'), '')
    assert.ok(lock > 0, native.lastError().message)
    ok(native.unlock(lock))
  })

  it('windows that nobody holds any more give their maps back', async function () {
    if (process.platform !== 'linux') this.skip()
    const { readFileSync } = await import('node:fs')
    const path = newFolder()
    const segment = opened(system, path)
    const bytes = batch(10)
    ok(append(segment, 0, bytes))
    ok(native.flushNow(Uint32Array.of(segment), FlushFlag.seal))
    const mapped = () =>
      readFileSync('/proc/self/maps', 'latin1')
        .split('\n')
        .filter((line) => line.includes(path)).length
    const before = mapped()
    const { setFlagsFromString } = await import('node:v8')
    const { runInNewContext } = await import('node:vm')
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const held: (ArrayBuffer | undefined)[] = []
    for (let i = 0; i < 20; i++) {
      native.cells.set([0, segment, 0, bytes.length])
      held.push(native.segmentWindow())
    }
    // Where external buffers are refused a window is a copy, and its map is gone at once.
    assert.equal(mapped(), native.features.externalBuffers ? before + 20 : before)
    ok(native.segmentClose(segment))
    held.length = 0
    for (let tries = 0; tries < 50 && mapped() > before; tries++) {
      collect()
      await new Promise(setImmediate)
    }
    assert.equal(mapped(), 0)
  })

  it('removes files on a helper thread, and takes those that are gone for removed', async () => {
    const path = newFolder()
    ok(native.replaceFile(system, join(path, 'a'), new Uint8Array(10)))
    const paths = [join(path, 'missing'), join(path, 'a')]
    const { answer, done } = ticketed((ticket) => native.removeFiles(system, paths, ticket))
    ok(answer)
    assert.equal(await done, '')
    assert.deepEqual(native.list(system, path), [])
    const refused = ticketed((ticket) => native.removeFiles(system, [join(path, '..')], ticket))
    assert.notEqual(await refused.done, '')
  })
})
