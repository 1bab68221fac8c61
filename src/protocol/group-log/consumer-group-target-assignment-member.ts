import { array, int32, string, struct, uuid } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** The target assignment of a member (KIP-848). */
export const consumerGroupTargetAssignmentMemberKey = message('ConsumerGroupTargetAssignmentMemberKey', {
  versions: '7',
  flexible: 'never',
  fields: {
    groupId: string(),
    memberId: string(),
  },
})

/** What the member is to own in the end. */
export const consumerGroupTargetAssignmentMemberValue = message('ConsumerGroupTargetAssignmentMemberValue', {
  versions: '0',
  flexible: '0+',
  fields: {
    topicPartitions: array(struct({ topicId: uuid(), partitions: array(int32()) })),
  },
})
