import type { CaseKey, Unit } from './row.ts'

/** The loops that `drivers.ts` knows. */
export type Operation =
  /** Append as fast as it goes. */
  | 'throughput'
  /** Time every append, one after another. */
  | 'latency'
  /** Time every append from the moment it was *due* at a fixed rate, so that a stall counts for all that it delayed. */
  | 'paced'
  /** Read everything back from a warm page cache. */
  | 'read'
  /** Open what a killed process left. */
  | 'recover'
  /** Open an empty folder and append one record. */
  | 'first-append'
  /** Memory of logs that are open and do nothing. */
  | 'idle'
  /** From an append to its sight in another process. */
  | 'follow'
  /** Append and seek while the log grows. */
  | 'growth'

export interface Task extends CaseKey {
  operation: Operation
  /** Unit of the main figure. */
  unit: Unit
  /** Which systems take part. */
  systems: readonly string[]
  /** Variant of an operation, such as the read mode; '' for none. */
  variant: string
  /** Logs (files, stores) that the writers are spread over. */
  logs: number
  /** Most records of one round. */
  records: number
  /** Longest time of one round; a round that this cut short says so in its note. */
  seconds: number
  /** Counted rounds; one more is run before them and discarded. */
  rounds: number
  /** Records per second of `paced` and `follow`. */
  perSecond: number
  /** Sizes in bytes at which `growth` measures. */
  sizes: readonly number[]
  /** Also report CPU, memory and full collections. */
  costs: boolean
}
