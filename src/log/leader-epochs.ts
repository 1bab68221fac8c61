/**
 * Which leader epoch began at which offset: the cache behind `leader-epoch-checkpoint`.
 *
 * Entries rise strictly in epoch and in start offset; the entry with the largest start offset at or below an offset
 * covers it. Derived data: every batch carries its leader epoch, so the entries can be made anew from the log.
 * Owned by one log, used on its thread; does no I/O (`storage/kafka-checkpoint.ts` has the file's text).
 */
import type { LeaderEpochEntry } from '../storage/kafka-checkpoint.ts'

export const noLeaderEpoch = -1
export const noOffset = -1

export interface EpochEndOffset {
  /** Largest known epoch at or below the one asked for; `noLeaderEpoch` when nothing is known. */
  leaderEpoch: number
  /** First offset past that epoch (exclusive); `noOffset` when nothing is known. */
  endOffset: number
}

export class LeaderEpochs {
  /** Invariant: strictly rising in both fields. */
  #entries: LeaderEpochEntry[]
  /** Largest epoch, so that the append path compares one number. */
  #latestEpoch: number

  /** @param entries As decoded from the file: strictly rising in both fields. */
  constructor(entries: readonly LeaderEpochEntry[] = []) {
    this.#entries = entries.map(({ epoch, startOffset }) => ({ epoch, startOffset }))
    this.#latestEpoch = this.#entries.at(-1)?.epoch ?? noLeaderEpoch
  }

  get entries(): readonly Readonly<LeaderEpochEntry>[] {
    return this.#entries
  }

  /** The largest known epoch, or `noLeaderEpoch`. */
  get latestEpoch(): number {
    return this.#latestEpoch
  }

  /**
   * Enters that `epoch` began at `startOffset`: for a new leader with the log end offset, for a batch with its base
   * offset. Entries that contradict (same or later epoch, same or later start) are dropped first: so an epoch in which
   * nothing was written gives way to the next one that starts at the same offset.
   * @returns whether anything changed, that is, whether the file must be written.
   */
  assign(epoch: number, startOffset: number): boolean {
    if (epoch === this.#latestEpoch) {
      const latest = this.#entries[this.#entries.length - 1]
      if (latest === undefined || startOffset >= latest.startOffset) return false
    }
    if (epoch < 0) return false // a batch of a log that knows no epochs
    this.#dropFromEnd((entry) => entry.epoch >= epoch || entry.startOffset >= startOffset)
    this.#entries.push({ epoch, startOffset })
    this.#latestEpoch = epoch
    return true
  }

  /** The log now ends at `endOffset` (exclusive): drops the epochs that began there or later. */
  truncateFromEnd(endOffset: number): boolean {
    return this.#dropFromEnd((entry) => entry.startOffset >= endOffset)
  }

  /** The log now starts at `startOffset`: drops the epochs before it and lets the covering entry start there. */
  truncateFromStart(startOffset: number): boolean {
    let covering = -1
    while (covering + 1 < this.#entries.length && this.#entries[covering + 1]!.startOffset <= startOffset) covering += 1
    if (covering < 0) return false
    const entry = this.#entries[covering]!
    if (covering === 0 && entry.startOffset === startOffset) return false
    this.#entries.splice(0, covering + 1, { epoch: entry.epoch, startOffset })
    return true
  }

  clear(): void {
    this.#entries = []
    this.#latestEpoch = noLeaderEpoch
  }

  /** Epoch of the entry that covers `offset`, or `noLeaderEpoch` when the offset lies before the first entry. */
  epochFor(offset: number): number {
    const index = this.#lastIndexWhere((entry) => entry.startOffset <= offset)
    return index < 0 ? noLeaderEpoch : this.#entries[index]!.epoch
  }

  /**
   * Where an epoch ended, as a follower or a consumer asks in order to find out where its log parts from ours.
   * For the latest epoch that is `logEndOffset`; for an epoch between two known ones, the lower of the two and its end;
   * for one below all known, that epoch itself and the first known start; above all known: nothing.
   */
  endOffsetFor(epoch: number, logEndOffset: number): EpochEndOffset {
    if (epoch < 0 || epoch > this.#latestEpoch) return { leaderEpoch: noLeaderEpoch, endOffset: noOffset }
    if (epoch === this.#latestEpoch) return { leaderEpoch: epoch, endOffset: logEndOffset }
    const index = this.#lastIndexWhere((entry) => entry.epoch <= epoch)
    const next = this.#entries[index + 1]!
    return { leaderEpoch: index < 0 ? epoch : this.#entries[index]!.epoch, endOffset: next.startOffset }
  }

  #dropFromEnd(matches: (entry: LeaderEpochEntry) => boolean): boolean {
    const before = this.#entries.length
    while (this.#entries.length > 0 && matches(this.#entries[this.#entries.length - 1]!)) this.#entries.pop()
    this.#latestEpoch = this.#entries.at(-1)?.epoch ?? noLeaderEpoch
    return this.#entries.length !== before
  }

  /** Last entry for which the condition holds, given that it holds for a prefix only; -1 for none. */
  #lastIndexWhere(holds: (entry: LeaderEpochEntry) => boolean): number {
    let low = -1
    let high = this.#entries.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (holds(this.#entries[middle]!)) low = middle
      else high = middle
    }
    return low
  }
}
