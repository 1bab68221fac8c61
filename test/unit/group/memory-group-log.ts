import type { GroupLog } from '../../../src/group/group-coordinator.ts'
import type { GroupLogRecord } from '../../../src/group/group-events.ts'

/** A log of records in memory, whose appends may be held back or made to fail. */
export class MemoryGroupLog implements GroupLog {
  readonly records: GroupLogRecord[] = []
  /** Appends wait for `release`. */
  held = false
  /** What appends fail with. */
  failure: Error | null = null
  #waiting: (() => void)[] = []

  async append(records: readonly GroupLogRecord[]): Promise<void> {
    if (this.held) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    if (this.failure !== null) throw this.failure
    this.records.push(...records)
  }

  /** Lets those that wait go on: the last first where `backwards`. */
  release(backwards = false): void {
    const waiting = backwards ? this.#waiting.reverse() : this.#waiting
    this.#waiting = []
    for (const go of waiting) go()
  }
}
