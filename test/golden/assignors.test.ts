/** Seen to fail with members in the order of their ids alone, and with the longer runs given to the last members. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { AssignorMember } from '../../src/group/assignors/assignor.ts'
import { assignors } from '../../src/group/assignors/assignors.ts'

interface Asked {
  readonly topics: Record<string, number>
  readonly members: { memberId: string; groupInstanceId: string | null; topics: string[] }[]
  readonly range: Record<string, string>
  readonly roundrobin: Record<string, string>
}

describe('assignors answer as those of the Java client', () => {
  const file = fileURLToPath(new URL('../../../test/golden/kafka-4.3-assignors/assignments.jsonl', import.meta.url))
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')

  for (const name of ['range', 'roundrobin'] as const) {
    it(name, () => {
      assert.ok(lines.length > 100)
      for (const line of lines) {
        const asked = JSON.parse(line) as Asked
        const members = asked.members.map(
          (member): AssignorMember => ({ ...member, owned: [], generation: -1, userData: null }),
        )
        const assigned = assignors.get(name)!.assign(members, new Map(Object.entries(asked.topics)))
        const shown = [...assigned].map(([memberId, partitions]) => [
          memberId,
          partitions.map(({ topic, partition }) => `${topic}-${partition}`).join(' '),
        ])
        assert.deepEqual(Object.fromEntries(shown), asked[name], line)
      }
    })
  }
})
