/**
 * What the drivers need of whatever is measured: the machine's limit, varve, or a peer. An adapter is a few dozen lines
 * and holds no timing, so that all systems run the same loops.
 */
import type { Point } from './row.ts'
import type { Task } from './task.ts'

export type ReadMode = 'walk' | 'owned' | 'views'

export interface Subject {
  /** Records that one call of `append` handles: the task's batch, or all writers' batches where the bare loop stands for them. */
  readonly recordsPerAppend: number
  /** Append loops that the driver keeps running at the same time: the task's writers, or 1 where calls are synchronous. */
  readonly loops: number
  /** Appends the next batch from loop `loop`. Done at the task's durability when it returns, or when the promise does. */
  append(loop: number): undefined | Promise<unknown>
  /** Waits for appends that the engine was allowed to finish later. */
  drain?(): Promise<unknown>
  /** Reads everything from the first record on and returns how many there were. */
  read?(mode: ReadMode): number | Promise<number>
  /** Reads one record (or the batch that starts with it) by its number. */
  seek?(record: number): undefined | Promise<unknown>
  /** Makes all appended records survive a power cut. */
  flush(): undefined | Promise<unknown>
  close(): undefined | Promise<unknown>
}

export interface System {
  readonly name: string
  /** Opens the store in `folder`, which exists; creates what is missing. Rejects with `NotRun` when it cannot take part. */
  open(folder: string, task: Task): Promise<Subject>
  /** Whole operations that do not fit the drivers' loops, by name. */
  readonly operations?: Readonly<Record<string, (folder: string, task: Task) => Promise<Point[]>>>
}

/** This system cannot take part here; the message is the reason that the report prints. */
export class NotRun extends Error {}
