import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { Calls } from './log-actor.ts'

const program = new URL('./log-actor.js', import.meta.url)

interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** Somebody else who writes or follows a log: a process or a worker thread that runs `log-actor.ts`. */
export class Actor {
  readonly #pending = new Map<number, Pending>()
  readonly #peer: ChildProcess | Worker
  readonly #ended: Promise<void>
  #nextId = 1
  /** Log end of the last append that `appendForEver` told of. */
  acknowledged = -1

  private constructor(peer: ChildProcess | Worker) {
    this.#peer = peer
    peer.on('message', (message: { id?: number; value?: unknown; error?: object; acknowledged?: number }) => {
      if (message.acknowledged !== undefined) {
        this.acknowledged = message.acknowledged
        return
      }
      const pending = this.#pending.get(message.id!)
      this.#pending.delete(message.id!)
      if (message.error === undefined) pending?.resolve(message.value)
      else pending?.reject(Object.assign(new Error(), message.error))
    })
    this.#ended = once(peer, 'exit').then(() => {
      for (const pending of this.#pending.values()) pending.reject(new Error('the actor ended'))
      this.#pending.clear()
    })
  }

  /** `user`: runs as another user (needs root). */
  static process(options: { user?: number } = {}): Actor {
    return new Actor(
      fork(fileURLToPath(program), options.user === undefined ? {} : { uid: options.user, gid: options.user }),
    )
  }

  static thread(): Actor {
    return new Actor(new Worker(program))
  }

  get pid(): number {
    return this.#peer instanceof Worker ? process.pid : this.#peer.pid!
  }

  call<Name extends keyof Calls>(
    call: Name,
    ...args: Parameters<Calls[Name]>
  ): Promise<Awaited<ReturnType<Calls[Name]>>> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as Pending['resolve'], reject })
      const request = { id, call, args }
      if (this.#peer instanceof Worker) this.#peer.postMessage(request)
      else this.#peer.send(request)
    })
  }

  /** `kill -9`, or the end of the thread in the middle of what it does. Resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.#peer instanceof Worker) await this.#peer.terminate()
    else this.#peer.kill('SIGKILL')
    await this.#ended
  }
}
