/**
 * lmdb: a B+tree in a mapped file. Records are values under rising 32-bit keys.
 *
 * `lmdb` is its synchronous transaction with `append`, its fastest way; `lmdb async` its batched asynchronous writes.
 * Buffered is `noSync`; synced flushes at each commit (which the asynchronous writes share).
 */
import { Payload } from '../payload.ts'
import { NotRun, type Subject, type System } from '../subject.ts'
import type { Task } from '../task.ts'
import { flushFolder, loadPeer } from './peers.ts'

interface Lmdb {
  open(options: Record<string, unknown>): Database
}
interface Database {
  transactionSync(action: () => void): void
  transaction(action: () => void): Promise<unknown>
  putSync(key: number, value: Buffer, options?: { append: boolean }): void
  put(key: number, value: Buffer): Promise<boolean>
  get(key: number): Buffer | undefined
  getRange(options: object): Iterable<{ key: number; value: Buffer }>
  getKeysCount(): number
  flushed: Promise<unknown>
  close(): Promise<void>
}

export const lmdb: System = { name: 'lmdb', open: (folder, task) => openLmdb(folder, task, false) }
export const lmdbAsync: System = { name: 'lmdb async', open: (folder, task) => openLmdb(folder, task, true) }

/** Transactions of `lmdb async` that one buffered writer keeps in flight; waiting for each would measure its timer. */
const inFlightMax = 8

async function openLmdb(folder: string, task: Task, asynchronous: boolean): Promise<Subject> {
  if (task.durability === 'interval') throw new NotRun('lmdb has no timed flush')
  if (task.logs > 1) throw new NotRun('64 lmdb environments are not a log each')
  const { open } = await loadPeer<Lmdb>('lmdb')
  const synced = task.durability === 'synced'
  const db = open({
    path: folder,
    encoding: 'binary',
    keyEncoding: 'uint32',
    compression: false,
    noSync: !synced,
    overlappingSync: false,
    noMemInit: true,
  })
  const payload = new Payload(task.recordBytes)
  let next = db.getKeysCount()
  const put = (): void => {
    for (let i = 0; i < task.batchRecords; i++) db.putSync(next++, payload.next(), { append: true })
  }
  // Timed one by one, or with other writers about, each waits for its own.
  const pipelined = !synced && task.writers === 1 && task.operation !== 'latency' && task.operation !== 'paced'
  const inFlight: Promise<unknown>[] = []
  const appendAsync = (): Promise<unknown> => {
    let last: Promise<unknown> = Promise.resolve()
    for (let i = 0; i < task.batchRecords; i++) last = db.put(next++, payload.next())
    if (!pipelined) return last
    inFlight.push(last)
    return inFlight.length > inFlightMax ? inFlight.shift()! : Promise.resolve()
  }
  return {
    recordsPerAppend: task.batchRecords,
    loops: asynchronous ? task.writers : 1,
    append() {
      if (asynchronous) return appendAsync()
      db.transactionSync(put)
      return undefined
    },
    drain: () => Promise.all(inFlight.splice(0)),
    read(mode) {
      if (mode !== 'owned') throw new NotRun('lmdb hands out owned values')
      let records = 0
      for (const { value } of db.getRange({})) if (value.length === task.recordBytes) records++
      return records
    },
    seek(record) {
      if (db.get(record)?.length !== task.recordBytes) throw new Error(`lmdb lost record ${record}`)
      return undefined
    },
    flush: () => flushFolder(folder),
    close: () => db.close(),
  }
}
