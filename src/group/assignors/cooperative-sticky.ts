import { cooperativeStickyUserData } from '../../protocol/consumer-protocol/sticky-user-data.ts'
import type { Assignor, AssignorMember, GroupAssignment, PartitionCounts, TopicPartition } from './assignor.ts'
import { balanceSticky, type Claim, partitionKey } from './sticky-balance.ts'

/**
 * The same balance as `sticky`, in two rounds: members keep what they have while they join. A partition that is to go
 * to another member is given to nobody in the first round; its owner gives it up and joins again, and in the second
 * round it is free.
 */
export const cooperativeStickyAssignor: Assignor = {
  name: 'cooperative-sticky',
  rebalance: 'cooperative',
  userData(_owned: readonly TopicPartition[], generation: number): Uint8Array {
    return cooperativeStickyUserData.encode({ generation }, 0)
  },
  assign(members: readonly AssignorMember[], partitionCounts: PartitionCounts): GroupAssignment {
    const claims = members.map(claimOf)
    const balanced = balanceSticky(members, claims, partitionCounts)
    // Whoever says that it has a partition may still be reading it, even if its claim is too old to count.
    const claimants = new Map<string, Set<string>>()
    for (const { memberId, owned } of claims) {
      for (const { topic, partition } of owned) {
        const key = partitionKey(topic, partition)
        const known = claimants.get(key)
        if (known === undefined) claimants.set(key, new Set([memberId]))
        else known.add(memberId)
      }
    }
    const isFreeFor = (memberId: string, { topic, partition }: TopicPartition): boolean => {
      const claimed = claimants.get(partitionKey(topic, partition))
      return claimed === undefined || (claimed.size === 1 && claimed.has(memberId))
    }
    return new Map(
      [...balanced].map(([memberId, partitions]) => [
        memberId,
        partitions.filter((place) => isFreeFor(memberId, place)),
      ]),
    )
  },
}

/** Subscriptions before version 2 have no generation; user data has it then. */
function claimOf({ memberId, owned, generation, userData }: AssignorMember): Claim {
  return { memberId, owned, generation: generation >= 0 || userData === null ? generation : generationIn(userData) }
}

function generationIn(userData: Uint8Array): number {
  try {
    return cooperativeStickyUserData.decode(userData, 0, { trailing: true }).generation
  } catch {
    return -1 // another member's mistake
  }
}
