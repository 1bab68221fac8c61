import { VarveError } from '../errors.ts'
import type { BatchRun } from './batch-run.ts'
import type { WaitOptions } from './end-waiters.ts'

/** What can be followed: a log, or a reader of one that has just looked where the log stands. */
export interface FollowSource {
  readonly logStartOffset: number
  readonly logEndOffset: number
  readonly closed: boolean
  read(offset: number, request?: { maxBytes?: number }): BatchRun
  waitFor(offset: number, options?: WaitOptions): Promise<boolean>
}

export interface FollowOptions {
  /** First offset: a number, 'earliest' or 'latest'. Default 'earliest'. */
  readonly from?: number | 'earliest' | 'latest'
  /** Exclusive: ends here. Default: never. */
  readonly to?: number
  /** Most bytes of one run. Default 64 KiB. */
  readonly maxBytes?: number
  /** Ends the loop by rejecting with the signal's reason. */
  readonly signal?: AbortSignal
}

/**
 * Yields what is there, then what comes, run by run, until `to` is reached, the source is closed, or the signal aborts.
 * While it waits the process stays alive. Nothing is read ahead: one run is in memory at a time.
 *
 * Nothing is skipped in silence: when retention or a truncation has moved the log away from under the loop, it rejects
 * with VARVE_OFFSET_OUT_OF_RANGE, whose details say where the log stands, and the caller decides where to go on. Only a
 * loop from the 'earliest' record that has not seen any yet begins again at the new start.
 */
export async function* follow(source: FollowSource, options: FollowOptions = {}): AsyncGenerator<BatchRun, void> {
  const { from = 'earliest', to = Number.POSITIVE_INFINITY, maxBytes, signal } = options
  let begun = from !== 'earliest'
  let offset = from === 'earliest' ? source.logStartOffset : from === 'latest' ? source.logEndOffset : from
  while (offset < to) {
    signal?.throwIfAborted()
    let run: BatchRun
    try {
      run = source.read(offset, maxBytes === undefined ? {} : { maxBytes })
    } catch (failure) {
      // The log start moved between looking at it and reading there.
      if (begun || !(failure instanceof VarveError) || offset >= source.logStartOffset) throw failure
      offset = source.logStartOffset
      continue
    }
    if (run.batchCount > 0) {
      begun = true
      offset = run.nextOffset
      yield run
    } else if (!(await source.waitFor(offset, signal === undefined ? {} : { signal })) && source.closed) return
    if (source.closed) return
  }
}
