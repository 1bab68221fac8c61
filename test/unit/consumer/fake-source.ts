import type { FetchedRun } from '../../../src/consumer/consumed-batch.ts'
import type { FetchRequest, FetchSource, PartitionBounds, Position } from '../../../src/consumer/fetch-source.ts'
import { BatchBuilder, readBatches } from '../../../src/doors/record.ts'
import { VarveError } from '../../../src/errors.ts'

interface FakePartition {
  /** Stored batches, each with its first offset. */
  batches: { baseOffset: number; nextOffset: number; bytes: Buffer }[]
  logStartOffset: number
  logEndOffset: number
  /** Exclusive; the log end where nobody set it. */
  lastStableOffset: number | null
}

/** Partitions in memory, behind the interface that consumers read from. With `late` every answer is a promise. */
export class FakeSource implements FetchSource {
  readonly partitions: FakePartition[]
  readonly watchers = new Set<() => void>()
  fetches = 0
  late = false

  constructor(partitionCount: number) {
    this.partitions = Array.from({ length: partitionCount }, () => ({
      batches: [],
      logStartOffset: 0,
      logEndOffset: 0,
      lastStableOffset: null,
    }))
  }

  /** Appends one stored batch. */
  append(partition: number, ...values: string[]): void {
    const target = this.partitions[partition]!
    const builder = new BatchBuilder()
    values.forEach((value, index) => {
      builder.add({ key: null, value, timestamp: 1000 + target.logEndOffset + index })
    })
    const bytes = Buffer.from(builder.build({ baseOffset: target.logEndOffset, leaderEpoch: 7 }))
    const baseOffset = target.logEndOffset
    target.logEndOffset += values.length
    target.batches.push({ baseOffset, nextOffset: target.logEndOffset, bytes })
    for (const watcher of [...this.watchers]) watcher()
  }

  partitionCount(topic: string): number | Promise<number> {
    if (topic !== 'orders') throw new VarveError('VARVE_UNKNOWN_TOPIC', `There is no topic "${topic}".`)
    return this.#answer(this.partitions.length)
  }

  bounds(_topic: string, partition: number): PartitionBounds | Promise<PartitionBounds> {
    const { logStartOffset, logEndOffset, lastStableOffset } = this.partitions[partition]!
    const highWatermark = logEndOffset
    return this.#answer({ logStartOffset, highWatermark, lastStableOffset: lastStableOffset ?? logEndOffset })
  }

  fetch({ partition, offset, maxBytes }: FetchRequest): FetchedRun | Promise<FetchedRun> {
    this.fetches++
    const { batches, logStartOffset, logEndOffset } = this.partitions[partition]!
    if (offset < logStartOffset || offset > logEndOffset) {
      throw new VarveError('VARVE_OFFSET_OUT_OF_RANGE', 'out of range', { details: { offset, logStartOffset } })
    }
    const found = []
    let nextOffset = offset
    let bytes = 0
    for (const batch of batches) {
      if (batch.nextOffset <= offset) continue
      if (found.length > 0 && bytes + batch.bytes.length > maxBytes) break
      found.push(...readBatches(batch.bytes))
      bytes += batch.bytes.length
      nextOffset = batch.nextOffset
    }
    return this.#answer({ batches: found, nextOffset, highWatermark: logEndOffset })
  }

  offsetForTimestamp(_topic: string, partition: number, timestamp: number): number | null | Promise<number | null> {
    const { logEndOffset } = this.partitions[partition]!
    const offset = Math.max(0, timestamp - 1000)
    return this.#answer(offset < logEndOffset ? offset : null)
  }

  watch(_positions: readonly Position[], wake: () => void): { cancel(): void } {
    const watcher = (): void => wake()
    this.watchers.add(watcher)
    return { cancel: () => void this.watchers.delete(watcher) }
  }

  #answer<T>(value: T): T | Promise<T> {
    return this.late ? new Promise((resolve) => setImmediate(resolve, value)) : value
  }
}
