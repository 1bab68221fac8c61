import { array, bytes, int32, int64, string, struct } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** A classic group. */
export const groupMetadataKey = message('GroupMetadataKey', {
  versions: '2',
  flexible: 'never',
  fields: {
    group: string(),
  },
})

/** A classic group after a rebalance; without members when it is empty. */
export const groupMetadataValue = message('GroupMetadataValue', {
  versions: '0-4',
  flexible: '4+',
  fields: {
    /** `consumer`, `connect` or anything; empty in a group that only stores offsets. */
    protocolType: string(),
    generation: int32(),
    /** The assignor that was chosen. */
    protocol: string({ nullable: '0+' }),
    /** Member id. */
    leader: string({ nullable: '0+' }),
    currentStateTimestamp: int64({ versions: '2+', default: -1 }),
    members: array(
      struct({
        memberId: string(),
        groupInstanceId: string({ versions: '3+', nullable: '3+', default: null }),
        clientId: string(),
        clientHost: string(),
        /** Milliseconds. In version 0 the session timeout is meant. */
        rebalanceTimeout: int32({ versions: '1+', default: -1 }),
        sessionTimeout: int32(),
        /** As the member sent it; in a group of type `consumer` a ConsumerProtocolSubscription. */
        subscription: bytes(),
        /** As the leader sent it; a ConsumerProtocolAssignment there. */
        assignment: bytes(),
      }),
    ),
  },
})
