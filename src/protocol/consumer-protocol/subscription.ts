import { array, bytes, int32, string, struct } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** What a consumer tells its group when it joins: metadata of its JoinGroup request, in groups of type `consumer`. */
export const subscription = message('ConsumerProtocolSubscription', {
  versions: '0-3',
  flexible: 'never',
  fields: {
    topics: array(string()),
    /** What the assignor wants to say. */
    userData: bytes({ nullable: '0+', default: null }),
    ownedPartitions: array(struct({ topic: string(), partitions: array(int32()) }), { versions: '1+' }),
    generationId: int32({ versions: '2+', default: -1 }),
    rackId: string({ versions: '3+', nullable: '3+', default: null }),
  },
})
