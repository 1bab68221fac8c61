/** `varve group`: shows, resets and deletes consumer groups. */
import type { GroupDetails, ResetTarget, Store } from '../index.ts'
import { numberOption, parseArguments } from './arguments.ts'
import { ExitCode, UsageError } from './command.ts'
import { Output } from './output.ts'
import { dataHelp, withStore } from './store-arguments.ts'
import { count, countOf, secondsText } from './text.ts'

export const help = `usage: varve group list [--json] [--data FOLDER]
       varve group describe <group> [--json] [--data FOLDER]
       varve group reset <group> --topic NAME --to WHERE [--data FOLDER]
       varve group delete <group> [--data FOLDER]

Consumer groups of a store: who is in them, how far behind they are, and where they go on. A store has one writer: while
another process has it open, this says which one.

${dataHelp}
  --topic NAME         the topic in which the group is to go on elsewhere
  --to WHERE           earliest, latest, an offset, a time such as 2026-01-31T12:00:00Z, a span back such as 1h or 30m,
                       or so many records forth or back: +10, --to=-10
  --json               print JSON

exit codes: 0 done, 1 refused or something cannot be read or written, 2 wrong arguments
`

const verbs = ['list', 'describe', 'reset', 'delete'] as const

export async function run(args: readonly string[]): Promise<number> {
  const [verb, ...rest] = args
  if (verb === undefined) throw new UsageError(`what to do is missing: ${verbs.join(', ')}`)
  if (!verbs.includes(verb as (typeof verbs)[number])) {
    throw new UsageError(`there is no 'varve group ${verb}': ${verbs.join(', ')}`)
  }
  const table = {
    data: { type: 'string' },
    topic: { type: 'string' },
    to: { type: 'string' },
    json: { type: 'boolean' },
  } as const
  const names = verb === 'list' ? 0 : 1
  const { positionals, values } = parseArguments(rest, table, { min: names, max: names, what: 'the name of the group' })
  const { topic, to } = values as { topic?: string; to?: string }
  if (verb === 'reset' && (topic === undefined || to === undefined)) throw new UsageError('--topic and --to are needed')
  const target = to === undefined ? 'earliest' : targetOf(to)
  const group = positionals[0] ?? ''
  const out = new Output()
  const code = await withStore(values, { make: false }, async (store) => {
    if (verb === 'list') list(store, values.json === true, out)
    else if (verb === 'describe') {
      const details = await store.groups.describe(group)
      if (values.json === true) out.json(details)
      else describe(details, out)
    } else if (verb === 'delete') {
      await store.groups.delete(group)
      out.line(`deleted ${group}`)
    } else {
      for (const { partition, offset } of await store.groups.resetOffsets(group, topic!, target)) {
        out.line(`${topic}-${partition}: goes on at ${count(offset)}`)
      }
    }
    return ExitCode.success
  })
  await out.drain()
  return code
}

function list(store: Store, json: boolean, out: Output): void {
  const groups = store.groups.list()
  if (json) out.json(groups)
  else for (const { group, state, protocolType } of groups) out.line(`${group}  ${state}  ${protocolType || '-'}`)
}

function describe({ group, state, protocol, members, offsets }: GroupDetails, out: Output): void {
  out.line(`${group}: ${state}, ${countOf(members.length, 'member')}${protocol === null ? '' : `, ${protocol}`}`)
  for (const { topic, partition, committedOffset, highWatermark, lag, lagMs } of offsets) {
    const behind =
      lag === 0 ? 'has all' : `${countOf(lag, 'record')} behind, the oldest ${secondsText(lagMs / 1000)} old`
    out.line(`  ${topic}-${partition}: ${count(committedOffset)} of ${count(highWatermark)}, ${behind}`)
  }
}

const unitsMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

function targetOf(text: string): ResetTarget {
  if (text === 'earliest' || text === 'latest') return text
  if (/^[0-9]+$/.test(text)) return numberOption({ to: text }, 'to')!
  if (/^[+-][0-9]{1,15}$/.test(text)) return { shiftBy: Number(text) }
  const span = /^([0-9]{1,10})([smhd])$/.exec(text)
  if (span !== null) return { durationMs: Number(span[1]) * unitsMs[span[2]!]! }
  const timestamp = /^[0-9]{4}-/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(timestamp))
    throw new UsageError(`--to takes earliest, latest, an offset, a time or a span, not '${text}'`)
  return { timestamp }
}
