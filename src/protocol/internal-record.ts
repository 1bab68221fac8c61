/** The records of the logs that Kafka keeps for itself, for people who look at them. */
import { decodeAssignment, decodeSubscription } from './consumer-protocol/consumer-protocol.ts'
import { type GroupRecord, groupRecords } from './group-log/group-records.ts'
import { decodeMetadataRecord } from './metadata-log/metadata-records.ts'
import { decodeQuorumRecord } from './quorum-log/quorum-records.ts'
import { transactionRecords } from './transaction-log/transaction-records.ts'

export const internalTopics = ['__cluster_metadata', '__consumer_offsets', '__transaction_state'] as const
export type InternalTopic = (typeof internalTopics)[number]

/** A record of an internal topic, read. */
export interface InternalRecord {
  readonly type: string
  /** Of the value; null for a tombstone. */
  readonly version: number | null
  /** Of a record that has one. */
  readonly key?: object
  /** null for a tombstone. */
  readonly value: object | null
}

/** The topic whose partition a folder of this name holds, if Kafka keeps that for itself. */
export function internalTopicOf(folderName: string): InternalTopic | undefined {
  return internalTopics.find(
    (topic) => folderName.startsWith(`${topic}-`) && /^\d+$/.test(folderName.slice(topic.length + 1)),
  )
}

/**
 * Reads a record of an internal topic; what the members of a classic consumer group said is read too, where it can be.
 *
 * @param isControl It stands in a control batch.
 * @returns undefined for a type of record that is not known here, and for transaction markers.
 * Errors: VARVE_INVALID_MESSAGE, VARVE_UNSUPPORTED_VERSION.
 */
export function decodeInternalRecord(
  topic: InternalTopic,
  { key, value }: { readonly key: Uint8Array | null; readonly value: Uint8Array | null },
  isControl: boolean,
): InternalRecord | undefined {
  if (isControl) {
    const record = topic === '__cluster_metadata' ? decodeQuorumRecord(key, value) : undefined
    return record === undefined ? undefined : { ...record, version: record.value.version }
  }
  if (topic === '__cluster_metadata') {
    // No record of that log is without a value: no bytes are what is refused.
    return decodeMetadataRecord(value ?? new Uint8Array(0))
  }
  const record =
    topic === '__consumer_offsets' ? groupRecords.decode(key, value) : transactionRecords.decode(key, value)
  if (record === undefined) return undefined
  return {
    type: record.type,
    version: record.valueVersion,
    key: record.key,
    value: record.type === 'GroupMetadata' ? withMembersRead(record) : record.value,
  }
}

function withMembersRead({ value }: Extract<GroupRecord, { type: 'GroupMetadata' }>): object | null {
  if (value === null || value.protocolType !== 'consumer') return value
  const members = value.members.map((member) => ({
    ...member,
    subscription: readOr(decodeSubscription, member.subscription),
    assignment: readOr(decodeAssignment, member.assignment),
  }))
  return { ...value, members }
}

/** The bytes are the members' own: nobody has checked them. */
function readOr(read: (bytes: Uint8Array) => object, bytes: Uint8Array): object {
  try {
    return read(bytes)
  } catch {
    return bytes
  }
}
