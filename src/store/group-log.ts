import { check } from '../base/check.ts'
import type { Engine } from '../engine/engine.ts'
import type { GroupLog } from '../group/group-coordinator.ts'
import type { GroupLogRecord } from '../group/group-events.ts'
import type { Controller } from '../metadata/controller.ts'
import { groupRecords } from '../protocol/group-log/group-records.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import type { Crc32c } from '../record/record-types.ts'

/** Kafka's name of the topic. */
export const offsetsTopic = '__consumer_offsets'

/**
 * One partition: the groups of one process share its flushes. Kafka makes fifty, to spread the work over brokers, and
 * goes by the number that it finds.
 */
const newPartitionCount = 1

/** As Kafka has it, so that compaction comes round often. */
const segmentBytes = '104857600'

const readBytes = 1024 * 1024

/** Commits and the members of groups, in `__consumer_offsets`, which is made when the first group is. */
export class StoreGroupLog implements GroupLog {
  readonly #engine: Engine
  readonly #controller: Controller
  readonly #now: () => number
  readonly #builder: BatchBuilder

  constructor(engine: Engine, controller: Controller, { now, crc32c }: { now: () => number; crc32c: Crc32c }) {
    this.#engine = engine
    this.#controller = controller
    this.#now = now
    this.#builder = new BatchBuilder({ crc32c, now })
  }

  /** 0 where the topic is not there. */
  get #partitionCount(): number {
    return this.#controller.image.topic(offsetsTopic)?.partitions.length ?? 0
  }

  /** Every record that there is, in order, for the coordinator to take in. Makes nothing. */
  replay(take: (key: Uint8Array | null, value: Uint8Array | null) => void): void {
    for (let index = 0; index < this.#partitionCount; index++) {
      const partition = this.#engine.partition(offsetsTopic, index)
      for (let offset = partition.logStartOffset; offset < partition.logEndOffset; ) {
        const run = partition.read(offset, { maxBytes: readBytes })
        if (run.nextOffset <= offset) break
        for (const batch of run) for (const { key, value } of batch) take(key, value)
        offset = run.nextOffset
      }
    }
  }

  /** Makes the topic if it is not there. To be called, and awaited, before the first `append`. */
  async prepare(): Promise<void> {
    if (this.#partitionCount > 0) return
    await this.#controller
      .createTopic({
        name: offsetsTopic,
        partitions: newPartitionCount,
        configs: { 'cleanup.policy': 'compact', 'segment.bytes': segmentBytes },
      })
      .catch((failure: unknown) => {
        // Somebody else was first.
        if (this.#partitionCount === 0) throw failure
      })
  }

  /** Appended before this returns, so in the order of the calls; resolves when it is as durable as the topic has it. */
  async append(records: readonly GroupLogRecord[]): Promise<void> {
    if (records.length === 0) return
    check(this.#partitionCount > 0, 'the group log is prepared')
    // Records of one call are about one group.
    const { key: first } = groupRecords.decode(records[0]!.key, null)! as { key: { group?: string; groupId?: string } }
    const index = offsetsPartitionOf(first.group ?? first.groupId ?? '', this.#partitionCount)
    const partition = this.#engine.partition(offsetsTopic, index)
    this.#builder.reset()
    const timestamp = this.#now()
    for (const { key, value } of records) this.#builder.add({ key, value, timestamp })
    const { lastOffset } = partition.append(this.#builder, { origin: 'coordinator' })
    await partition.reach(lastOffset + 1)
  }
}

/** Where a group's records are: by Java's hash of its id, as every Kafka looks for them. */
export function offsetsPartitionOf(group: string, partitionCount: number): number {
  let hash = 0
  for (let at = 0; at < group.length; at++) hash = (Math.imul(hash, 31) + group.charCodeAt(at)) | 0
  // Java has no absolute value of its smallest number; Kafka takes 0.
  return (hash === -0x8000_0000 ? 0 : Math.abs(hash)) % partitionCount
}
