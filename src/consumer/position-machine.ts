/** Which partition a consumer reads next, and from where. Pure. */
import { VarveError } from '../errors.ts'
import type { Position } from './fetch-source.ts'

interface Place {
  readonly topic: string
  readonly partition: number
  /** The next record that is wanted. */
  offset: number
  /** Exclusive: nothing from here on is wanted. */
  end: number
  paused: boolean
  /** Nothing was there at the last look: not asked again before it is woken. */
  idle: boolean
}

/**
 * The positions of one consumer. Partitions take turns, so that a busy one does not starve the others; one that had
 * nothing is left alone until `wake`.
 */
export class PositionMachine {
  /** In the order of their turns: whoever was read goes to the back. */
  #places: Place[] = []
  #wakes = 0

  /** Partitions to be read from now on; those that were known already stay where they stand. @param end Exclusive. */
  assign(topic: string, partition: number, offset: number, end: number = Number.POSITIVE_INFINITY): void {
    if (this.#find(topic, partition) !== undefined) return
    this.#places.push({ topic, partition, offset, end, paused: false, idle: false })
  }

  revoke(topic: string, partition: number): void {
    this.#places = this.#places.filter((place) => place.topic !== topic || place.partition !== partition)
  }

  /** Where each partition stands, by topic and partition. */
  positions(): Position[] {
    return [...this.#places]
      .sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition))
      .map(({ topic, partition, offset }) => ({ topic, partition, offset }))
  }

  /** Throws VARVE_INVALID_ARGUMENT for a partition that is not assigned. */
  seek(topic: string, partition: number, offset: number): void {
    const place = this.#assigned(topic, partition)
    place.offset = offset
    place.idle = false
  }

  /** Throws VARVE_INVALID_ARGUMENT for a partition that is not assigned. */
  pause(topic: string, partition: number, paused: boolean): void {
    this.#assigned(topic, partition).paused = paused
  }

  isAssigned(topic: string, partition: number): boolean {
    return this.#find(topic, partition) !== undefined
  }

  /** Whose turn it is; undefined when no partition can be read now. The answer is valid until the next call. */
  next(): (Position & { readonly end: number }) | undefined {
    return this.#places.find((place) => !place.paused && !place.idle && place.offset < place.end)
  }

  /** A fetch brought records: reading goes on at `nextOffset`, and the others have their turn first. */
  advance(topic: string, partition: number, nextOffset: number): void {
    const place = this.#find(topic, partition)
    if (place === undefined) return
    place.offset = nextOffset
    this.#places = [...this.#places.filter((other) => other !== place), place]
  }

  /** Counts the wakes. To be looked at before a fetch, see `idle`. */
  get wakes(): number {
    return this.#wakes
  }

  /** A fetch brought nothing. @param wakes As of before the fetch: a wake since then may be about what it did not see. */
  idle(topic: string, partition: number, wakes: number): void {
    const place = this.#find(topic, partition)
    if (place !== undefined) place.idle = wakes === this.#wakes
  }

  /** Something happened: who was idle is asked again. */
  wake(): void {
    this.#wakes++
    for (const place of this.#places) place.idle = false
  }

  /** Everything that was wanted has been read. */
  get finished(): boolean {
    return this.#places.every((place) => place.offset >= place.end)
  }

  #find(topic: string, partition: number): Place | undefined {
    return this.#places.find((place) => place.topic === topic && place.partition === partition)
  }

  #assigned(topic: string, partition: number): Place {
    const place = this.#find(topic, partition)
    if (place !== undefined) return place
    throw new VarveError('VARVE_INVALID_ARGUMENT', `Partition ${partition} of "${topic}" is not assigned here.`, {
      details: { topic, partition },
    })
  }
}
