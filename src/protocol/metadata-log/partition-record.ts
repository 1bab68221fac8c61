import { array, int8, int32, uuid } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** A partition as a whole: at its creation and in snapshots. Changes are `PartitionChangeRecord`s. */
export const partitionRecord = message('PartitionRecord', {
  versions: '0-2',
  flexible: '0+',
  fields: {
    partitionId: int32({ default: -1 }),
    topicId: uuid(),
    /** Broker ids, the preferred leader first. */
    replicas: array(int32()),
    /** In-sync replicas. */
    isr: array(int32()),
    removingReplicas: array(int32()),
    addingReplicas: array(int32()),
    /** -1 is nobody. */
    leader: int32({ default: -1 }),
    /** 1 after an unclean election, until the leader has recovered. */
    leaderRecoveryState: int8({ tag: 0 }),
    /** Rises with each change of the leader. */
    leaderEpoch: int32({ default: -1 }),
    /** Rises with each change of the partition. */
    partitionEpoch: int32({ default: -1 }),
    /** The data folder of each replica, in the order of `replicas`. */
    directories: array(uuid(), { versions: '1+' }),
    /** KIP-966. */
    eligibleLeaderReplicas: array(int32(), { versions: '2+', nullable: '2+', default: null, tag: 1 }),
    lastKnownElr: array(int32(), { versions: '2+', nullable: '2+', default: null, tag: 2 }),
  },
})
