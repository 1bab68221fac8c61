import { id64, int32, string } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** A group of the newer protocol (KIP-848). */
export const consumerGroupMetadataKey = message('ConsumerGroupMetadataKey', {
  versions: '3',
  flexible: 'never',
  fields: {
    groupId: string(),
  },
})

/** The group's epoch, which rises when members or their topics change. */
export const consumerGroupMetadataValue = message('ConsumerGroupMetadataValue', {
  versions: '0',
  flexible: '0+',
  fields: {
    epoch: int32(),
    /** Of the topics that the group subscribes to. */
    metadataHash: id64({ tag: 0 }),
  },
})
