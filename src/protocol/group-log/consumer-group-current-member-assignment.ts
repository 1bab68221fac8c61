import { array, int8, int32, string, struct, uuid } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** The present assignment of a member (KIP-848). */
export const consumerGroupCurrentMemberAssignmentKey = message('ConsumerGroupCurrentMemberAssignmentKey', {
  versions: '8',
  flexible: 'never',
  fields: {
    groupId: string(),
    memberId: string(),
  },
})

const topicPartitions = struct({
  topicId: uuid(),
  partitions: array(int32()),
  /** The epoch in which each was assigned, in the order of `partitions`: fences late commits. */
  assignmentEpochs: array(int32(), { nullable: '0+', tag: 0 }),
})

/** What the member owns now, and what it still has to give up. */
export const consumerGroupCurrentMemberAssignmentValue = message('ConsumerGroupCurrentMemberAssignmentValue', {
  versions: '0',
  flexible: '0+',
  fields: {
    memberEpoch: int32(),
    previousMemberEpoch: int32(),
    /** 0 stable, 1 has partitions to give up, 2 waits for partitions, 127 unknown. */
    state: int8(),
    assignedPartitions: array(topicPartitions),
    partitionsPendingRevocation: array(topicPartitions),
  },
})
