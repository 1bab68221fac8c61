import type { FetchedRun } from './consumed-batch.ts'

/** 'read_committed' leaves out what aborted transactions wrote, and waits for those that are open. */
export type Isolation = 'read_uncommitted' | 'read_committed'

/** A place in a partition: `offset` is the next record that is wanted. */
export interface Position {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export interface FetchRequest extends Position {
  /** Most bytes of stored batches, though never less than one whole batch. */
  readonly maxBytes: number
  readonly isolation: Isolation
  /** Views of sealed segments instead of copies, where the source can. */
  readonly views: boolean
}

/** What of a partition may be read. */
export interface PartitionBounds {
  readonly logStartOffset: number
  /** Exclusive. */
  readonly highWatermark: number
  /** Exclusive; for readers of committed records. */
  readonly lastStableOffset: number
}

/**
 * Where consumers read from. Nothing in it knows whether the partitions are in this process: an embedded one answers at
 * once, a remote one with a promise.
 *
 * Errors of all calls: VARVE_UNKNOWN_TOPIC for a topic or partition that is not there, VARVE_CLOSED.
 */
export interface FetchSource {
  /** How many partitions a topic has. */
  partitionCount(topic: string): number | Promise<number>
  bounds(topic: string, partition: number): PartitionBounds | Promise<PartitionBounds>
  /** Reads without waiting; no batches when nothing is there yet. Also VARVE_OFFSET_OUT_OF_RANGE, VARVE_CORRUPT. */
  fetch(request: FetchRequest): FetchedRun | Promise<FetchedRun>
  /** Offset of the first record at or after a time (ms); null when there is none. */
  offsetForTimestamp(topic: string, partition: number, timestamp: number): number | null | Promise<number | null>
  /**
   * Calls `wake`, any number of times, when there may be something to read at one of the positions, or the partition is
   * no longer what it was (cut, deleted, closed). It may be called although there is nothing.
   */
  watch(positions: readonly Position[], wake: () => void): { cancel(): void }
}
