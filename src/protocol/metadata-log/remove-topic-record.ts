import { uuid } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** A topic is deleted, with its partitions. */
export const removeTopicRecord = message('RemoveTopicRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    topicId: uuid(),
  },
})
