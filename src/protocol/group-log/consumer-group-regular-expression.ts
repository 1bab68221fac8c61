import { array, int64, string } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** A pattern that members of a group subscribe to (KIP-848). */
export const consumerGroupRegularExpressionKey = message('ConsumerGroupRegularExpressionKey', {
  versions: '16',
  flexible: 'never',
  fields: {
    groupId: string(),
    regularExpression: string(),
  },
})

/** The topics that matched the pattern. */
export const consumerGroupRegularExpressionValue = message('ConsumerGroupRegularExpressionValue', {
  versions: '0',
  flexible: '0+',
  fields: {
    topics: array(string()),
    /** Of the metadata image that was looked at: its offset. */
    version: int64(),
    timestamp: int64(),
  },
})
