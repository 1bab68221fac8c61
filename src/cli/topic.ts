/** `varve topic`: makes, shows, changes and deletes topics. */
import type { AlterTopicOptions, CreateTopicOptions, Store, TopicInfo } from '../index.ts'
import { numberOption, parseArguments } from './arguments.ts'
import { ExitCode, UsageError } from './command.ts'
import { Output } from './output.ts'
import { dataHelp, listOf, settingsOf, withStore } from './store-arguments.ts'
import { bytesText, count, countOf } from './text.ts'

export const help = `usage: varve topic create <name> [--partitions N] [--set NAME=VALUE ...] [--data FOLDER]
       varve topic list [--internal] [--json] [--data FOLDER]
       varve topic describe <name> [--all] [--json] [--data FOLDER]
       varve topic alter <name> [--partitions N] [--set NAME=VALUE ...] [--unset NAME ...] [--data FOLDER]
       varve topic delete <name> [--data FOLDER]

Topics of a store, in its folder: no server is needed. A store has one writer: while another process has it open, this
says which one.

${dataHelp}
  --partitions N       how many: 1 by default; alter can only add some, and keys then go to other partitions
  --set NAME=VALUE     a setting by either name, such as retention.ms=60000 or cleanupPolicy=compact; may be repeated
  --unset NAME         back to the store's own value; may be repeated
  --internal           also the topics that the store keeps for itself
  --all                also settings that nobody changed
  --json               print JSON

exit codes: 0 done, 1 refused or something cannot be read or written, 2 wrong arguments
`

const verbs = ['create', 'list', 'describe', 'alter', 'delete'] as const

const table = {
  data: { type: 'string' },
  partitions: { type: 'string' },
  set: { type: 'string', multiple: true },
  unset: { type: 'string', multiple: true },
  internal: { type: 'boolean' },
  all: { type: 'boolean' },
  json: { type: 'boolean' },
} as const

export async function run(args: readonly string[]): Promise<number> {
  const [verb, ...rest] = args
  if (verb === undefined) throw new UsageError(`what to do is missing: ${verbs.join(', ')}`)
  if (!verbs.includes(verb as (typeof verbs)[number])) {
    throw new UsageError(`there is no 'varve topic ${verb}': ${verbs.join(', ')}`)
  }
  const names = verb === 'list' ? 0 : 1
  const { positionals, values } = parseArguments(rest, table, { min: names, max: names, what: 'the name of the topic' })
  const partitions = numberOption(values, 'partitions')
  const settings = settingsOf(values)
  const out = new Output()
  const code = await withStore(values, { make: verb === 'create' }, async (store) => {
    const name = positionals[0] ?? ''
    if (verb === 'create') {
      const options = { ...settings, ...(partitions !== undefined && { partitions }) } as CreateTopicOptions
      say(out, 'made', await store.createTopic(name, options))
    } else if (verb === 'alter') {
      const unset = Object.fromEntries(listOf(values.unset).map((setting) => [setting, null]))
      const changes = { ...settings, ...unset, ...(partitions !== undefined && { partitions }) } as AlterTopicOptions
      if (Object.keys(changes).length === 0) throw new UsageError('nothing to change: --partitions, --set or --unset')
      say(out, 'changed', await store.alterTopic(name, changes))
    } else if (verb === 'delete') {
      await store.deleteTopic(name)
      out.line(`deleted ${name}`)
    } else if (verb === 'list') list(store, values, out)
    else describe(store, name, values, out)
    return ExitCode.success
  })
  await out.drain()
  return code
}

function say(out: Output, what: string, { name, topicId, partitionCount }: TopicInfo): void {
  out.line(`${what} ${name}: ${countOf(partitionCount, 'partition')}, id ${topicId}`)
}

function list(store: Store, values: Readonly<Record<string, unknown>>, out: Output): void {
  const topics = store.listTopics({ internal: values.internal === true })
  if (values.json === true) out.json(topics)
  else for (const { name, partitionCount } of topics) out.line(`${name}  ${countOf(partitionCount, 'partition')}`)
}

function describe(store: Store, name: string, values: Readonly<Record<string, unknown>>, out: Output): void {
  const topic = store.describeTopic(name)
  const settings = topic.settings.filter(({ source }) => values.all === true || source !== 'default')
  if (values.json === true) {
    out.json({ ...topic, settings })
    return
  }
  out.line(`${name}: ${countOf(topic.partitionCount, 'partition')}, id ${topic.topicId}`)
  for (const { partition, logStartOffset, highWatermark, sizeBytes } of topic.partitions) {
    const records = countOf(highWatermark - logStartOffset, 'record')
    out.line(
      `  ${partition}: offsets ${count(logStartOffset)} up to ${count(highWatermark)} (${records}, ${bytesText(sizeBytes)})`,
    )
  }
  for (const { kafkaName, value, source } of settings) out.line(`  ${kafkaName} = ${String(value)} (${source})`)
}
