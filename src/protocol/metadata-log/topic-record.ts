import { string, uuid } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** A topic is created. Its partitions follow, a `PartitionRecord` each. */
export const topicRecord = message('TopicRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    name: string(),
    /** New for each creation, also of a name that was there before. */
    topicId: uuid(),
  },
})
