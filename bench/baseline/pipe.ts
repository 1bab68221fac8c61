/**
 * The limit of a live reader in another process: eight bytes through a pipe, from Node to Node. It is what the system
 * and two event loops cost when nothing is stored.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { paced } from '../macro/pace.ts'
import type { Point } from '../macro/row.ts'
import { percentiles } from '../macro/statistics.ts'
import type { Task } from '../macro/task.ts'
import { sharedNanoseconds } from '../macro/timer.ts'

const stampBytes = 8

export async function pipeLatency(task: Task): Promise<Point[]> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  let output = ''
  child.stdout.setEncoding('latin1')
  // The reader says when it is there.
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (text: string) => {
      output += text
      resolve()
    })
  })
  await paced(task, (due) => {
    const stamp = Buffer.allocUnsafe(stampBytes)
    stamp.writeDoubleLE(due)
    child.stdin.write(stamp)
  })
  child.stdin.end()
  await closed
  const samples = Float64Array.from(JSON.parse(output.slice(output.indexOf('['))) as number[])
  const figures = percentiles(samples)
  return [{ suffix: '', unit: 'ns', value: figures.p50, percentiles: figures, bytes: samples.length * stampBytes }]
}

function readStamps(): void {
  const samples: number[] = []
  let rest: Buffer = Buffer.alloc(0)
  process.stdin.on('data', (chunk: Buffer) => {
    const now = sharedNanoseconds()
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let position = 0
    for (; position + stampBytes <= rest.length; position += stampBytes) samples.push(now - rest.readDoubleLE(position))
    rest = rest.subarray(position)
  })
  process.stdin.on('end', () => process.stdout.write(JSON.stringify(samples)))
  process.stdout.write('ready ')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) readStamps()
