import { VarveError } from '../errors.ts'

interface Waiter {
  /** Exclusive: everything below it must be on disk. */
  readonly endOffset: number
  readonly resolve: () => void
  readonly reject: (failure: Error) => void
}

export interface FlushTarget {
  /** Offset that the next record would get. */
  logEndOffset(): number
  /** Flushes everything appended so far; resolves when it is on disk. */
  flushAppended(): Promise<void>
  /** Runs `run` when the current burst of work is over, so that its appends share one flush. */
  soon(run: () => void): void
  /** Told once, when a flush has failed. */
  onFailure(failure: VarveError): void
}

/**
 * Group commit of one log: while any append waits a flush is in flight, and everything that arrives meanwhile shares the next.
 *
 * After a failed flush nothing is retried: the state of the file is unknowable (the kernel may have dropped the dirty
 * pages), so every waiter and every later request gets `VARVE_FAILED` until the log is opened anew (promise P7).
 * The queue is bounded by what appends wait: one entry per unresolved `appendDurable` or `flush`.
 */
export class GroupCommit {
  readonly #target: FlushTarget
  /** In order of `endOffset`, because appends are. */
  #waiting: Waiter[] = []
  #running = false
  #failure: VarveError | null = null
  /** First offset not known to be on disk. Moves down by `restart` only. */
  #flushedOffset = 0

  constructor(target: FlushTarget) {
    this.#target = target
  }

  get flushedOffset(): number {
    return this.#flushedOffset
  }

  get failure(): VarveError | null {
    return this.#failure
  }

  /** True while somebody waits for a flush, or one is in flight. */
  get busy(): boolean {
    return this.#running || this.#waiting.length > 0
  }

  /** Resolves when every record below `endOffset` is on disk. */
  wait(endOffset: number): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    if (endOffset <= this.#flushedOffset) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#waiting.push({ endOffset, resolve, reject })
      this.#start()
    })
  }

  /** The log was opened, or its files exchanged, and everything up to its end at `offset` is on disk. Nobody may be waiting. */
  restart(offset: number): void {
    this.#flushedOffset = offset
  }

  /** Something outside of a group commit (a seal, a close) has put everything below `endOffset` on disk. */
  flushed(endOffset: number): void {
    if (endOffset > this.#flushedOffset) this.#flushedOffset = endOffset
  }

  /** Fail-stops: everybody who waits, and everybody who comes, gets `failure`. */
  fail(failure: VarveError): void {
    if (this.#failure !== null) return
    this.#failure = failure
    const waiting = this.#waiting
    this.#waiting = []
    for (const { reject } of waiting) reject(failure)
    this.#target.onFailure(failure)
  }

  #start(): void {
    if (this.#running) return
    this.#running = true
    this.#target.soon(() => void this.#run())
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0 && this.#failure === null) {
      const endOffset = this.#target.logEndOffset()
      try {
        await this.#target.flushAppended()
      } catch (cause) {
        this.fail(flushFailure(cause))
        break
      }
      this.flushed(endOffset)
      this.#release()
      // What the released waiters append at once belongs to the next flush: let them run before it starts.
      await new Promise<void>((resolve) => this.#target.soon(resolve))
    }
    this.#running = false
  }

  #release(): void {
    const waiting = this.#waiting
    let count = 0
    while (count < waiting.length && waiting[count]!.endOffset <= this.#flushedOffset) count++
    this.#waiting = waiting.slice(count)
    for (let index = 0; index < count; index++) waiting[index]!.resolve()
  }
}

function flushFailure(cause: unknown): VarveError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const details = cause instanceof VarveError ? { ...cause.details, causeCode: cause.code } : {}
  return new VarveError(
    'VARVE_FAILED',
    `A flush failed, so what reached the disk is unknown and the log is offline. Close it and open it again: that re-reads the disk. (${reason})`,
    { details, cause },
  )
}
