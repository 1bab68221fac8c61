import {
  type Assignor,
  type AssignorMember,
  type GroupAssignment,
  inMemberOrder,
  type PartitionCounts,
  subscribedTopics,
  type TopicPartition,
} from './assignor.ts'

/**
 * Topic by topic: each member gets a run of partitions, the first ones one more. Members of topics with equally many
 * partitions get the same numbers of each, so that records of equal keys meet. The same result as the Java client's
 * where no racks are given.
 */
export const rangeAssignor: Assignor = {
  name: 'range',
  rebalance: 'eager',
  userData: () => null,
  assign(members: readonly AssignorMember[], partitionCounts: PartitionCounts): GroupAssignment {
    const assignment = new Map<string, TopicPartition[]>(members.map(({ memberId }) => [memberId, []]))
    const ordered = inMemberOrder(members)
    for (const topic of subscribedTopics(members, partitionCounts)) {
      const subscribers = ordered.filter(({ topics }) => topics.includes(topic))
      const count = partitionCounts.get(topic)!
      const each = Math.floor(count / subscribers.length)
      const more = count % subscribers.length
      let partition = 0
      for (const [index, { memberId }] of subscribers.entries()) {
        const end = partition + each + (index < more ? 1 : 0)
        for (; partition < end; partition += 1) assignment.get(memberId)!.push({ topic, partition })
      }
    }
    return assignment
  },
}
