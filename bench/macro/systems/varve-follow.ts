/**
 * A live reader in another process: from the moment an append (from JavaScript) is due to the moment the reader holds
 * the record. The reader sleeps until it is woken, or spins, in JavaScript (this file is its entry), or spins in C++
 * (`bench/native/spin_reader.cc`).
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { BatchBuilder, openLog } from '../../../src/doors/log.ts'
import { paced } from '../pace.ts'
import { batchBytes } from '../payload.ts'
import type { Point } from '../row.ts'
import { percentiles } from '../statistics.ts'
import { NotRun } from '../subject.ts'
import type { Task } from '../task.ts'
import { sharedNanoseconds } from '../timer.ts'
import { cloneFolder } from './peers.ts'
import { spinReaderPath } from './spin-reader.ts'

/** Stands where the time would: nothing follows. */
const endMark = -1

export async function followLatency(folder: string, task: Task): Promise<Point[]> {
  const log = await openLog(folder, { durability: 'buffered' })
  const builder = new BatchBuilder()
  const value = Buffer.alloc(Math.max(8, task.recordBytes))
  const append = (stamp: number): void => {
    value.writeDoubleLE(stamp)
    builder.reset()
    builder.addKeyValue(null, value)
    log.append(builder)
  }
  const child = startReader(folder, task)
  const closed = once(child, 'close')
  let output = ''
  child.stdout.setEncoding('latin1')
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (text: string) => {
      output += text
      resolve()
    })
    child.on('close', (code) => reject(new Error(`the reader ended with ${code}`)))
  })
  await paced(task, append)
  append(endMark)
  await closed
  await log.close()
  const samples = Float64Array.from(JSON.parse(output.slice(output.indexOf('['))) as number[])
  const bytes = samples.length * task.recordBytes
  const figures = percentiles(samples)
  return [{ suffix: '', unit: 'ns', value: figures.p50, percentiles: figures, bytes }]
}

function startReader(folder: string, task: Task): ChildProcessByStdio<null, Readable, null> {
  if (task.variant !== 'native')
    return spawn(process.execPath, [fileURLToPath(import.meta.url), folder, task.variant], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  const clone = cloneFolder()
  const path = clone === undefined ? '' : spinReaderPath(clone)
  if (!existsSync(path)) throw new NotRun('the reader in C++ is compiled in a clone, by g++')
  const sizes = [task.recordBytes, batchBytes(task.recordBytes, 1)].map(String)
  return spawn(path, [folder, ...sizes], { stdio: ['ignore', 'pipe', 'inherit'] })
}

async function follow(folder: string, spins: boolean): Promise<void> {
  const reader = await openLog(folder, { mode: 'read' })
  const samples: number[] = []
  // Waiting for the tail does not keep a process alive; this one has nothing else to live for.
  const alive = setInterval(() => {}, 1000)
  process.stdout.write('ready ')
  for (let offset = reader.logEndOffset; ; ) {
    if (!spins) await reader.waitFor(offset)
    const run = reader.read(offset)
    for (const batch of run)
      for (const record of batch) {
        const stamp = record.value!.readDoubleLE()
        if (stamp === endMark) {
          clearInterval(alive)
          reader.close()
          process.stdout.write(JSON.stringify(samples))
          return
        }
        samples.push(sharedNanoseconds() - stamp)
      }
    offset = run.nextOffset
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  follow(process.argv[2]!, process.argv[3] === 'spin').catch((error: unknown) => {
    console.error(error)
    process.exitCode = 1
  })
