/**
 * The assignment that both sticky assignors look for: as balanced as the subscriptions allow, and as much as possible
 * stays where it was.
 *
 * Balanced means that no member could hand a partition on, directly or over others that each pass one on, to a member
 * that has at least two fewer. With equal subscriptions this is a difference of one at most.
 */
import {
  type AssignorMember,
  type GroupAssignment,
  inMemberOrder,
  inPartitionOrder,
  type PartitionCounts,
  subscribedTopics,
  type TopicPartition,
} from './assignor.ts'

/** What a member says it had, and in which generation. */
export interface Claim {
  readonly memberId: string
  readonly owned: readonly TopicPartition[]
  readonly generation: number
}

/** The holder of one partition while the assignment is being made. */
interface Holder {
  readonly index: number
  readonly memberId: string
  readonly topics: ReadonlySet<string>
  /** Partition numbers by topic. */
  readonly held: Map<string, Set<number>>
  load: number
}

export function partitionKey(topic: string, partition: number): string {
  return `${partition}:${topic}`
}

/** @param claims One for each member at most. Of two claims to one partition the later generation counts; equal ones, neither. */
export function balanceSticky(
  members: readonly AssignorMember[],
  claims: readonly Claim[],
  partitionCounts: PartitionCounts,
): GroupAssignment {
  const topics = subscribedTopics(members, partitionCounts)
  const holders = inMemberOrder(members).map(
    (member, index): Holder => ({
      index,
      memberId: member.memberId,
      topics: new Set(member.topics.filter((topic) => (partitionCounts.get(topic) ?? 0) > 0)),
      held: new Map(),
      load: 0,
    }),
  )
  const before = ownersBefore(holders, claims, partitionCounts)
  const equal = holders.every((holder) => holder.topics.size === topics.length)
  if (equal) shareEqually(holders, topics, before, partitionCounts)
  else shareByTopic(holders, topics, before, partitionCounts)
  return new Map(
    holders.map(({ memberId, held }) => [
      memberId,
      inPartitionOrder([...held].flatMap(([topic, all]) => [...all].map((partition) => ({ topic, partition })))),
    ]),
  )
}

/** Who had each partition and may have it still. */
function ownersBefore(
  holders: readonly Holder[],
  claims: readonly Claim[],
  partitionCounts: PartitionCounts,
): Map<string, Holder> {
  const byId = new Map(holders.map((holder) => [holder.memberId, holder]))
  const best = new Map<string, { holder: Holder | null; generation: number }>()
  for (const { memberId, owned, generation } of claims) {
    const holder = byId.get(memberId)
    if (holder === undefined) continue
    for (const { topic, partition } of owned) {
      if (!holder.topics.has(topic) || !(partition >= 0 && partition < partitionCounts.get(topic)!)) continue
      const key = partitionKey(topic, partition)
      const other = best.get(key)
      if (other === undefined || generation > other.generation) best.set(key, { holder, generation })
      else if (generation === other.generation && other.holder !== holder) best.set(key, { holder: null, generation })
    }
  }
  const owners = new Map<string, Holder>()
  for (const [key, { holder }] of best) if (holder !== null) owners.set(key, holder)
  return owners
}

function* allPartitions(topics: readonly string[], partitionCounts: PartitionCounts): Generator<TopicPartition> {
  for (const topic of topics)
    for (let partition = 0; partition < partitionCounts.get(topic)!; partition += 1) yield { topic, partition }
}

/** Everybody may have everything: each gets the same number, and some one more: those that have more already, first. */
function shareEqually(
  holders: readonly Holder[],
  topics: readonly string[],
  before: ReadonlyMap<string, Holder>,
  partitionCounts: PartitionCounts,
): void {
  if (holders.length === 0) return
  const all = [...allPartitions(topics, partitionCounts)]
  const least = Math.floor(all.length / holders.length)
  let more = all.length % holders.length
  const had = new Map<Holder, number>()
  for (const holder of before.values()) had.set(holder, (had.get(holder) ?? 0) + 1)
  const quota = new Map<Holder, number>()
  for (const holder of holders) {
    const gets = more > 0 && (had.get(holder) ?? 0) > least
    if (gets) more -= 1
    quota.set(holder, gets ? least + 1 : least)
  }
  for (const holder of holders) {
    if (more === 0) break
    if (quota.get(holder)! > least) continue
    quota.set(holder, least + 1)
    more -= 1
  }
  const free: TopicPartition[] = []
  for (const place of all) {
    const owner = before.get(partitionKey(place.topic, place.partition))
    if (owner !== undefined && owner.load < quota.get(owner)!) take(owner, place)
    else free.push(place)
  }
  // In turn, so that the partitions of a topic are spread.
  let turn = 0
  for (const place of free) {
    while (holders[turn]!.load >= quota.get(holders[turn]!)!) turn = (turn + 1) % holders.length
    take(holders[turn]!, place)
    turn = (turn + 1) % holders.length
  }
}

/** Members differ in what they may have: everything finds a place, then loads are evened out. */
function shareByTopic(
  holders: readonly Holder[],
  topics: readonly string[],
  before: ReadonlyMap<string, Holder>,
  partitionCounts: PartitionCounts,
): void {
  const subscribers = new Map(topics.map((topic) => [topic, holders.filter((holder) => holder.topics.has(topic))]))
  const free: TopicPartition[] = []
  for (const place of allPartitions(topics, partitionCounts)) {
    const owner = before.get(partitionKey(place.topic, place.partition))
    if (owner === undefined) free.push(place)
    else take(owner, place)
  }
  // Who has the least choice goes first.
  free.sort((a, b) => subscribers.get(a.topic)!.length - subscribers.get(b.topic)!.length)
  for (const place of free) {
    const able = subscribers.get(place.topic)!
    take(
      able.reduce((least, holder) => (holder.load < least.load ? holder : least)),
      place,
    )
  }
  // Each hand-over lowers the sum of squares of the loads, so this ends.
  for (let moved = true; moved; ) {
    moved = false
    for (const holder of [...holders].sort((a, b) => b.load - a.load || a.index - b.index))
      while (handOver(holder, subscribers, before)) moved = true
  }
}

/** One partition leaves `from`, and each on the shortest way passes one on, to a member that has two fewer. */
function handOver(
  from: Holder,
  subscribers: ReadonlyMap<string, readonly Holder[]>,
  before: ReadonlyMap<string, Holder>,
): boolean {
  const reached = new Map<Holder, { readonly by: Holder; readonly topic: string } | null>([[from, null]])
  const queue: Holder[] = [from]
  /** Topics whose subscribers are all reached: looked at once, or large groups would take seconds. */
  const spread = new Set<string>()
  for (const giver of queue) {
    if (giver.load <= from.load - 2) {
      let taker = giver
      for (let step = reached.get(taker)!; step !== null; step = reached.get(taker)!) {
        const { by, topic } = step!
        const partition = leastSticky(by, topic, before)
        by.held.get(topic)!.delete(partition)
        by.load -= 1
        take(taker, { topic, partition })
        taker = by
      }
      return true
    }
    for (const [topic, partitions] of giver.held) {
      if (partitions.size === 0 || spread.has(topic)) continue
      spread.add(topic)
      for (const taker of subscribers.get(topic)!) {
        if (reached.has(taker)) continue
        reached.set(taker, { by: giver, topic })
        queue.push(taker)
      }
    }
  }
  return false
}

/** A partition of the topic that the member did not have before, if there is one. */
function leastSticky(holder: Holder, topic: string, before: ReadonlyMap<string, Holder>): number {
  let chosen = -1
  for (const partition of holder.held.get(topic)!) {
    if (before.get(partitionKey(topic, partition)) !== holder) return partition
    chosen = Math.max(chosen, partition)
  }
  return chosen
}

function take(holder: Holder, { topic, partition }: TopicPartition): void {
  const partitions = holder.held.get(topic)
  if (partitions === undefined) holder.held.set(topic, new Set([partition]))
  else partitions.add(partition)
  holder.load += 1
}
