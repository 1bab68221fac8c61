/** What must hold of a group, whatever happens. Each checker sees the run and knows nothing of the machines' insides. */
import assert from 'node:assert/strict'

export interface Place {
  readonly topic: string
  readonly partition: number
}

/** What a live consumer believes. */
export interface Belief {
  readonly name: string
  readonly memberId: string
  readonly generation: number
  readonly owned: readonly Place[]
}

/** The group as its coordinator has it. */
export interface GroupView {
  readonly state: string
  readonly generation: number
  readonly members: ReadonlySet<string>
}

const keyOf = ({ topic, partition }: Place): string => `${topic}-${partition}`

/** No partition has two owners that both are in the present generation of the group. */
export class OneOwner {
  check(group: GroupView, beliefs: readonly Belief[]): void {
    const owners = new Map<string, string>()
    for (const { name, memberId, generation, owned } of beliefs) {
      if (generation !== group.generation || !group.members.has(memberId)) continue
      for (const place of owned) {
        const other = owners.get(keyOf(place))
        assert.ok(other === undefined, `${keyOf(place)} is owned by ${other} and ${name} in generation ${generation}`)
        owners.set(keyOf(place), name)
      }
    }
  }
}

/** A commit is accepted only from the last generation that anybody was told of. */
export class PresentGeneration {
  #generation = -1

  /** A coordinator has started, and knows the group as its log has it. */
  restarted(generation: number): void {
    this.#generation = generation
  }

  /** Some member was told of a generation. */
  told(generation: number): void {
    this.#generation = Math.max(this.#generation, generation)
  }

  accepted(generation: number): void {
    assert.ok(
      generation >= this.#generation,
      `a commit of generation ${generation} was accepted in ${this.#generation}`,
    )
  }
}

/** In the log the offset of a partition never goes back: whoever takes over starts where the last owner was. */
export class OffsetsRise {
  readonly #last = new Map<string, number>()

  logged(place: Place, offset: number): void {
    const last = this.#last.get(keyOf(place)) ?? 0
    assert.ok(offset >= last, `the committed offset of ${keyOf(place)} went back from ${last} to ${offset}`)
    this.#last.set(keyOf(place), offset)
  }
}

/** What was acknowledged is there, after every restart. */
export class CommitsStay {
  readonly #acknowledged = new Map<string, number>()

  acknowledged(place: Place, offset: number): void {
    this.#acknowledged.set(keyOf(place), Math.max(offset, this.#acknowledged.get(keyOf(place)) ?? 0))
  }

  check(committed: (place: Place) => number | undefined): void {
    for (const [key, offset] of this.#acknowledged) {
      const [topic, partition] = key.split('-') as [string, string]
      const found = committed({ topic, partition: Number(partition) }) ?? -1
      assert.ok(found >= offset, `offset ${offset} of ${key} was acknowledged, and ${found} is there`)
    }
  }
}

/** Once nothing fails any more, every partition has an owner in the present generation, and every member is in it. */
export class AllOwned {
  check(group: GroupView, beliefs: readonly Belief[], places: readonly Place[]): void {
    if (beliefs.length === 0) return
    assert.equal(group.state, 'Stable', 'the group does not settle')
    for (const { name, memberId, generation } of beliefs) {
      assert.ok(group.members.has(memberId), `${name} is not in the group`)
      assert.equal(generation, group.generation, `${name} is in an old generation`)
    }
    const owned = beliefs.flatMap((belief) => belief.owned.map(keyOf))
    assert.deepEqual(owned.sort(), places.map(keyOf).sort(), 'not every partition has its owner')
  }
}
