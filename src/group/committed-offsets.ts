/**
 * The committed offsets of all groups: a fold of the records of `__consumer_offsets`. Pure.
 *
 * Nothing changes but by `apply`, with records that are in the log: what was just committed and what is read back after
 * a restart take the same way. `commit`, `tombstones` and `expired` make records and change nothing.
 */
import { type ErrorCode, VarveError } from '../errors.ts'
import { type GroupRecord, groupRecords } from '../protocol/group-log/group-records.ts'
import { type GroupLogRecord, groupTextMax } from './group-events.ts'

/** What a member commits. */
export interface OffsetToCommit {
  readonly topic: string
  readonly partition: number
  /** The next record that the group wants. Negative ones are accepted, as by Kafka. */
  readonly offset: number
  /** Of the last record that was consumed; -1 when it is not known. */
  readonly leaderEpoch: number
  /** Whatever the member wants to remember. */
  readonly metadata: string
}

export interface CommittedOffset {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
  readonly commitTimestamp: number
  /** Of commits that named their own retention (OffsetCommit 2 to 4), wall time; -1 for others. */
  readonly expireTimestamp: number
}

export interface CommitOutcome {
  readonly topic: string
  readonly partition: number
  /** Null when `records` have it. */
  readonly error: ErrorCode | null
}

/** @throws what the first partition was refused with, if any was. */
export function requireCommitted(group: string, outcomes: readonly CommitOutcome[]): void {
  const refused = outcomes.find(({ error }) => error !== null)
  if (refused === undefined) return
  const { topic, partition } = refused
  throw new VarveError(refused.error!, `Group "${group}" could not commit in ${topic}-${partition}.`, {
    details: { group, topic, partition },
  })
}

/** From when on the retention of a group's offsets counts. */
export interface OffsetRetention {
  /** The time of each commit, or a wall time in ms: since then the group has had no members. */
  readonly from: 'commit' | number
  /** Offsets of these topics stay: the group is subscribed to them. */
  readonly keepTopics: ReadonlySet<string> | null
}

/** The version that Kafka writes where topic ids are not known to the coordinator. */
const offsetCommitVersion = 3
/** The one version that has an expire timestamp. */
const expiringCommitVersion = 1

/** Longest string of a record. */
const stringBytesMax = 32_767

/** Longest topic name, as everywhere in Kafka. */
const topicNameMax = 249

export class CommittedOffsets {
  /** By group, topic and partition. */
  readonly #groups = new Map<string, Map<string, Map<number, CommittedOffset>>>()

  /** Takes in a record that is in the log, in the order of the log. Those of other kinds change nothing. */
  apply(record: GroupRecord): void {
    if (record.type !== 'OffsetCommit') return
    const { group, topic, partition } = record.key
    if (record.value === null) {
      this.#forget(group, topic, partition)
      return
    }
    const { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp } = record.value
    const topics = entryOf(this.#groups, group)
    entryOf(topics, topic).set(partition, { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp })
  }

  /**
   * The records of a commit, and what comes of each of its offsets.
   * @param options.retentionMs Of a request that names its own, from `wallMs` on; -1 for the coordinator's.
   * Errors in the outcome: VARVE_OFFSET_METADATA_TOO_LARGE, VARVE_INVALID_GROUP_ID, VARVE_INVALID_ARGUMENT (a topic name, partition or offset
   * that no record can hold).
   */
  commit(
    groupId: string,
    offsets: readonly OffsetToCommit[],
    options: { readonly wallMs: number; readonly metadataMaxBytes: number; readonly retentionMs?: number },
  ): { readonly records: GroupLogRecord[]; readonly outcome: CommitOutcome[] } {
    const { wallMs, metadataMaxBytes, retentionMs = -1 } = options
    const records: GroupLogRecord[] = []
    const outcome = offsets.map(({ topic, partition, offset, leaderEpoch, metadata }): CommitOutcome => {
      const tooLong = groupId.length > groupTextMax
      const error = tooLong
        ? 'VARVE_INVALID_GROUP_ID'
        : faultOf({ topic, partition, offset, leaderEpoch, metadata }, metadataMaxBytes)
      if (error === null) {
        const common = { offset, leaderEpoch, metadata, commitTimestamp: wallMs }
        const value =
          retentionMs < 0
            ? groupRecords.encodeValue('OffsetCommit', common, offsetCommitVersion)
            : groupRecords.encodeValue(
                'OffsetCommit',
                { ...common, expireTimestamp: wallMs + retentionMs },
                expiringCommitVersion,
              )
        records.push({ key: keyOf(groupId, topic, partition), value })
      }
      return { topic, partition, error }
    })
    return { records, outcome }
  }

  /** What a group has committed for a partition; undefined when nothing. */
  fetch(groupId: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#groups.get(groupId)?.get(topic)?.get(partition)
  }

  /** All that a group has committed, by topic and partition. */
  fetchAll(groupId: string): (CommittedOffset & { readonly topic: string; readonly partition: number })[] {
    const topics = [...(this.#groups.get(groupId) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))
    return topics.flatMap(([topic, partitions]) =>
      [...partitions].sort(([a], [b]) => a - b).map(([partition, committed]) => ({ topic, partition, ...committed })),
    )
  }

  /** Groups that have committed something, by id. */
  groupIds(): string[] {
    return [...this.#groups.keys()].sort()
  }

  /** The tombstone of one offset; null when nothing is committed there. */
  tombstone(groupId: string, topic: string, partition: number): GroupLogRecord | null {
    return this.fetch(groupId, topic, partition) === undefined
      ? null
      : { key: keyOf(groupId, topic, partition), value: null }
  }

  /** The tombstones of all that a group has committed. */
  tombstones(groupId: string): GroupLogRecord[] {
    return this.fetchAll(groupId).map(({ topic, partition }) => ({
      key: keyOf(groupId, topic, partition),
      value: null,
    }))
  }

  /**
   * The tombstones of a group's offsets that are past their retention, and how many stay.
   * @param retention Null while none may expire.
   */
  expired(
    groupId: string,
    retention: OffsetRetention | null,
    options: { readonly wallMs: number; readonly retentionMs: number },
  ): { readonly records: GroupLogRecord[]; readonly remaining: number } {
    const all = this.fetchAll(groupId)
    const due = retention === null ? [] : all.filter((committed) => isExpired(committed, retention, options))
    const records = due.map(({ topic, partition }) => ({ key: keyOf(groupId, topic, partition), value: null }))
    return { records, remaining: all.length - due.length }
  }

  #forget(group: string, topic: string, partition: number): void {
    const topics = this.#groups.get(group)
    const partitions = topics?.get(topic)
    if (topics === undefined || partitions === undefined) return
    partitions.delete(partition)
    if (partitions.size === 0) topics.delete(topic)
    if (topics.size === 0) this.#groups.delete(group)
  }
}

function isExpired(
  { topic, commitTimestamp, expireTimestamp }: CommittedOffset & { readonly topic: string },
  { from, keepTopics }: OffsetRetention,
  { wallMs, retentionMs }: { readonly wallMs: number; readonly retentionMs: number },
): boolean {
  if (keepTopics?.has(topic) === true) return false
  if (expireTimestamp >= 0) return wallMs >= expireTimestamp
  // A group's record may not say since when it is empty (its older versions do not).
  const since = from === 'commit' || from < 0 ? commitTimestamp : from
  return wallMs - since >= retentionMs
}

function faultOf(commit: OffsetToCommit, metadataMaxBytes: number): ErrorCode | null {
  const { topic, partition, offset, leaderEpoch, metadata } = commit
  // Kafka counts UTF-16 units, whatever the setting is called; what the record's field cannot hold is refused too.
  if (metadata.length > metadataMaxBytes || Buffer.byteLength(metadata) > stringBytesMax)
    return 'VARVE_OFFSET_METADATA_TOO_LARGE'
  const holds =
    topic.length > 0 &&
    topic.length <= topicNameMax &&
    isInt32(partition) &&
    partition >= 0 &&
    Number.isSafeInteger(offset) &&
    isInt32(leaderEpoch)
  return holds ? null : 'VARVE_INVALID_ARGUMENT'
}

const isInt32 = (value: number): boolean => (value | 0) === value

const keyOf = (group: string, topic: string, partition: number): Buffer =>
  groupRecords.encodeKey('OffsetCommit', { group, topic, partition })

function entryOf<Key, Inner, Value>(of: Map<Key, Map<Inner, Value>>, key: Key): Map<Inner, Value> {
  let inner = of.get(key)
  if (inner === undefined) {
    inner = new Map()
    of.set(key, inner)
  }
  return inner
}
