/** What an open log costs that nobody writes to: heap, resident memory, maps and disk, for each of many. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { openLog } from '../../../src/doors/log.ts'
import { anonymousBytes } from '../drivers.ts'
import type { Point } from '../row.ts'
import type { Task } from '../task.ts'

export async function idleCosts(folder: string, task: Task): Promise<Point[]> {
  // The first log loads what all share.
  const before = await openLog(join(folder, 'first'))
  const start = await costs()
  const logs = []
  for (let i = 0; i < task.logs; i++) logs.push(await openLog(join(folder, `log-${i}`)))
  const end = await costs()
  let diskBytes = 0
  for (let i = 0; i < task.logs; i++) diskBytes += allocatedBytes(join(folder, `log-${i}`))
  for (const log of [...logs, before]) await log.close()
  const each = (suffix: string, unit: Point['unit'], total: number): Point => ({
    suffix,
    unit,
    value: total / task.logs,
    bytes: 0,
  })
  return [
    each(', heap', 'bytes', end.heap - start.heap),
    each(', resident beside the heap', 'bytes', Math.max(0, end.resident - start.resident - (end.heap - start.heap))),
    each(', maps', 'maps', end.maps - start.maps),
    each(', disk', 'bytes', diskBytes),
  ]
}

async function costs(): Promise<{ heap: number; resident: number; maps: number }> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await turn()
  }
  return { heap: process.memoryUsage().heapUsed, resident: anonymousBytes(), maps: countMaps() }
}

function countMaps(): number {
  try {
    return readFileSync('/proc/self/maps', 'latin1').split('\n').length
  } catch {
    return 0
  }
}

/** Blocks in use of 512 bytes each, of the log's own files. */
function allocatedBytes(folder: string): number {
  return readdirSync(folder)
    .map((name) => (statSync(join(folder, name)).blocks ?? 0) * 512)
    .reduce((sum, bytes) => sum + bytes, 0)
}
