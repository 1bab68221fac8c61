import { stickyUserData } from '../../protocol/consumer-protocol/sticky-user-data.ts'
import {
  type Assignor,
  type AssignorMember,
  type GroupAssignment,
  inPartitionOrder,
  type PartitionCounts,
  type TopicPartition,
} from './assignor.ts'
import { balanceSticky, type Claim } from './sticky-balance.ts'

const userDataVersion = 1

/**
 * Balanced, and as much as possible stays where it was. Members give all up before they join, so what they had travels
 * in their user data, in the Java client's format.
 */
export const stickyAssignor: Assignor = {
  name: 'sticky',
  rebalance: 'eager',
  userData(owned: readonly TopicPartition[], generation: number): Uint8Array | null {
    if (owned.length === 0) return null
    return stickyUserData.encode({ previousAssignment: byTopic(owned), generation }, userDataVersion)
  },
  assign(members: readonly AssignorMember[], partitionCounts: PartitionCounts): GroupAssignment {
    return balanceSticky(members, members.map(claimOf), partitionCounts)
  },
}

/** Topics with their partitions, as messages have them. */
export function byTopic(partitions: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of inPartitionOrder(partitions)) {
    const known = topics.get(topic)
    if (known === undefined) topics.set(topic, [partition])
    else known.push(partition)
  }
  return [...topics].map(([topic, numbers]) => ({ topic, partitions: numbers }))
}

function claimOf({ memberId, userData }: AssignorMember): Claim {
  const read = userData === null ? undefined : decodeUserData(userData)
  if (read === undefined) return { memberId, owned: [], generation: -1 }
  const owned = read.previousAssignment.flatMap(({ topic, partitions }) =>
    partitions.map((partition) => ({ topic, partition })),
  )
  return { memberId, owned, generation: read.generation }
}

/** Undefined for what no version can be: another member's mistake makes its assignment new, and nothing worse. */
function decodeUserData(bytes: Uint8Array): ReturnType<typeof stickyUserData.decode> | undefined {
  for (const version of [1, 0]) {
    try {
      return stickyUserData.decode(bytes, version, { trailing: true })
    } catch {
      // The older version has no generation; after it, nothing is left to try.
    }
  }
  return undefined
}
