import type { BatchRun } from './batch-run.ts'
import type { WaitOptions } from './end-waiters.ts'

/** What can be followed: a log, or a reader of one. */
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
 */
export async function* follow(source: FollowSource, options: FollowOptions = {}): AsyncGenerator<BatchRun, void> {
  const { from = 'earliest', to = Number.POSITIVE_INFINITY, maxBytes, signal } = options
  let offset = from === 'earliest' ? source.logStartOffset : from === 'latest' ? source.logEndOffset : from
  while (offset < to) {
    signal?.throwIfAborted()
    const run = source.read(offset, maxBytes === undefined ? {} : { maxBytes })
    if (run.batchCount > 0) {
      offset = run.nextOffset
      yield run
    } else if (!(await source.waitFor(offset, signal === undefined ? {} : { signal })) && source.closed) return
    if (source.closed) return
  }
}
