/** better-sqlite3: one table `(id integer primary key, value blob)` in WAL mode; buffered is `synchronous = off`, synced `full`. A batch is one transaction. */
import { join } from 'node:path'
import { Payload } from '../payload.ts'
import { NotRun, type Subject, type System } from '../subject.ts'
import type { Task } from '../task.ts'
import { flushFolder, loadPeer } from './peers.ts'

interface SqliteModule {
  default: new (file: string) => Sqlite
}
interface Sqlite {
  pragma(text: string): unknown
  exec(text: string): void
  prepare(text: string): Statement
  transaction(action: () => void): () => void
  close(): void
}
interface Statement {
  run(...values: unknown[]): unknown
  get(...values: unknown[]): unknown
  iterate(): IterableIterator<{ id: number; value: Buffer }>
}

export const betterSqlite3: System = {
  name: 'better-sqlite3',
  async open(folder: string, task: Task): Promise<Subject> {
    if (task.durability === 'interval') throw new NotRun('SQLite has no timed flush')
    if (task.logs > 1) throw new NotRun('64 databases are not a log each')
    const { default: Database } = await loadPeer<SqliteModule>(packageName())
    const db = new Database(join(folder, 'records.db'))
    db.pragma('journal_mode = WAL')
    db.pragma(`synchronous = ${task.durability === 'synced' ? 'FULL' : 'OFF'}`)
    db.exec('CREATE TABLE IF NOT EXISTS records (id INTEGER PRIMARY KEY, value BLOB)')
    const payload = new Payload(task.recordBytes)
    const insert = db.prepare('INSERT INTO records (value) VALUES (?)')
    const select = db.prepare('SELECT value FROM records WHERE id = ?')
    const all = db.prepare('SELECT id, value FROM records ORDER BY id')
    const batch = db.transaction(() => {
      for (let i = 0; i < task.batchRecords; i++) insert.run(payload.next())
    })
    return {
      recordsPerAppend: task.batchRecords,
      loops: 1,
      append() {
        if (task.batchRecords === 1) insert.run(payload.next())
        else batch()
        return undefined
      },
      read(mode) {
        if (mode !== 'owned') throw new NotRun('better-sqlite3 hands out owned values')
        let records = 0
        for (const { value } of all.iterate()) if (value.length === task.recordBytes) records++
        return records
      },
      seek(record) {
        const row = select.get(record + 1) as { value: Buffer } | undefined
        if (row?.value.length !== task.recordBytes) throw new Error(`better-sqlite3 lost record ${record}`)
        return undefined
      },
      flush: () => flushFolder(folder),
      close() {
        db.close()
        return undefined
      },
    }
  },
}

/** Version 13 carries binaries in its package but needs Node 22: on Node 20 it ends the process. There version 12 is compiled when peers are installed. */
export const packageName = (): string =>
  Number(process.versions.node.split('.')[0]) >= 22 ? 'better-sqlite3' : 'better-sqlite3-node20'
