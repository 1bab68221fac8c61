/**
 * A thread or process with everything of the addon in use: a lock, a table of tails with watches, a mapped segment with
 * appends, flushes in flight, windows. What it does next is named by its only argument:
 *
 * - `run`: goes on for ever, so that whoever started it ends it at any moment
 * - `exit`: process.exit(0), flushes in flight
 * - `throw`: an uncaught exception, flushes in flight
 * - `idle`: finishes what is in flight and leaves everything open; it has to end by itself
 * - `watch`: has nothing in flight but a watch; it has to end by itself too
 * - `flush`: leaves the loop with nothing but a flush to wait for, and prints when it is done
 * - `handler-throws`: the completion handler throws for the first ticket; the second has to arrive
 */
import { parentPort, workerData } from 'node:worker_threads'
import { FlushFlag } from '../../../../src/storage/native/addon.ts'
import { addon } from '../../../../src/storage/native/loader.ts'
import { append, batch, opened } from './segment-under-test.ts'

const [folder, plan] = (workerData as string[] | null) ?? process.argv.slice(2)
const native = addon()
const say = (text: string) => (parentPort === null ? process.stdout.write(`${text}\n`) : parentPort.postMessage(text))

const lock = native.lock(0, `${folder}/.lock`, `${plan} by ${process.pid}`)
if (lock === 0) throw new Error(`${native.lastError().code} ${native.lastError().message}`)
const tails = native.tailsOpen(0, `${folder}/tails`, true)
const slot = native.tailsSlot(tails, 'log')
const segment = opened(0, folder!, { tails, slot, baseOffset: Date.now() })
const sealed = opened(0, folder!, { baseOffset: Date.now() + 1 })
const bytes = batch(10)
let nextOffset = Date.now()
if (append(sealed, nextOffset + 1, bytes) !== 0 || native.flushNow(Uint32Array.of(sealed), FlushFlag.seal) !== 0) {
  throw new Error(native.lastError().message)
}

const windows: unknown[] = []
let ticket = 0
function oneTurn(): void {
  if (append(segment, nextOffset, bytes) !== 0) throw new Error(native.lastError().message)
  nextOffset += 10
  native.flush(Uint32Array.of(segment), FlushFlag.indexes, ++ticket)
  native.tailRead(tails, slot)
  native.tailWatch(tails, slot, native.cells[1]!, 60_000, ++ticket)
  native.cells[1] = sealed
  native.cells[2] = 0
  native.cells[3] = bytes.length
  windows[ticket % 16] = native.segmentWindow()
}

native.setCompletionHandler(() => {})
switch (plan) {
  case 'run':
    oneTurn()
    say('running')
    setInterval(() => {
      for (let i = 0; i < 5; i++) oneTurn()
    }, 1)
    break
  case 'exit':
    for (let i = 0; i < 20; i++) oneTurn()
    process.exit(0)
    break
  case 'throw':
    for (let i = 0; i < 20; i++) oneTurn()
    throw new Error('thrown on purpose')
  case 'idle':
    oneTurn()
    break
  case 'watch':
    native.tailRead(tails, slot)
    native.tailWatch(tails, slot, native.cells[1]!, 60_000, 1)
    break
  case 'flush':
    native.setCompletionHandler((_ticket, status) => say(`flushed ${status}`))
    append(segment, nextOffset, bytes)
    native.flush(Uint32Array.of(segment), FlushFlag.indexes, 1)
    break
  case 'handler-throws':
    process.once('uncaughtException', (error) => say(`caught ${error.message}`))
    native.setCompletionHandler((done) => {
      if (done === 1) throw new Error('first')
      say(`then ${done}`)
    })
    native.flush(new Uint32Array(0), 0, 1)
    native.flush(new Uint32Array(0), 0, 2)
    break
}
