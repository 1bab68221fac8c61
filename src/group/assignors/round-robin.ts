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
 * All partitions of all topics in turn, each to the next member that subscribes to its topic. The same result as the
 * Java client's.
 */
export const roundRobinAssignor: Assignor = {
  name: 'roundrobin',
  rebalance: 'eager',
  userData: () => null,
  assign(members: readonly AssignorMember[], partitionCounts: PartitionCounts): GroupAssignment {
    const assignment = new Map<string, TopicPartition[]>(members.map(({ memberId }) => [memberId, []]))
    const ordered = inMemberOrder(members)
    const subscriptions = ordered.map(({ topics }) => new Set(topics))
    let turn = 0
    for (const topic of subscribedTopics(members, partitionCounts)) {
      for (let partition = 0; partition < partitionCounts.get(topic)!; partition += 1) {
        while (!subscriptions[turn]!.has(topic)) turn = (turn + 1) % ordered.length
        assignment.get(ordered[turn]!.memberId)!.push({ topic, partition })
        turn = (turn + 1) % ordered.length
      }
    }
    return assignment
  },
}
