import type { Engine } from '../engine/engine.ts'
import type {
  ProducedBatch,
  ProduceRequest,
  ProducerIdentity,
  ProduceTarget,
  ProduceTopic,
} from '../producer/produce-target.ts'
import type { BatchBuilder } from '../record/batch-builder.ts'

/** Producers of this process append straight to the engine's partitions; only for the disk they have to wait. */
export class EmbeddedTarget implements ProduceTarget {
  // Appended at once, in order: nothing of it is ever sent again. What waits for the disk is bounded by the buffer.
  readonly inFlightMax = Number.MAX_SAFE_INTEGER
  readonly #engine: Engine
  readonly #newProducerId: () => ProducerIdentity | Promise<ProducerIdentity>

  constructor(engine: Engine, newProducerId: () => ProducerIdentity | Promise<ProducerIdentity>) {
    this.#engine = engine
    this.#newProducerId = newProducerId
  }

  describeTopic(name: string): ProduceTopic {
    const topic = this.#engine.topic(name)
    return { partitionCount: topic.partitions.length, maxBatchBytes: this.#engine.settingsOf(topic).maxMessageBytes }
  }

  produce(request: ProduceRequest, batch: BatchBuilder): ProducedBatch | Promise<ProducedBatch> {
    const { topic, partition: index, expectedOffset, durability } = request
    const partition = this.#engine.partition(topic, index)
    const { baseOffset, lastOffset } = partition.append(batch, { expectedOffset })
    const appendTimestamp = partition.log.lastAppendTimestamp
    const reached = partition.reach(lastOffset + 1, durability)
    if (typeof reached === 'string') return { baseOffset, lastOffset, appendTimestamp, durability: reached }
    return reached.then((durability) => ({ baseOffset, lastOffset, appendTimestamp, durability }))
  }

  newProducerId(): ProducerIdentity | Promise<ProducerIdentity> {
    return this.#newProducerId()
  }
}
