/**
 * Runs a case: one process for each system, and rounds that go through all systems before the next begins, so that
 * whatever the machine does meanwhile meets all of them. The first round warms up and is discarded.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MachineFacts } from './machine.ts'
import { notRunRow, type Point, type Row, rowsOf } from './row.ts'
import type { Task } from './task.ts'
import type { Answer, Request } from './worker.ts'

export interface RunnerOptions {
  folder: string
  machine: MachineFacts
  /** Told before each round, for a progress line. */
  onRound(system: string, round: number, rounds: number): void
}

export async function runCase(task: Task, options: RunnerOptions): Promise<Row[]> {
  const runs = task.systems.map((name) => new SystemRun(name, task, options))
  try {
    for (let round = 0; round <= task.rounds; round++) {
      for (const run of runs) {
        if (run.reason !== undefined) continue
        options.onRound(run.name, round, task.rounds)
        await run.round(round > 0)
      }
      // Who was first in this round is last in the next.
      runs.push(runs.shift()!)
    }
  } finally {
    for (const run of runs) await run.end()
  }
  const byName = new Map(runs.map((run) => [run.name, run]))
  return task.systems.flatMap((name) => byName.get(name)!.rows(options.machine))
}

/** Longest that one round may take before its system is given up: its own limit, plus filling and a final flush. */
const roundTimeoutMs = (task: Task): number => 60_000 + task.seconds * 20_000

/** Operations whose files stay for all rounds. */
const keepsFiles = (task: Task): boolean => task.operation === 'read'

/** One system in one case, over all rounds. */
class SystemRun {
  readonly name: string
  /** Why it cannot go on; undefined while it can. */
  reason: string | undefined
  readonly #task: Task
  readonly #folder: string
  readonly #blockStatPath: string
  readonly #counted: Point[][] = []
  #worker: Worker | undefined

  constructor(name: string, task: Task, options: RunnerOptions) {
    this.name = name
    this.#task = task
    this.#folder = join(options.folder, name.replaceAll(' ', '-'))
    this.#blockStatPath = options.machine.blockStatPath
  }

  async round(counted: boolean): Promise<void> {
    const task = this.#task
    if (task.operation === 'recover') {
      const filler = new Worker(this.name)
      const answer = await filler.ask(this.#request('fill-and-die'), roundTimeoutMs(task) * 5)
      await filler.end()
      // Dying by SIGKILL, without an answer, is what this one is for.
      if (!('killed' in answer)) return this.#give(answer)
    }
    this.#worker ??= new Worker(this.name)
    const answer = await this.#worker.ask(this.#request('round'), roundTimeoutMs(task))
    if (!('points' in answer)) return this.#give(answer)
    if (counted) this.#counted.push(answer.points)
    if (!keepsFiles(task)) await this.#removeFiles()
    // A process that has opened this store before would not pay for its first use again.
    if (task.operation === 'recover') await this.#endWorker()
  }

  rows(machine: MachineFacts): Row[] {
    const { reason } = this
    return reason === undefined
      ? rowsOf(this.#task, this.name, this.#counted, machine)
      : [notRunRow(this.#task, this.name, this.#task.unit, reason, machine)]
  }

  async end(): Promise<void> {
    await this.#endWorker()
    await this.#removeFiles()
  }

  #give(answer: Outcome): void {
    if ('notRun' in answer) this.reason = answer.notRun
    else if ('failed' in answer) this.reason = `failed: ${answer.failed}`
    else if ('killed' in answer) this.reason = `its process died (${answer.killed})`
    else this.reason = 'its process did not die when killed'
  }

  #request(command: Request['command']): Request {
    return { command, task: this.#task, round: { folder: this.#folder, blockStatPath: this.#blockStatPath } }
  }

  async #endWorker(): Promise<void> {
    await this.#worker?.end()
    this.#worker = undefined
  }

  async #removeFiles(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }
}

type Outcome = Answer | { killed: string }

/** A process that answers requests one at a time. */
class Worker {
  readonly #process: ChildProcess
  readonly #ended: Promise<void>
  #settle: ((outcome: Outcome) => void) | undefined

  constructor(system: string) {
    this.#process = fork(fileURLToPath(new URL('./worker.js', import.meta.url)), [system], {
      execArgv: ['--expose-gc'],
      // 16 threads for the limit that flushes many files at once; the other systems leave the pool alone or profit.
      env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#process.on('message', (answer: Answer) => this.#settle?.(answer))
    this.#process.on('error', (error) => this.#settle?.({ failed: error.message }))
    this.#ended = new Promise((resolve) => {
      this.#process.on('exit', (code, signal) => {
        this.#settle?.({ killed: signal ?? `exit code ${code}` })
        resolve()
      })
    })
  }

  ask(request: Request, timeoutMs: number): Promise<Outcome> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#settle?.({ failed: `no answer within ${Math.round(timeoutMs / 1000)} s` })
        this.#process.kill('SIGKILL')
      }, timeoutMs)
      this.#settle = (outcome) => {
        clearTimeout(timer)
        this.#settle = undefined
        resolve(outcome)
      }
      if (!this.#process.connected) this.#settle({ killed: `exit code ${this.#process.exitCode}` })
      else this.#process.send(request, (error) => error && this.#settle?.({ failed: error.message }))
    })
  }

  async end(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill('SIGKILL')
    await this.#ended
  }
}
