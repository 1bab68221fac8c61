/**
 * Seen to fail with every claim left out (nothing sticks), with the later generation not preferred, with quotas that
 * ignore who has more already, with hand-overs left out (unbalanced), and with the first round of the cooperative
 * assignor handing out what another still has.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  type Assignor,
  type AssignorMember,
  type GroupAssignment,
  inPartitionOrder,
  type TopicPartition,
} from '../../../../src/group/assignors/assignor.ts'
import { cooperativeStickyAssignor } from '../../../../src/group/assignors/cooperative-sticky.ts'
import { stickyAssignor } from '../../../../src/group/assignors/sticky.ts'

const key = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`

/** A member that had `owned` in `generation`, as each assignor wants to be told. */
function memberOf(
  assignor: Assignor,
  memberId: string,
  topics: readonly string[],
  owned: readonly TopicPartition[] = [],
  generation = -1,
): AssignorMember {
  const userData = assignor.userData(owned, generation)
  const eager = assignor.rebalance === 'eager'
  return { memberId, groupInstanceId: null, topics, owned: eager ? [] : owned, generation, userData }
}

/** Rounds until nobody has to give anything up, as a group makes them. */
function settle(
  assignor: Assignor,
  members: readonly { memberId: string; topics: readonly string[] }[],
  counts: ReadonlyMap<string, number>,
  before: GroupAssignment = new Map(),
  generation = 0,
): GroupAssignment {
  let had = before
  for (let round = 0; round < 3; round += 1) {
    const now = assignor.assign(
      members.map(({ memberId, topics }) =>
        memberOf(assignor, memberId, topics, had.get(memberId) ?? [], had.has(memberId) ? generation + round : -1),
      ),
      counts,
    )
    if (assignor.rebalance === 'eager') return now
    const given = new Set([...now.values()].flat().map(key))
    const waits = [...had].some(([memberId, owned]) => {
      const kept = new Set((now.get(memberId) ?? []).map(key))
      return now.has(memberId) && owned.some((place) => !kept.has(key(place)))
    })
    // In no round may a member get what another has had and not given up.
    for (const [memberId, owned] of had) {
      if (!now.has(memberId)) continue
      const kept = new Set(now.get(memberId)!.map(key))
      for (const place of owned)
        if (!kept.has(key(place))) assert.ok(!given.has(key(place)), `${key(place)} given twice`)
    }
    had = now
    if (!waits) return now
  }
  assert.fail('a cooperative group settles in two rounds')
}

function load(assignment: GroupAssignment): number[] {
  return [...assignment.values()].map((partitions) => partitions.length)
}

/** Everything that somebody subscribes to is there once, and only with subscribers. */
function assertComplete(
  assignment: GroupAssignment,
  members: readonly { memberId: string; topics: readonly string[] }[],
  counts: ReadonlyMap<string, number>,
): void {
  const wanted = [...counts]
    .filter(([topic]) => members.some(({ topics }) => topics.includes(topic)))
    .flatMap(([topic, count]) => Array.from({ length: count }, (_, partition) => ({ topic, partition })))
  assert.deepEqual(inPartitionOrder([...assignment.values()].flat()), inPartitionOrder(wanted))
  for (const { memberId, topics } of members)
    for (const { topic } of assignment.get(memberId)!) assert.ok(topics.includes(topic))
}

function moved(before: GroupAssignment, after: GroupAssignment): number {
  const owners = new Map([...before].flatMap(([memberId, all]) => all.map((place) => [key(place), memberId])))
  let count = 0
  for (const [memberId, all] of after)
    for (const place of all) {
      const owner = owners.get(key(place))
      if (owner !== undefined && after.has(owner) && owner !== memberId) count += 1
    }
  return count
}

const topicNames = ['t0', 't1', 't2', 't3']
const countsArbitrary = fc
  .array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 4 })
  .map((counts) => new Map(counts.map((count, index) => [topicNames[index]!, count])))
const idsArbitrary = fc.uniqueArray(fc.integer({ min: 0, max: 99 }), { minLength: 1, maxLength: 9 })

for (const assignor of [stickyAssignor, cooperativeStickyAssignor]) {
  describe(`assignor ${assignor.name}`, () => {
    it('equal subscriptions differ by one partition at most', () => {
      fc.assert(
        fc.property(countsArbitrary, idsArbitrary, (counts, ids) => {
          const members = ids.map((id) => ({ memberId: `m${id}`, topics: [...counts.keys()] }))
          const assigned = settle(assignor, members, counts)
          assertComplete(assigned, members, counts)
          assert.ok(Math.max(...load(assigned)) - Math.min(...load(assigned)) <= 1)
        }),
      )
    })

    it('members that come and go move no more than balance needs', () => {
      fc.assert(
        fc.property(countsArbitrary, idsArbitrary, idsArbitrary, (counts, firstIds, laterIds) => {
          const membersOf = (ids: readonly number[]) =>
            ids.map((id) => ({ memberId: `m${id}`, topics: [...counts.keys()] }))
          const before = settle(assignor, membersOf(firstIds), counts)
          const after = settle(assignor, membersOf(laterIds), counts, before, 5)
          assertComplete(after, membersOf(laterIds), counts)
          assert.ok(Math.max(...load(after)) - Math.min(...load(after)) <= 1)
          // Those who stay keep as much as their share allows: the least, and one more for so many as there may be.
          const total = load(after).reduce((sum, each) => sum + each, 0)
          const least = Math.floor(total / laterIds.length)
          let more = total % laterIds.length
          let needed = 0
          for (const id of laterIds) {
            const had = before.get(`m${id}`)?.length ?? 0
            const share = had > least && more > 0 ? least + 1 : least
            if (share > least) more -= 1
            needed += Math.max(0, had - share)
          }
          assert.equal(moved(before, after), needed)
        }),
      )
    })

    it('different subscriptions: everything is assigned, and nobody could hand a partition to one with two fewer', () => {
      const membersArbitrary = fc.array(fc.subarray(topicNames), { minLength: 1, maxLength: 7 })
      fc.assert(
        fc.property(countsArbitrary, membersArbitrary, membersArbitrary, (counts, first, later) => {
          const membersOf = (all: readonly string[][]) => all.map((topics, id) => ({ memberId: `m${id}`, topics }))
          const before = settle(assignor, membersOf(first), counts)
          for (const [members, assigned] of [
            [membersOf(first), before],
            [membersOf(later), settle(assignor, membersOf(later), counts, before, 5)],
          ] as const) {
            assertComplete(assigned, members, counts)
            for (const [memberId, all] of assigned)
              for (const { topic } of all)
                for (const other of members)
                  if (other.topics.includes(topic))
                    assert.ok(all.length - assigned.get(other.memberId)!.length < 2, `${memberId} to ${other.memberId}`)
          }
          // Nothing changed, so nothing moves.
          const again = settle(assignor, membersOf(first), counts, before, 5)
          assert.deepEqual(again, before)
        }),
      )
    })

    it('loads are evened out over members in between', () => {
      const counts = new Map([
        ['t', 4],
        ['u', 2],
        ['v', 1],
      ])
      const members = [
        { memberId: 'a', topics: ['t'] },
        { memberId: 'b', topics: ['t', 'u'] },
        { memberId: 'c', topics: ['u', 'v'] },
      ]
      const before: GroupAssignment = new Map([
        ['a', [0, 1, 2].map((partition) => ({ topic: 't', partition }))],
        ['b', [{ topic: 't', partition: 3 }, ...[0, 1].map((partition) => ({ topic: 'u', partition }))]],
        ['c', [{ topic: 'v', partition: 0 }]],
      ])
      const after = settle(assignor, members, counts, before, 1)
      assertComplete(after, members, counts)
      assert.deepEqual(load(after).sort(), [2, 2, 3])
    })

    it('of two claims the later generation counts; of equal ones neither', () => {
      const counts = new Map([['t', 2]])
      const place = (partition: number): TopicPartition => ({ topic: 't', partition })
      const claim = (memberId: string, owned: TopicPartition[], generation: number) =>
        memberOf(assignor, memberId, ['t'], owned, generation)
      const assigned = assignor.assign([claim('a', [place(0)], 3), claim('b', [place(0)], 4)], counts)
      // What `a` may still be reading is given to nobody where members keep what they have.
      const eager = assignor.rebalance === 'eager'
      assert.deepEqual(assigned.get('b'), eager ? [place(0)] : [])
      assert.deepEqual(assigned.get('a'), [place(1)])
      const equal = assignor.assign([claim('a', [place(0)], 3), claim('b', [place(0)], 3)], counts)
      assert.equal([...equal.values()].flat().length, eager ? 2 : 1)
    })

    it("another member's user data that cannot be read makes its assignment new, and nothing worse", () => {
      const broken = { ...memberOf(assignor, 'a', ['t']), userData: Uint8Array.of(0, 0, 0) }
      const assigned = assignor.assign([broken], new Map([['t', 1]]))
      assert.deepEqual(assigned.get('a'), [{ topic: 't', partition: 0 }])
    })
  })
}
