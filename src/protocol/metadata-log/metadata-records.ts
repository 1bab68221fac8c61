/**
 * The records of `__cluster_metadata-0`, as they stand in the values of its records (KIP-631). Three unsigned varints,
 * the version of this frame (1), the type of the record and its version, then the record. Keys are null.
 *
 * Control records of the same log are those of `quorum-log/`.
 */
import { VarveError } from '../../errors.ts'
import { ByteReader, type ReadOptions } from '../schema/byte-reader.ts'
import { ByteWriter } from '../schema/byte-writer.ts'
import { Fault } from '../schema/fault.ts'
import type { Message, MessageInput, MessageValue } from '../schema/message.ts'
import { abortTransactionRecord } from './abort-transaction-record.ts'
import { accessControlEntryRecord } from './access-control-entry-record.ts'
import { beginTransactionRecord } from './begin-transaction-record.ts'
import { brokerRegistrationChangeRecord } from './broker-registration-change-record.ts'
import { clearElrRecord } from './clear-elr-record.ts'
import { clientQuotaRecord } from './client-quota-record.ts'
import { configRecord } from './config-record.ts'
import { delegationTokenRecord } from './delegation-token-record.ts'
import { endTransactionRecord } from './end-transaction-record.ts'
import { featureLevelRecord } from './feature-level-record.ts'
import { fenceBrokerRecord } from './fence-broker-record.ts'
import { noOpRecord } from './no-op-record.ts'
import { partitionChangeRecord } from './partition-change-record.ts'
import { partitionRecord } from './partition-record.ts'
import { producerIdsRecord } from './producer-ids-record.ts'
import { registerBrokerRecord } from './register-broker-record.ts'
import { registerControllerRecord } from './register-controller-record.ts'
import { removeAccessControlEntryRecord } from './remove-access-control-entry-record.ts'
import { removeDelegationTokenRecord } from './remove-delegation-token-record.ts'
import { removeTopicRecord } from './remove-topic-record.ts'
import { removeUserScramCredentialRecord } from './remove-user-scram-credential-record.ts'
import { topicRecord } from './topic-record.ts'
import { unfenceBrokerRecord } from './unfence-broker-record.ts'
import { unregisterBrokerRecord } from './unregister-broker-record.ts'
import { userScramCredentialRecord } from './user-scram-credential-record.ts'
import { zkMigrationStateRecord } from './zk-migration-state-record.ts'

/** All that Kafka 4.3 knows, by the number that the frame has for it. */
export const metadataRecords = {
  RegisterBrokerRecord: { id: 0, schema: registerBrokerRecord },
  UnregisterBrokerRecord: { id: 1, schema: unregisterBrokerRecord },
  TopicRecord: { id: 2, schema: topicRecord },
  PartitionRecord: { id: 3, schema: partitionRecord },
  ConfigRecord: { id: 4, schema: configRecord },
  PartitionChangeRecord: { id: 5, schema: partitionChangeRecord },
  FenceBrokerRecord: { id: 7, schema: fenceBrokerRecord },
  UnfenceBrokerRecord: { id: 8, schema: unfenceBrokerRecord },
  RemoveTopicRecord: { id: 9, schema: removeTopicRecord },
  DelegationTokenRecord: { id: 10, schema: delegationTokenRecord },
  UserScramCredentialRecord: { id: 11, schema: userScramCredentialRecord },
  FeatureLevelRecord: { id: 12, schema: featureLevelRecord },
  ClientQuotaRecord: { id: 14, schema: clientQuotaRecord },
  ProducerIdsRecord: { id: 15, schema: producerIdsRecord },
  BrokerRegistrationChangeRecord: { id: 17, schema: brokerRegistrationChangeRecord },
  AccessControlEntryRecord: { id: 18, schema: accessControlEntryRecord },
  RemoveAccessControlEntryRecord: { id: 19, schema: removeAccessControlEntryRecord },
  NoOpRecord: { id: 20, schema: noOpRecord },
  ZkMigrationStateRecord: { id: 21, schema: zkMigrationStateRecord },
  RemoveUserScramCredentialRecord: { id: 22, schema: removeUserScramCredentialRecord },
  BeginTransactionRecord: { id: 23, schema: beginTransactionRecord },
  EndTransactionRecord: { id: 24, schema: endTransactionRecord },
  AbortTransactionRecord: { id: 25, schema: abortTransactionRecord },
  RemoveDelegationTokenRecord: { id: 26, schema: removeDelegationTokenRecord },
  RegisterControllerRecord: { id: 27, schema: registerControllerRecord },
  ClearElrRecord: { id: 28, schema: clearElrRecord },
} as const

type Records = typeof metadataRecords
export type MetadataRecordType = keyof Records

/** A metadata record as read; `type` tells the shape of `value`. */
export type MetadataRecord = {
  [T in MetadataRecordType]: {
    readonly type: T
    readonly version: number
    readonly value: MessageValue<Records[T]['schema']>
  }
}[MetadataRecordType]

/** A metadata record to be written. */
export type MetadataRecordInput = {
  [T in MetadataRecordType]: {
    readonly type: T
    readonly version: number
    readonly value: MessageInput<Records[T]['schema']>
  }
}[MetadataRecordType]

const frameVersion = 1

const typesById: readonly (MetadataRecordType | undefined)[] = Object.entries(metadataRecords).reduce<
  MetadataRecordType[]
>((types, [type, { id }]) => {
  types[id] = type as MetadataRecordType
  return types
}, [])

/**
 * Reads the value of a record of the metadata log.
 *
 * Errors: VARVE_UNSUPPORTED_VERSION for a frame, a type or a version that is not known, with its number in `details`;
 * VARVE_INVALID_MESSAGE for bytes that are no metadata record, or more than one.
 */
export function decodeMetadataRecord(bytes: Uint8Array, options: ReadOptions = {}): MetadataRecord {
  const reader = new ByteReader(bytes, options)
  let frame: number
  let id: number
  let version: number
  try {
    frame = reader.unsignedVarint()
    id = frame === frameVersion ? reader.unsignedVarint() : -1
    version = frame === frameVersion ? reader.unsignedVarint() : -1
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown
    const { position, reason } = thrown
    throw new VarveError(
      'VARVE_INVALID_MESSAGE',
      `The frame of a metadata record cannot be read: at byte ${position}: ${reason}.`,
      {
        details: { message: 'metadata record', position, reason },
      },
    )
  }
  if (frame !== frameVersion) {
    throw new VarveError(
      'VARVE_UNSUPPORTED_VERSION',
      `A metadata record has frame version ${frame}; ${frameVersion} is known.`,
      { details: { frameVersion: frame } },
    )
  }
  const type = typesById[id]
  if (type === undefined) {
    throw new VarveError('VARVE_UNSUPPORTED_VERSION', `Metadata records of type ${id} are not known here.`, {
      details: { recordType: id, version },
    })
  }
  const schema: Message<unknown, never> = metadataRecords[type].schema
  const value = schema.decode(bytes, version, { ...options, position: reader.position })
  return { type, version, value } as MetadataRecord
}

/** The value of a record of the metadata log. Errors: VARVE_UNSUPPORTED_VERSION, VARVE_INVALID_ARGUMENT. */
export function encodeMetadataRecord({ type, version, value }: MetadataRecordInput): Buffer {
  const { id, schema } = metadataRecords[type]
  const writer = new ByteWriter()
  writer.unsignedVarint(frameVersion)
  writer.unsignedVarint(id)
  writer.unsignedVarint(version)
  const anySchema: Message<unknown, never> = schema
  anySchema.write(writer, value as never, version)
  return writer.finish()
}
