/** varve itself, by its public doors `varve/log` and `varve/record`. Encoding the batches is part of every append. */
import { join } from 'node:path'
import { BatchBuilder, type Log, openLog } from '../../../src/doors/log.ts'
import { RecordCursor } from '../../../src/doors/record.ts'
import { batchBytes, Payload } from '../payload.ts'
import type { ReadMode, Subject, System } from '../subject.ts'
import type { Task } from '../task.ts'
import { followLatency } from './varve-follow.ts'
import { idleCosts } from './varve-idle.ts'

export const varve: System = {
  name: 'varve',
  open: openVarve,
  operations: { follow: followLatency, idle: idleCosts },
}

/** Room for the largest batch of a sweep, 10,000 records of 100 bytes; the default of 1 MiB is just too small for it. */
const batchBytesMax = 4 << 20

/** One read's slab: the 1,000 records of 100 bytes that this bench batches take 112 KB, which the default of 64 KB would ask for twice. */
const readBytes = 128 << 10

/** A view costs no memory, so it may be larger. */
const viewBytes = 1 << 20

async function openVarve(folder: string, task: Task): Promise<Subject> {
  const { durability } = task
  if (durability === 'memory') throw new Error('varve writes to files')
  const folders = task.logs === 1 ? [folder] : Array.from({ length: task.logs }, (_, i) => join(folder, `log-${i}`))
  const logs = await Promise.all(folders.map((path) => openLog(path, { durability, maxMessageBytes: batchBytesMax })))
  const first = logs[0]!
  // Views are of sealed segments.
  if (task.variant === 'views') first.roll()
  const payload = new Payload(task.recordBytes)
  const builder = new BatchBuilder({ maxBytes: batchBytesMax })
  const fill = (): BatchBuilder => {
    builder.reset()
    for (let i = 0; i < task.batchRecords; i++) builder.addKeyValue(null, payload.next())
    return builder
  }
  const oneBatch = { maxBytes: batchBytes(task.recordBytes, task.batchRecords) }
  const synchronous = durability === 'buffered' && task.writers === 1
  return {
    recordsPerAppend: task.batchRecords,
    loops: task.writers,
    append(loop) {
      const log = logs[loop % logs.length]!
      // The builder may be filled again at once: its bytes have been copied when the call returns.
      if (!synchronous) return log.appendDurable(fill(), durability)
      log.append(fill())
      return undefined
    },
    read: (mode) => readAll(first, mode),
    seek(record) {
      for (const batch of first.read(record, oneBatch)) {
        if (batch.baseOffset <= record && record <= batch.lastOffset) return undefined
        break
      }
      throw new Error(`varve lost record ${record}`)
    },
    flush: () => Promise.all(logs.map((log) => log.flush())),
    close: () => Promise.all(logs.map((log) => log.close())),
  }
}

function readAll(log: Log, mode: ReadMode): number {
  const request =
    mode === 'views'
      ? { maxBytes: viewBytes, views: true }
      : // A walk keeps nothing, so it may use the same memory again, as Chronicle does.
        mode === 'walk'
        ? { into: new Uint8Array(readBytes) }
        : { maxBytes: readBytes }
  const cursor = new RecordCursor()
  let records = 0
  let bytes = 0
  for (let offset = log.logStartOffset; offset < log.logEndOffset; ) {
    const run = log.read(offset, request)
    for (const batch of run) {
      if (mode === 'walk') {
        batch.walk(cursor)
        while (cursor.next()) {
          bytes += cursor.valueEnd - cursor.valueStart
          records++
        }
      } else {
        for (const { key, value } of batch) {
          bytes += (key?.length ?? 0) + value!.length
          records++
        }
      }
    }
    offset = run.nextOffset
  }
  // The sum is used, so that no compiler may leave the values out.
  if (bytes === 0) throw new Error('no bytes were read')
  return records
}
