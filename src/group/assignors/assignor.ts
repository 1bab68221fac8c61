/** What every assignor takes and gives. Assignors are pure: equal members and topics have equal assignments. */

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** A member as the leader of its group sees it. */
export interface AssignorMember {
  readonly memberId: string
  /** Of a static member: it keeps its place in the order when its member id changes. */
  readonly groupInstanceId: string | null
  /** Subscribed topics; a topic twice counts once. */
  readonly topics: readonly string[]
  /** What it says it has; empty with eager protocols, which give all up before they join. */
  readonly owned: readonly TopicPartition[]
  /** In which it got `owned`; -1 when it does not say. */
  readonly generation: number
  readonly userData: Uint8Array | null
}

/** How many partitions each topic has; a topic that is not there has none. */
export type PartitionCounts = ReadonlyMap<string, number>

/** Every member is there, by member id; its partitions by topic and partition. */
export type GroupAssignment = ReadonlyMap<string, readonly TopicPartition[]>

export interface Assignor {
  /** As members propose it to their group: Kafka's names. */
  readonly name: string
  /**
   * Eager: members give up all before they join. Cooperative: they keep what they have, and join once more after they
   * gave up what is to go to another.
   */
  readonly rebalance: 'eager' | 'cooperative'
  /** What a member tells the assignor in its subscription. @param generation -1 before the first. */
  userData(owned: readonly TopicPartition[], generation: number): Uint8Array | null
  assign(members: readonly AssignorMember[], partitionCounts: PartitionCounts): GroupAssignment
}

/** The order of the Java client: static members first, by instance id; the others by member id. */
export function inMemberOrder<M extends Pick<AssignorMember, 'memberId' | 'groupInstanceId'>>(
  members: readonly M[],
): M[] {
  return [...members].sort((a, b) => {
    if (a.groupInstanceId !== null && b.groupInstanceId !== null) return compare(a.groupInstanceId, b.groupInstanceId)
    if (a.groupInstanceId !== null) return -1
    if (b.groupInstanceId !== null) return 1
    return compare(a.memberId, b.memberId)
  })
}

/** By topic and partition. */
export function inPartitionOrder(partitions: Iterable<TopicPartition>): TopicPartition[] {
  return [...partitions].sort((a, b) => compare(a.topic, b.topic) || a.partition - b.partition)
}

/** Topics with partitions that some member subscribes to, by name. */
export function subscribedTopics(members: readonly AssignorMember[], partitionCounts: PartitionCounts): string[] {
  const topics = new Set(members.flatMap((member) => member.topics))
  return [...topics].filter((topic) => (partitionCounts.get(topic) ?? 0) > 0).sort()
}

/** By UTF-16 units, like Java. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
