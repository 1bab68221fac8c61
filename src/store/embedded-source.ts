import type { FetchedRun } from '../consumer/consumed-batch.ts'
import type { FetchRequest, FetchSource, PartitionBounds, Position } from '../consumer/fetch-source.ts'
import type { Engine } from '../engine/engine.ts'

/** Consumers of this process read straight from the engine's partitions: every answer is there at once. */
export class EmbeddedSource implements FetchSource {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  partitionCount(topic: string): number {
    return this.#engine.topic(topic).partitions.length
  }

  bounds(topic: string, partition: number): PartitionBounds {
    const { logStartOffset, highWatermark, lastStableOffset } = this.#engine.partition(topic, partition)
    return { logStartOffset, highWatermark, lastStableOffset }
  }

  fetch({ topic, partition, offset, maxBytes, isolation, views }: FetchRequest): FetchedRun {
    const from = this.#engine.partition(topic, partition)
    const run = from.read(offset, { maxBytes, isolation, views })
    return { batches: run, nextOffset: run.nextOffset, highWatermark: from.highWatermark }
  }

  offsetForTimestamp(topic: string, partition: number, timestamp: number): number | null {
    return this.#engine.partition(topic, partition).offsetForTimestamp(timestamp)?.offset ?? null
  }

  watch(positions: readonly Position[], wake: () => void): { cancel(): void } {
    // What was deleted meanwhile is noticed by the next fetch.
    const watches = positions
      .filter(({ topic, partition }) => this.#engine.has(topic, partition))
      .map(({ topic, partition }) => this.#engine.partition(topic, partition).watch(wake))
    return {
      cancel: () => {
        for (const watch of watches) watch.cancel()
      },
    }
  }
}
