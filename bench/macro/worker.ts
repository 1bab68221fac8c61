/** Entry of the process that measures one system in one case: `runner.ts` starts it, sends rounds, and ends it. */
import { fillAndDie, type Round, runRound } from './drivers.ts'
import type { Point } from './row.ts'
import { NotRun } from './subject.ts'
import { systems } from './systems/index.ts'
import type { Task } from './task.ts'

export interface Request {
  command: 'round' | 'fill-and-die'
  task: Task
  round: Round
}

export type Answer = { points: Point[] } | { notRun: string } | { failed: string }

const system = systems.get(process.argv[2] ?? '')
if (!system) throw new Error(`no system named ${process.argv[2]}`)

process.on('message', (request: Request) => {
  const work = request.command === 'round' ? runRound : fillAndDie
  work(system, request.task, request.round).then(
    (points) => reply({ points }),
    (error: Error) => reply(error instanceof NotRun ? { notRun: error.message } : { failed: describe(error) }),
  )
})
// The harness is gone: nobody wants the answer.
process.on('disconnect', () => process.exit(1))

function reply(answer: Answer): void {
  process.send!(answer)
}

const describe = (error: Error & { code?: string }): string => [error.code, error.message].filter(Boolean).join(': ')
