import { array, int8, int32, uuid } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/**
 * What changes in a partition; null, or the named value, is no change.
 * Each one raises the partition epoch by one, and one that names a leader the leader epoch.
 */
export const partitionChangeRecord = message('PartitionChangeRecord', {
  versions: '0-2',
  flexible: '0+',
  fields: {
    partitionId: int32({ default: -1 }),
    topicId: uuid(),
    isr: array(int32(), { nullable: '0+', default: null, tag: 0 }),
    /** -1 is nobody, -2 no change. */
    leader: int32({ default: -2, tag: 1 }),
    replicas: array(int32(), { nullable: '0+', default: null, tag: 2 }),
    removingReplicas: array(int32(), { nullable: '0+', default: null, tag: 3 }),
    addingReplicas: array(int32(), { nullable: '0+', default: null, tag: 4 }),
    /** -1 is no change. */
    leaderRecoveryState: int8({ default: -1, tag: 5 }),
    directories: array(uuid(), { versions: '1+', nullable: '1+', default: null, tag: 8 }),
    eligibleLeaderReplicas: array(int32(), { versions: '2+', nullable: '2+', default: null, tag: 6 }),
    lastKnownElr: array(int32(), { versions: '2+', nullable: '2+', default: null, tag: 7 }),
  },
})
