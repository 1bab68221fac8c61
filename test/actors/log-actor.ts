/**
 * A process or a worker thread that writes a log or follows one, and does what its host says: see `Actor`. It writes
 * with `contents.ts` and compares every byte that it reads.
 */
import { parentPort } from 'node:worker_threads'
import { type Log, type LogReader, openLog, type WriteOptions } from '../../src/doors/log.ts'
import { batchAt, checkedTag } from './contents.ts'
import { heldPaths, mapsLeft } from './garbage.ts'

/** What a follower has seen. */
export interface Seen {
  /** Offset of the record that it waits for. */
  readonly nextOffset: number
  readonly records: number
  /** Tags in the order in which they changed, each with the offset where it began. */
  readonly tags: { tag: number; offset: number }[]
  /** Offsets that it asked for and that were no longer there, each with where it went on. */
  readonly jumps: { offset: number; to: number }[]
  /** Why it stopped; '' while it follows. */
  readonly failure: string
}

let log: Log | null = null
let reader: LogReader | null = null
let seen = nothingSeen(0)
let changed: () => void = () => {}
const held: { offset: number; value: Uint8Array }[] = []

function nothingSeen(nextOffset: number) {
  return {
    nextOffset,
    records: 0,
    tags: [] as Seen['tags'][number][],
    jumps: [] as Seen['jumps'][number][],
    failure: '',
  }
}

function openedLog(): Log {
  if (log === null) throw new Error('this actor has opened no log')
  return log
}

async function followAll(source: LogReader, from: number | 'earliest', views: boolean): Promise<void> {
  let offset = from === 'earliest' ? source.logStartOffset : from
  seen = nothingSeen(offset)
  try {
    while (!source.closed) {
      try {
        const run = source.read(offset, { views })
        for (const batch of run)
          for (const record of batch) {
            if (record.offset < offset) continue
            if (record.offset !== offset) throw new Error(`offset ${record.offset} came where ${offset} was due`)
            const tag = checkedTag(offset, record.value)
            if (seen.tags.at(-1)?.tag !== tag) seen.tags.push({ tag, offset })
            seen.records++
            offset++
          }
        seen.nextOffset = offset
        changed()
        if (run.batchCount === 0) await source.waitFor(offset)
      } catch (error) {
        const { code, details } = error as { code?: string; details?: { logStartOffset: number; logEndOffset: number } }
        if (code !== 'VARVE_OFFSET_OUT_OF_RANGE' || details === undefined) throw error
        const to = offset < details.logStartOffset ? details.logStartOffset : details.logEndOffset
        seen.jumps.push({ offset, to })
        offset = to
      }
    }
  } catch (error) {
    seen.failure = error instanceof Error ? (error.stack ?? error.message) : String(error)
    changed()
  }
}

/** What a host may ask for; arguments and answers are plain data. */
export const calls = {
  async open(folder: string, options: WriteOptions = {}) {
    log = await openLog(folder, options)
    return { logStartOffset: log.logStartOffset, logEndOffset: log.logEndOffset }
  },
  /** Appends records in batches; answers the log end. */
  append(records: number, batchRecords: number, tag: number): number {
    const target = openedLog()
    for (let left = records; left > 0; left -= batchRecords) {
      target.append(batchAt(target.logEndOffset, Math.min(left, batchRecords), tag))
    }
    return target.logEndOffset
  },
  /** Appends, turn of the event loop by turn, until the process ends. Says what was acknowledged by messages. */
  appendForEver(batchRecords: number, tag: number, keepRecords: number): void {
    const target = openedLog()
    const turn = (): void => {
      target.append(batchAt(target.logEndOffset, batchRecords, tag))
      if (target.logEndOffset - target.logStartOffset > 2 * keepRecords)
        target.deleteBefore(target.logEndOffset - keepRecords)
      post({ acknowledged: target.logEndOffset })
      setImmediate(turn)
    }
    turn()
  },
  async appendDurable(records: number, tag: number) {
    const target = openedLog()
    return target.appendDurable(batchAt(target.logEndOffset, records, tag))
  },
  deleteBefore: (offset: number): number => openedLog().deleteBefore(offset),
  truncateTo: (offset: number): Promise<number> => openedLog().truncateTo(offset),
  truncateFully: (offset: number): Promise<void> => openedLog().truncateFully(offset),
  roll: (): void => openedLog().roll(),
  stats: () => openedLog().stats(),
  async close() {
    await log?.close()
    log = null
  },
  async attach(folder: string) {
    reader = await openLog(folder, { mode: 'read' })
    return { logStartOffset: reader.logStartOffset, logEndOffset: reader.logEndOffset }
  },
  /** Follows with the attached reader until it is closed. */
  follow(from: number | 'earliest', views: boolean): void {
    void followAll(reader!, from, views)
  },
  seen: (): Seen => seen,
  /** Answers once the follower has seen everything below an offset, or has failed. */
  async seenTo(offset: number): Promise<Seen> {
    while (seen.nextOffset < offset && seen.failure === '') {
      await new Promise<void>((resolve) => {
        changed = resolve
      })
    }
    return seen
  },
  detach(): void {
    reader?.close()
    reader = null
  },
  /** Keeps one view for each record from an offset on; answers how many. */
  hold(from: number, count: number): number {
    for (let offset = from; held.length < count; ) {
      const run = (log ?? reader)!.read(offset, { views: true })
      if (run.batchCount === 0) break
      for (const batch of run) for (const { offset: at, value } of batch) held.push({ offset: at, value: value! })
      offset = run.nextOffset
    }
    return held.length
  },
  /** Compares every byte of what is held. */
  checkHeld(): number {
    for (const { offset, value } of held) checkedTag(offset, value)
    return held.length
  },
  /** Lets go of what was held; answers what is left of it, by a part of the path. */
  async release(part: string): Promise<{ maps: number; files: number }> {
    held.length = 0
    await mapsLeft(part)
    return heldPaths(part)
  },
}

export type Calls = typeof calls

interface Request {
  readonly id: number
  readonly call: keyof Calls
  readonly args: readonly unknown[]
}

function post(message: object): void {
  if (parentPort !== null) parentPort.postMessage(message)
  else process.send?.(message)
}

async function answer({ id, call, args }: Request): Promise<void> {
  try {
    const value = await (calls[call] as (...args: readonly unknown[]) => unknown)(...args)
    post({ id, value })
  } catch (error) {
    const { message, code, details } = error as { message: string; code?: string; details?: object }
    post({
      id,
      error: { message, code, details: details === undefined ? undefined : JSON.parse(JSON.stringify(details)) },
    })
  }
}

if (parentPort !== null) parentPort.on('message', (request: Request) => void answer(request))
else process.on('message', (request: Request) => void answer(request))
