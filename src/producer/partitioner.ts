import { VarveError } from '../errors.ts'
import { dataBytes, writeData } from '../record/record-data.ts'
import type { RecordData, RecordInput } from '../record/record-types.ts'
import { murmur2 } from './murmur2.ts'

/** A record on its way to a topic. */
export interface ProducerRecord extends RecordInput {
  /** Which partition; default: what the producer's partitioner says. */
  readonly partition?: number | undefined
}

/**
 * Chooses the partition of a record that names none.
 * @returns An integer from 0 to `partitionCount - 1`.
 */
export type PartitionChooser = (topic: string, key: RecordData, value: RecordData, partitionCount: number) => number

/** A longer key is copied into memory of its own to be hashed. */
const scratchBytes = 1024
const noPartition = -1

/**
 * Which partition a record goes to: the one that it names; else what the user's function says; else by its key, as
 * Kafka's Java client chooses, so that both send a key to the same partition; without a key to the sticky one.
 *
 * One for each topic of a producer. The sticky partition stays until `moved` says that its batch went off, so that
 * records without a key fill batches instead of being spread over all partitions.
 */
export class Partitioner {
  readonly #topic: string
  readonly #chooser: PartitionChooser | undefined
  readonly #random: () => number
  #sticky = noPartition
  readonly #scratch: Buffer

  /** @param random From 0 to below 1. @param scratch Shared by the partitioners of a producer; see `makeScratch`. */
  constructor(topic: string, chooser: PartitionChooser | undefined, random: () => number, scratch: Buffer) {
    this.#topic = topic
    this.#chooser = chooser
    this.#random = random
    this.#scratch = scratch
  }

  static makeScratch(): Buffer {
    return Buffer.alloc(scratchBytes)
  }

  /**
   * @throws VARVE_INVALID_ARGUMENT (a partition that is no number; a key that is none; what the user's function
   * returned), VARVE_UNKNOWN_TOPIC (a partition that is not there), and what the user's function throws.
   */
  choose(record: ProducerRecord, partitionCount: number): number {
    const { partition } = record
    if (partition !== undefined) {
      if (!(Number.isSafeInteger(partition) && partition >= 0)) {
        throw new VarveError(
          'VARVE_INVALID_ARGUMENT',
          `The partition must be an integer from 0 on, not ${String(partition)}.`,
          { details: { argument: 'partition' } },
        )
      }
      if (partition >= partitionCount) throw this.#noSuchPartition(partition, partitionCount)
      return partition
    }
    const { key } = record
    if (this.#chooser !== undefined) return this.#chosen(this.#chooser, key ?? null, record.value, partitionCount)
    if (key !== undefined && key !== null) return partitionOfKey(key, partitionCount, this.#scratch)
    if (this.#sticky === noPartition || this.#sticky >= partitionCount) {
      this.#sticky = partitionCount === 1 ? 0 : Math.floor(this.#random() * partitionCount)
    }
    return this.#sticky
  }

  /** A batch of `partition` went off: if that was the sticky one, another is chosen for the next record. */
  moved(partition: number): void {
    if (partition === this.#sticky) this.#sticky = noPartition
  }

  #chosen(chooser: PartitionChooser, key: RecordData, value: RecordData, partitionCount: number): number {
    const partition = chooser(this.#topic, key, value, partitionCount)
    if (Number.isSafeInteger(partition) && partition >= 0 && partition < partitionCount) return partition
    throw new VarveError(
      'VARVE_INVALID_ARGUMENT',
      `The partitioner must return an integer from 0 to ${partitionCount - 1} for "${this.#topic}", not ${String(partition)}.`,
      { details: { option: 'partitioner', topic: this.#topic, partitionCount } },
    )
  }

  #noSuchPartition(partition: number, partitionCount: number): VarveError {
    return new VarveError(
      'VARVE_UNKNOWN_TOPIC',
      `"${this.#topic}" has partitions 0 to ${partitionCount - 1}, not ${partition}.`,
      { details: { topic: this.#topic, partition, partitionCount } },
    )
  }
}

/** The partition of a key: its hash with the sign bit cleared, modulo the number of partitions. */
export function partitionOfKey(
  key: string | Uint8Array,
  partitionCount: number,
  scratch: Buffer = Buffer.alloc(scratchBytes),
): number {
  const size = dataBytes(key, 'key')
  let hash: number
  if (typeof key !== 'string') hash = murmur2(key, size)
  else {
    const bytes = size <= scratch.length ? scratch : Buffer.alloc(size)
    writeData(bytes, 0, key, size)
    hash = murmur2(bytes, size)
  }
  return (hash & 0x7fff_ffff) % partitionCount
}
