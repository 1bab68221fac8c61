import type { ProduceTopic } from './produce-target.ts'

interface Lookup<Call> {
  readonly calls: Call[]
  readonly done: Promise<void>
}

/**
 * Calls that wait until a target has found out about their topic. How long that may take is the target's to say.
 *
 * Calls for one topic go on in the order in which they came, none before another that came earlier; topics do not wait
 * for each other.
 */
export class TopicLookups<Call> {
  readonly #lookups = new Map<string, Lookup<Call>>()

  /** Topics that are being looked up. */
  get size(): number {
    return this.#lookups.size
  }

  /** The calls that wait for a topic, to which one more may be added; undefined when it is not being looked up. */
  waitingFor(topic: string): Call[] | undefined {
    return this.#lookups.get(topic)?.calls
  }

  /** Lets a call wait, and those that join it. One of the functions is called with each of them, in order. */
  start(
    topic: string,
    first: Call,
    described: Promise<ProduceTopic>,
    found: (call: Call, described: ProduceTopic) => void,
    failed: (call: Call, error: unknown) => void,
  ): void {
    const calls = [first]
    const done = described.then(
      (answer) => {
        this.#lookups.delete(topic)
        for (const call of calls) found(call, answer)
      },
      (error: unknown) => {
        this.#lookups.delete(topic)
        for (const call of calls) failed(call, error)
      },
    )
    this.#lookups.set(topic, { calls, done })
  }

  /** Resolves when those that wait now have gone on. */
  async settled(): Promise<void> {
    await Promise.all([...this.#lookups.values()].map(({ done }) => done))
  }
}
