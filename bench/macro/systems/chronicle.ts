/**
 * Chronicle Queue in a JVM of its own, for its one-record latency: the best that an embedded log is known for. The Java
 * side (`bench/peers/chronicle/ChroniclePeer.java`) times itself; this side sends it rounds and turns answers to points.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Point, suffixes } from '../row.ts'
import { NotRun, type System } from '../subject.ts'
import type { Task } from '../task.ts'
import { flushFolder, peersFolder } from './peers.ts'

export const chronicle: System = {
  name: 'chronicle',
  open() {
    throw new NotRun('Chronicle Queue runs in a JVM, which has its own loops')
  },
  operations: {
    throughput: (folder, task) => round('throughput', folder, task),
    latency: (folder, task) => round('latency', folder, task),
    paced: (folder, task) => round('paced', folder, task),
    async read(folder, task) {
      if (task.variant !== 'walk') throw new NotRun('Chronicle Queue copies into a buffer that it uses again')
      if (!filled.has(folder)) await round('fill', folder, task)
      filled.add(folder)
      return round('read', folder, task)
    },
  },
}

const filled = new Set<string>()
let virtualMachine: Promise<(line: string) => Promise<string>> | undefined

async function round(operation: string, folder: string, task: Task): Promise<Point[]> {
  if (task.durability !== 'buffered') throw new NotRun('Chronicle Queue leaves the disk to the system')
  virtualMachine ??= startJava()
  const ask = await virtualMachine
  const answer = await ask([operation, folder, task.records, task.recordBytes, task.seconds, task.perSecond].join('\t'))
  const [records, elapsed, cpu, p50, p99, p999] = answer.split(' ').map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const bytes = records * task.recordBytes
  if (p50 > 0) return [{ suffix: '', unit: 'ns', value: p50, percentiles: { p50, p99, p999 }, bytes }]
  const points: Point[] = [{ suffix: '', unit: 'records/s', value: (records / elapsed) * 1e9, bytes }]
  if (task.costs) points.push({ suffix: suffixes.cpu, unit: 's/GB', value: cpu / 1e9 / (bytes / 1e9), bytes })
  if (operation === 'throughput') {
    const start = performance.now()
    await flushFolder(folder)
    const elapsedMs = elapsed / 1e6 + performance.now() - start
    points.push({ suffix: suffixes.flushed, unit: 'MB/s', value: bytes / 1e3 / elapsedMs, bytes, durability: 'synced' })
  }
  return points
}

/** Java 17 keeps its internals closed; Chronicle reads these. */
const openedPackages = [
  '--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED',
  '--add-exports=java.base/sun.nio.ch=ALL-UNNAMED',
  '--add-exports=jdk.unsupported/sun.misc=ALL-UNNAMED',
  '--add-exports=jdk.compiler/com.sun.tools.javac.file=ALL-UNNAMED',
  '--add-opens=jdk.compiler/com.sun.tools.javac=ALL-UNNAMED',
  '--add-opens=java.base/java.lang=ALL-UNNAMED',
  '--add-opens=java.base/java.lang.reflect=ALL-UNNAMED',
  '--add-opens=java.base/java.io=ALL-UNNAMED',
  '--add-opens=java.base/java.util=ALL-UNNAMED',
  '--add-opens=java.base/java.nio=ALL-UNNAMED',
  '--add-opens=java.base/sun.nio.ch=ALL-UNNAMED',
]

async function startJava(): Promise<(line: string) => Promise<string>> {
  const peers = peersFolder()
  if (!peers) throw new NotRun('peers are measured from a clone, not from the published package')
  const folder = join(peers, 'chronicle')
  if (!existsSync(join(folder, 'lib'))) throw new NotRun('its jars are not there: Java and Maven bring them')
  const java = spawn(
    'java',
    [
      ...openedPackages,
      '-Xmx512m',
      '-Dchronicle.analytics.disable=true',
      '-Dchronicle.disk.monitor.disable=true',
      '-cp',
      join(folder, 'lib', '*'),
      join(folder, 'ChroniclePeer.java'),
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  )
  return converse(java)
}

/** Lines in, lines out, one at a time; lines that do not begin with our name are the library's and are dropped. */
async function converse(java: ChildProcessWithoutNullStreams): Promise<(line: string) => Promise<string>> {
  let settle: { resolve: (line: string) => void; reject: (error: Error) => void } | undefined
  let failure: Error | undefined
  let complaint = ''
  const fail = (error: Error): void => {
    failure = error
    settle?.reject(error)
  }
  java.on('error', (error) => fail(new NotRun(`java does not start: ${error.message}`)))
  java.stderr.on('data', (chunk: Buffer) => {
    // Kept short: the end of a stack trace says no more than its start.
    if (complaint.length < 4096) complaint += chunk
  })
  java.on('close', (code) => fail(new NotRun(`java ended with ${code}: ${lastException(complaint)}`)))
  process.on('exit', () => java.kill())
  createInterface({ input: java.stdout }).on('line', (line) => {
    if (line.startsWith('varve ')) settle?.resolve(line.slice('varve '.length))
  })
  const answer = (): Promise<string> =>
    new Promise((resolve, reject) => {
      if (failure) reject(failure)
      settle = { resolve, reject }
    })
  await answer()
  return (line) => {
    const pending = answer()
    java.stdin.write(`${line}\n`)
    return pending
  }
}

const lastException = (text: string): string =>
  text.split('\n').find((line) => line.includes('Exception') || line.includes('rror')) ?? text.split('\n')[0] ?? ''
