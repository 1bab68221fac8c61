/**
 * The records of `__consumer_offsets`: committed offsets, classic groups, groups of the newer protocol (KIP-848).
 * Those of share groups and streams groups are not known here.
 */
import { type KeyedRecord, KeyedRecords } from '../schema/keyed-record.ts'
import {
  consumerGroupCurrentMemberAssignmentKey,
  consumerGroupCurrentMemberAssignmentValue,
} from './consumer-group-current-member-assignment.ts'
import { consumerGroupMemberMetadataKey, consumerGroupMemberMetadataValue } from './consumer-group-member-metadata.ts'
import { consumerGroupMetadataKey, consumerGroupMetadataValue } from './consumer-group-metadata.ts'
import {
  consumerGroupPartitionMetadataKey,
  consumerGroupPartitionMetadataValue,
} from './consumer-group-partition-metadata.ts'
import {
  consumerGroupRegularExpressionKey,
  consumerGroupRegularExpressionValue,
} from './consumer-group-regular-expression.ts'
import {
  consumerGroupTargetAssignmentMemberKey,
  consumerGroupTargetAssignmentMemberValue,
} from './consumer-group-target-assignment-member.ts'
import {
  consumerGroupTargetAssignmentMetadataKey,
  consumerGroupTargetAssignmentMetadataValue,
} from './consumer-group-target-assignment-metadata.ts'
import { groupMetadataKey, groupMetadataValue } from './group-metadata.ts'
import { offsetCommitKey, offsetCommitValue } from './offset-commit.ts'

export const groupRecords = new KeyedRecords('__consumer_offsets', {
  OffsetCommit: { key: offsetCommitKey, value: offsetCommitValue },
  GroupMetadata: { key: groupMetadataKey, value: groupMetadataValue },
  ConsumerGroupMetadata: { key: consumerGroupMetadataKey, value: consumerGroupMetadataValue },
  ConsumerGroupPartitionMetadata: {
    key: consumerGroupPartitionMetadataKey,
    value: consumerGroupPartitionMetadataValue,
  },
  ConsumerGroupMemberMetadata: { key: consumerGroupMemberMetadataKey, value: consumerGroupMemberMetadataValue },
  ConsumerGroupTargetAssignmentMetadata: {
    key: consumerGroupTargetAssignmentMetadataKey,
    value: consumerGroupTargetAssignmentMetadataValue,
  },
  ConsumerGroupTargetAssignmentMember: {
    key: consumerGroupTargetAssignmentMemberKey,
    value: consumerGroupTargetAssignmentMemberValue,
  },
  ConsumerGroupCurrentMemberAssignment: {
    key: consumerGroupCurrentMemberAssignmentKey,
    value: consumerGroupCurrentMemberAssignmentValue,
  },
  ConsumerGroupRegularExpression: {
    key: consumerGroupRegularExpressionKey,
    value: consumerGroupRegularExpressionValue,
  },
})

export type GroupRecord = KeyedRecord<typeof groupRecords.kinds>
