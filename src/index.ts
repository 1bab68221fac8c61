/**
 * `varve`: topics, producers and readers of a store in this process. What is local and fast lives one door down, in
 * `varve/log`.
 */
import { addon } from './storage/native/loader.ts'

export type { ConsumedBatch, ConsumedRecord } from './consumer/consumed-batch.ts'
export type { Consumer, ConsumerLag } from './consumer/consumer.ts'
export type { AssignorName, ConsumerOptions } from './consumer/consumer-options.ts'
export type { Isolation, Position } from './consumer/fetch-source.ts'
export type { GroupBatch } from './consumer/group-batch.ts'
export type { Reader, ReaderOptions, StartFrom } from './consumer/reader.ts'
export type { Clock, Timer } from './env/clock.ts'
export type { CompressionName } from './env/codecs.ts'
export type { Logger } from './env/logger.ts'
export { type ErrorCode, VarveError } from './errors.ts'
export type { TopicPartition } from './group/assignors/assignor.ts'
export type { GroupState } from './group/group-events.ts'
export type { Durability } from './log/log.ts'
export type { RecoveryProgress } from './log/recovery.ts'
export type { PartitionChooser, ProducerRecord } from './producer/partitioner.ts'
export type { Producer } from './producer/producer.ts'
export type { ProducerOptions, SendOptions } from './producer/producer-options.ts'
export type { Ack } from './producer/sent-records.ts'
export type { RecordData, RecordHeaders } from './record/record-types.ts'
export type { LogSettingOptions, LogSettings } from './settings/log-settings.ts'
export { logSettingOptions } from './settings/parse-log-settings.ts'
export { bytes, type Codec, json, text } from './store/codecs.ts'
export type { GroupDetails, GroupInfo, GroupLag, GroupMemberInfo, Groups, ResetTarget } from './store/groups.ts'
export { type OpenStoreOptions, open } from './store/open.ts'
export type {
  AlterTopicOptions,
  CreateTopicOptions,
  PartitionDescription,
  Store,
  TopicDescription,
  TopicInfo,
} from './store/store.ts'
export type { DescribedSetting } from './store/topic-settings.ts'
export type { TypedBatch, TypedRecord, TypedRecordInput, TypedTopic, TypedTopicOptions } from './store/typed-topic.ts'

// Without an addon nothing here works: better to say so at the import than at the first call.
addon()
