/**
 * A thread or process with logs open, and what it does with them is its second argument. The first is a folder.
 *
 * - `idle`: leaves a log and a reader open; it has to end by itself
 * - `append`, `flush`, `wait`, `follow`: has nothing else to live for than that; it says when it is done
 * - `exit`, `throw`, `run`: appends and flushes with waits pending, tells what was acknowledged, then ends so (`run`: never)
 * - `forget`: appends, and comes to its end without close()
 */
import { writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { openLog } from '../../src/doors/log.ts'
import { batchAt } from '../actors/contents.ts'

const [folder, plan] = (workerData as string[] | null) ?? process.argv.slice(2)
// Told at once, whatever happens in the next moment.
const say = (text: string): void => {
  if (parentPort !== null) parentPort.postMessage(text)
  else writeSync(1, `${text}\n`)
}

const options = { internalSegmentBytes: 64 * 1024, durability: 'buffered' } as const

async function live(): Promise<void> {
  if (plan === 'wait' || plan === 'follow') {
    const reader = await openLog(folder!, { mode: 'read' })
    const at = reader.logEndOffset
    say(`at ${at}`)
    if (plan === 'wait') say(`waited ${await reader.waitFor(at)}`)
    else for await (const run of reader.follow({ from: at, to: at + 1 })) say(`followed ${run.nextOffset}`)
    return
  }
  const log = await openLog(folder!, options)
  const reader = await openLog(folder!, { mode: 'read' })
  const append = (): number => log.append(batchAt(log.logEndOffset, 10, 0)).lastOffset + 1
  say(`at ${append()}`)
  if (plan === 'append') {
    const ack = await log.appendDurable(batchAt(log.logEndOffset, 1, 0), 'synced')
    say(`appended ${ack.durability}`)
  } else if (plan === 'flush') {
    await log.flush()
    say(`flushed ${log.recoveryPoint}`)
  } else if (plan === 'forget') {
    for (let i = 0; i < 200; i++) say(`at ${append()}`)
  } else if (plan !== 'idle') {
    // Everything that a thread of ours might still be at when the end comes: flushes, seals, watches, views.
    for (let turn = 0; ; turn++) {
      for (let i = 0; i < 50; i++) append()
      log.flush().catch(() => {})
      reader.read(0, { views: true })
      reader.waitFor(log.logEndOffset).catch(() => {})
      say(`at ${log.logEndOffset}`)
      if (turn === 5 && plan === 'exit') process.exit(0)
      if (turn === 5 && plan === 'throw') setImmediate(() => throwOnPurpose())
      await new Promise(setImmediate)
    }
  }
}

function throwOnPurpose(): never {
  throw new Error('thrown on purpose')
}

void live()
