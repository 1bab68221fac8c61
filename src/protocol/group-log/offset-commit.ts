import { int32, int64, string, uuid } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** A group's place in a partition. Keys of version 0 are of old; they say the same. */
export const offsetCommitKey = message('OffsetCommitKey', {
  versions: '0-1',
  flexible: 'never',
  fields: {
    group: string(),
    topic: string(),
    partition: int32(),
  },
})

/** The committed offset. Kafka 4.3 writes version 3, and 4 once topic ids are known to the group coordinator. */
export const offsetCommitValue = message('OffsetCommitValue', {
  versions: '0-4',
  flexible: '4+',
  fields: {
    /** The next record that the group wants. */
    offset: int64(),
    leaderEpoch: int32({ versions: '3+', default: -1 }),
    /** Whatever the member wants to remember. */
    metadata: string(),
    commitTimestamp: int64(),
    /** In version 1 alone: others follow the retention time of offsets. */
    expireTimestamp: int64({ versions: '1', default: -1 }),
    topicId: uuid({ versions: '4+', tag: 0 }),
  },
})
