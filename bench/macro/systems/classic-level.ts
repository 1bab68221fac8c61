/**
 * classic-level: LevelDB. Records are values under rising 8-byte keys; buffered is `sync: false`, synced `sync: true`.
 * Chained batches, three times as fast as arrays of operations. Compression is off: the payload is random.
 */
import { Payload } from '../payload.ts'
import { NotRun, type Subject, type System } from '../subject.ts'
import type { Task } from '../task.ts'
import { flushFolder, loadPeer } from './peers.ts'

interface ClassicLevelModule {
  ClassicLevel: new (folder: string, options: object) => Level
}
interface Level {
  open(): Promise<void>
  batch(): { put(key: Buffer, value: Buffer): void; write(options: { sync: boolean }): Promise<void> }
  get(key: Buffer): Promise<Buffer | undefined>
  iterator(options?: object): { nextv(size: number): Promise<[Buffer, Buffer][]>; close(): Promise<void> }
  close(): Promise<void>
}

export const classicLevel: System = {
  name: 'classic-level',
  async open(folder: string, task: Task): Promise<Subject> {
    if (task.durability === 'interval') throw new NotRun('classic-level has no timed flush')
    if (task.logs > 1) throw new NotRun('64 databases are not a log each')
    const { ClassicLevel } = await loadPeer<ClassicLevelModule>('classic-level')
    const db = new ClassicLevel(folder, { keyEncoding: 'buffer', valueEncoding: 'buffer', compression: false })
    await db.open()
    const payload = new Payload(task.recordBytes)
    const options = { sync: task.durability === 'synced' }
    let next = 0
    return {
      recordsPerAppend: task.batchRecords,
      loops: task.writers,
      append() {
        const batch = db.batch()
        for (let i = 0; i < task.batchRecords; i++) batch.put(keyOf(next++), payload.next())
        return batch.write(options)
      },
      async read(mode) {
        if (mode !== 'owned') throw new NotRun('classic-level hands out owned values')
        const iterator = db.iterator()
        let records = 0
        for (let entries = await iterator.nextv(1000); entries.length > 0; entries = await iterator.nextv(1000))
          for (const [, value] of entries) if (value.length === task.recordBytes) records++
        await iterator.close()
        return records
      },
      async seek(record) {
        if ((await db.get(keyOf(record)))?.length !== task.recordBytes)
          throw new Error(`classic-level lost record ${record}`)
      },
      flush: () => flushFolder(folder),
      close: () => db.close(),
    }
  },
}

/** Big-endian, so that keys sort as numbers do. */
function keyOf(record: number): Buffer {
  const key = Buffer.allocUnsafe(8)
  key.writeUInt32BE(Math.floor(record / 2 ** 32), 0)
  key.writeUInt32BE(record >>> 0, 4)
  return key
}
