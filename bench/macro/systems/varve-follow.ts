/**
 * A live reader in another process: from the moment an append is due to the moment the reader holds the record, both
 * in JavaScript. This file is also the reader's entry.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { BatchBuilder, openLog } from '../../../src/doors/log.ts'
import { paced } from '../pace.ts'
import type { Point } from '../row.ts'
import { percentiles } from '../statistics.ts'
import type { Task } from '../task.ts'
import { sharedNanoseconds } from '../timer.ts'

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
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
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

async function follow(folder: string): Promise<void> {
  const reader = await openLog(folder, { mode: 'read' })
  const samples: number[] = []
  // Waiting for the tail does not keep a process alive; this one has nothing else to live for.
  const alive = setInterval(() => {}, 1000)
  process.stdout.write('ready ')
  for (let offset = reader.logEndOffset; ; ) {
    await reader.waitFor(offset)
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
  follow(process.argv[2]!).catch((error: unknown) => {
    console.error(error)
    process.exitCode = 1
  })
