import { recordBytesMax } from '../record/batch-builder.ts'
import type { Partitioner, ProducerRecord } from './partitioner.ts'

/** Those records of a list that go to one partition, in their order. */
export interface RecordGroup {
  readonly partition: number
  readonly records: readonly ProducerRecord[]
  /** The most bytes that they take in a batch, its header aside. */
  readonly sizeBytes: number
  /** Their places in the list; null when the group is the whole list. */
  readonly indexes: readonly number[] | null
}

/**
 * Chooses a partition for each record of a list; groups come in the order of their first records. As a rule all go to
 * one partition: then nothing is copied.
 *
 * @throws What `recordBytesMax` and `Partitioner.choose` throw, for the first record that is wrong.
 */
export function divideRecords(
  records: readonly ProducerRecord[],
  partitioner: Partitioner,
  partitionCount: number,
): RecordGroup[] {
  let sizeBytes = 0
  let first = -1
  /** Made when they turn out to differ. */
  let partitions: number[] | null = null
  for (let i = 0; i < records.length; i++) {
    const record = records[i]!
    sizeBytes += recordBytesMax(record)
    const partition = partitioner.choose(record, partitionCount)
    if (i === 0) first = partition
    if (partitions === null && partition !== first) partitions = new Array<number>(i).fill(first)
    partitions?.push(partition)
  }
  if (records.length === 0) return []
  if (partitions === null) return [{ partition: first, records, sizeBytes, indexes: null }]
  const groups = new Map<
    number,
    { partition: number; records: ProducerRecord[]; sizeBytes: number; indexes: number[] }
  >()
  for (const [index, partition] of partitions.entries()) {
    let group = groups.get(partition)
    if (group === undefined) {
      group = { partition, records: [], sizeBytes: 0, indexes: [] }
      groups.set(partition, group)
    }
    group.records.push(records[index]!)
    group.indexes.push(index)
    group.sizeBytes += recordBytesMax(records[index]!)
  }
  return [...groups.values()]
}
