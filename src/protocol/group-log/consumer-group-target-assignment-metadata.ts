import { int32, int64, string } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** The target assignment of a group (KIP-848). */
export const consumerGroupTargetAssignmentMetadataKey = message('ConsumerGroupTargetAssignmentMetadataKey', {
  versions: '6',
  flexible: 'never',
  fields: {
    groupId: string(),
  },
})

/** The group epoch that the target assignment was made for. */
export const consumerGroupTargetAssignmentMetadataValue = message('ConsumerGroupTargetAssignmentMetadataValue', {
  versions: '0',
  flexible: '0+',
  fields: {
    assignmentEpoch: int32(),
    assignmentTimestamp: int64({ tag: 0 }),
  },
})
