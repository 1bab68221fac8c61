import { string } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** The eligible leader replicas of a topic's partitions are forgotten; of all topics where the name is empty. */
export const clearElrRecord = message('ClearElrRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    topicName: string(),
  },
})
