import { ConsumedBatch, type FetchedRun } from './consumed-batch.ts'
import type { FetchSource, Isolation } from './fetch-source.ts'
import type { PositionMachine } from './position-machine.ts'

/** Most bytes of one batch where nobody says. */
export const defaultMaxBytes = 65_536

export interface FetchTerms {
  readonly maxBytes: number
  readonly isolation: Isolation
  readonly views: boolean
}

/** The next records of whoever's turn it is; undefined when nobody has anything. One batch is in memory at a time. */
export async function nextBatch(
  source: FetchSource,
  positions: PositionMachine,
  terms: FetchTerms,
): Promise<ConsumedBatch | undefined> {
  for (let place = positions.next(); place !== undefined; place = positions.next()) {
    const { topic, partition, offset, end } = place
    const { wakes } = positions
    const answer = source.fetch({ topic, partition, offset, ...terms })
    const run: FetchedRun = answer instanceof Promise ? await answer : answer
    if (run.nextOffset <= offset) {
      positions.idle(topic, partition, wakes)
      continue
    }
    positions.advance(topic, partition, run.nextOffset)
    const batch = new ConsumedBatch(topic, partition, run, offset, end)
    if (batch.length > 0) return batch
  }
  return undefined
}
