import { compressionCodecs } from '../../../src/env/node/codecs/index.ts'
import { VarveError } from '../../../src/errors.ts'
import type {
  Durability,
  ProducedBatch,
  ProduceRequest,
  ProducerIdentity,
  ProduceTarget,
  ProduceTopic,
} from '../../../src/producer/produce-target.ts'
import type { BatchBuilder } from '../../../src/record/batch-builder.ts'
import { readBatches } from '../../../src/record/read-batches.ts'
import type { RecordBatch } from '../../../src/record/record-batch.ts'

/** A batch as the target got it. */
export interface TakenBatch {
  readonly request: ProduceRequest
  readonly batch: RecordBatch
  readonly baseOffset: number
}

/** Answers of `produce` that a test gives when it likes, in any order. */
export interface HeldAnswer extends TakenBatch {
  answer(): void
  fail(error: unknown): void
}

/** Topics in memory: every batch is decoded, appended to its partition's end, and answered at once unless held. */
export class FakeTarget implements ProduceTarget {
  inFlightMax = 5
  readonly topics: Record<string, { partitionCount: number; maxBatchBytes: number }> = {
    orders: { partitionCount: 1, maxBatchBytes: 1_048_588 },
  }
  readonly taken: TakenBatch[] = []
  /** Set: answers are held back here. */
  held: HeldAnswer[] | null = null
  /** Set: topics are described, and producer ids given, a turn of the event loop later. */
  late = false
  /** Thrown by the next calls, one each. */
  readonly faults: Error[] = []
  reached: Durability = 'buffered'
  appendTimestamp = -1
  idCount = 0
  idFault: Error | null = null
  firstEpoch = 0
  readonly #ends = new Map<string, number>()

  describeTopic(topic: string): ProduceTopic | Promise<ProduceTopic> {
    const known = this.topics[topic]
    const answer = (): ProduceTopic => {
      if (known === undefined) throw new VarveError('VARVE_UNKNOWN_TOPIC', `There is no topic "${topic}".`)
      return known
    }
    return this.late ? new Promise((resolve) => setImmediate(resolve)).then(answer) : answer()
  }

  produce(request: ProduceRequest, builder: BatchBuilder): ProducedBatch | Promise<ProducedBatch> {
    const fault = this.faults.shift()
    if (fault !== undefined) throw fault
    const name = `${request.topic}-${request.partition}`
    const end = this.#ends.get(name) ?? 0
    if (request.expectedOffset !== undefined && request.expectedOffset !== end) {
      throw new VarveError('VARVE_OFFSET_MISMATCH', `It ends at ${end}.`, {
        details: { expectedOffset: request.expectedOffset, logEndOffset: end },
      })
    }
    const [batch] = readBatches(builder.build(), { codecs: compressionCodecs })
    const taken = { request, batch: batch!, baseOffset: end }
    this.#ends.set(name, end + batch!.recordCount)
    this.taken.push(taken)
    const produced: ProducedBatch = {
      baseOffset: end,
      lastOffset: end + batch!.recordCount - 1,
      appendTimestamp: this.appendTimestamp,
      durability: request.durability ?? this.reached,
    }
    const { held } = this
    if (held === null) return produced
    return new Promise((resolve, reject) => {
      held.push({ ...taken, answer: () => resolve(produced), fail: reject })
    })
  }

  newProducerId(): ProducerIdentity | Promise<ProducerIdentity> {
    if (this.idFault !== null) throw this.idFault
    this.idCount++
    const identity = { producerId: BigInt(1000 + this.idCount), producerEpoch: this.firstEpoch }
    return this.late ? new Promise((resolve) => setImmediate(resolve, identity)) : identity
  }

  /** The texts of each batch that was taken, in order. */
  batches(): string[] {
    return this.taken.map(({ request, batch }) => `${request.partition}: ${valuesOf(batch)}`)
  }
}

export function valuesOf(batch: RecordBatch): string {
  return [...batch].map((record) => record.text()).join(' ')
}
