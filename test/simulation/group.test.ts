/**
 * Each checker was seen to fail. `OneOwner`: a cooperative assignor that hands out what another still has; a member that
 * keeps what it lost, or eager ones that keep what they have; one that was carried through a generation that it did not
 * join (seed 836). `PresentGeneration`: commits of any generation taken; a consumer that commits while it is in none, which
 * an empty group takes (seed 39387). `OffsetsRise`: a fenced instance, or anybody without a generation, let commit.
 * `CommitsStay`: a commit that leaves one partition out of its records. `AllOwned`: a member that does not join again after
 * it gave something up, or when a heartbeat says so; a topic that grew not shared anew; a leader that does not look after
 * what it could not give out (seed 5067: its owner was replaced by another process of its name before it had given it up).
 */
import { GroupWorld } from './group-world.ts'

/** In the gate; `VARVE_SEEDS=first-last` runs others. */
const defaultSeeds = '1-300'
/** Found something once, see above; they stay although a change of the world makes them another run. */
const keptSeeds = [424, 836, 5067, 39387]

function run(seed: number): void {
  try {
    new GroupWorld(seed).run()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const replay = `VARVE_SEEDS=${seed} npx mocha dist/test/simulation/group.test.js`
    throw new Error(`seed ${seed}: ${reason}; again by: ${replay}`, { cause })
  }
}

describe('simulation: a group under faults', () => {
  const [first, last = first] = (process.env.VARVE_SEEDS ?? defaultSeeds).split('-').map(Number)

  it(`one owner, no commit of old, nothing acknowledged lost, all owned in the end: seeds ${first} to ${last}`, function () {
    this.timeout(600_000)
    for (let seed = first!; seed <= last!; seed += 1) {
      run(seed)
    }
  })

  for (const seed of keptSeeds) it(`seed ${seed}`, () => run(seed))
})
