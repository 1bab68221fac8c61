import type { Addon } from './addon.ts'

type Completion = (status: number) => void

/**
 * The waits of one JavaScript thread: every native job that finishes later carries a ticket, and comes back through
 * the addon's one completion handler. One instance per addon instance, so per thread.
 */
export class Tickets {
  readonly #open = new Map<number, Completion>()
  #next = 1

  constructor(addon: Addon) {
    addon.setCompletionHandler((ticket, status) => {
      const done = this.#open.get(ticket)
      this.#open.delete(ticket)
      done?.(status)
    })
  }

  /** A fresh ticket; `done` runs once, with the job's status, on this thread. */
  issue(done: Completion): number {
    const ticket = this.#next
    this.#next = ticket === 0x7fffffff ? 1 : ticket + 1
    this.#open.set(ticket, done)
    return ticket
  }

  /** Forgets a ticket whose job was refused or no longer matters. */
  discard(ticket: number): void {
    this.#open.delete(ticket)
  }
}
