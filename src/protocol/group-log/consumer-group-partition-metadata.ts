import { array, int32, string, struct, uuid } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** The topics of a group (KIP-848). Kafka 4.3 writes tombstones of it only: the hash in the group's metadata has replaced it. */
export const consumerGroupPartitionMetadataKey = message('ConsumerGroupPartitionMetadataKey', {
  versions: '4',
  flexible: 'never',
  fields: {
    groupId: string(),
  },
})

/** The topics that a group subscribes to, as they were when its epoch rose. */
export const consumerGroupPartitionMetadataValue = message('ConsumerGroupPartitionMetadataValue', {
  versions: '0',
  flexible: '0+',
  fields: {
    topics: array(
      struct({
        topicId: uuid(),
        topicName: string(),
        numPartitions: int32(),
        partitionMetadata: array(struct({ partition: int32(), racks: array(string()) })),
      }),
    ),
  },
})
