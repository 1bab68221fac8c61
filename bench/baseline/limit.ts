/**
 * What the machine can do at all, with nothing on top: a copy in memory, ready-made batches written to a file, a write
 * and a `fdatasync` of the same bytes, a `pread` loop. Everything else in a report is compared with this.
 *
 * The bytes are as many as a log writes for the same batch (`batchBytes`); making the batches is not part of the work.
 */
import { closeSync, constants, fdatasync, fdatasyncSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { batchBytes, Payload } from '../macro/payload.ts'
import { NotRun, type Subject, type System } from '../macro/subject.ts'
import type { Task } from '../macro/task.ts'
import { pipeLatency } from './pipe.ts'

const fdatasyncInPool = promisify(fdatasync)

export const limit: System = {
  name: 'limit',
  async open(folder: string, task: Task): Promise<Subject> {
    if (task.durability === 'memory') return memoryCopy(task)
    return task.logs === 1 ? oneFile(folder, task) : manyFiles(folder, task)
  },
  operations: { follow: (_folder, task) => pipeLatency(task) },
}

/** Copies batches into a warm ring of 64 MiB, as an append to a warm mapping would. */
function memoryCopy(task: Task): Subject {
  const batch = readyBatch(task)
  const ring = Buffer.alloc(Math.max(64 << 20, batch.length * 2), 1)
  let position = 0
  return {
    recordsPerAppend: task.batchRecords,
    loops: 1,
    append() {
      if (position + batch.length > ring.length) position = 0
      ring.set(batch, position)
      position += batch.length
      return undefined
    },
    flush: () => undefined,
    close: () => undefined,
  }
}

/** A plain file. Of several writers that each wait for the disk the bare loop writes all batches at once, then flushes once. */
function oneFile(folder: string, task: Task): Subject {
  const batch = readyBatch(task)
  const synced = task.durability === 'synced'
  const group = Buffer.concat(Array.from({ length: task.writers }, () => batch))
  const file = openSync(join(folder, 'limit'), constants.O_RDWR | constants.O_CREAT | constants.O_APPEND)
  return {
    recordsPerAppend: task.batchRecords * task.writers,
    loops: 1,
    append() {
      writeSync(file, group)
      if (synced) fdatasyncSync(file)
      return undefined
    },
    read(mode) {
      if (mode !== 'walk') throw new NotRun('a pread loop makes no records; see the walk')
      const slab = Buffer.allocUnsafe(1 << 20)
      const size = fstatSync(file).size
      let position = 0
      while (position < size) position += readSync(file, slab, 0, slab.length, position)
      return Math.round((size / batch.length) * task.batchRecords)
    },
    seek(record) {
      readSync(file, batch, 0, batch.length, Math.floor(record / task.batchRecords) * batch.length)
      return undefined
    },
    flush() {
      fdatasyncSync(file)
      return undefined
    },
    close() {
      closeSync(file)
      return undefined
    },
  }
}

/** One batch to each file, then all are flushed: one after another, or (`parallel`) by the 16 threads of Node's pool. */
function manyFiles(folder: string, task: Task): Subject {
  const batch = readyBatch(task)
  const files = Array.from({ length: task.logs }, (_, i) => openSync(join(folder, `limit-${i}`), 'a'))
  const flush = async (): Promise<void> => {
    await Promise.all(files.map((file) => fdatasyncInPool(file)))
  }
  const synced = task.durability === 'synced'
  return {
    recordsPerAppend: task.batchRecords * task.logs,
    loops: 1,
    append() {
      for (const file of files) writeSync(file, batch)
      if (!synced) return undefined
      if (task.variant === 'parallel') return flush()
      for (const file of files) fdatasyncSync(file)
      return undefined
    },
    flush,
    close() {
      for (const file of files) closeSync(file)
      return undefined
    },
  }
}

function readyBatch(task: Task): Buffer {
  return Buffer.from(new Payload(batchBytes(task.recordBytes, task.batchRecords)).next())
}
