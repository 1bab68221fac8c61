import { array, bytes, int32, string, struct } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** A member of a group (KIP-848). */
export const consumerGroupMemberMetadataKey = message('ConsumerGroupMemberMetadataKey', {
  versions: '5',
  flexible: 'never',
  fields: {
    groupId: string(),
    memberId: string(),
  },
})

/** What a member subscribes to. */
export const consumerGroupMemberMetadataValue = message('ConsumerGroupMemberMetadataValue', {
  versions: '0',
  flexible: '0+',
  fields: {
    instanceId: string({ nullable: '0+' }),
    rackId: string({ nullable: '0+' }),
    clientId: string(),
    clientHost: string(),
    subscribedTopicNames: array(string()),
    subscribedTopicRegex: string({ nullable: '0+' }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    serverAssignor: string({ nullable: '0+' }),
    /**
     * Of a member that speaks the classic protocol in a group of the newer one; null for others. Its default is not null
     * but an empty struct, so null is written.
     */
    classicMemberMetadata: struct(
      {
        sessionTimeoutMs: int32(),
        supportedProtocols: array(struct({ name: string(), metadata: bytes() })),
      },
      { nullable: '0+', tag: 0 },
    ),
  },
})
