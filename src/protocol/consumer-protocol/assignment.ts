import { array, bytes, int32, string, struct } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** What the leader of a group assigns to a consumer, in groups of type `consumer`. */
export const assignment = message('ConsumerProtocolAssignment', {
  versions: '0-3',
  flexible: 'never',
  fields: {
    assignedPartitions: array(struct({ topic: string(), partitions: array(int32()) })),
    /** What the assignor wants to say. */
    userData: bytes({ nullable: '0+', default: null }),
  },
})
