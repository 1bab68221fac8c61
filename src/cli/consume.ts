/** `varve consume`: records of a topic become lines. */
import { type ConsumedRecord, type ReaderOptions, type Store, VarveError } from '../index.ts'
import { numberOption, parseArguments } from './arguments.ts'
import { ExitCode, UsageError } from './command.ts'
import { Output } from './output.ts'
import { formatter } from './record-format.ts'
import { dataHelp, listOf, withStore } from './store-arguments.ts'
import { jsonBytes } from './text.ts'

export const help = `usage: varve consume <topic> [--from WHERE] [--to OFFSET] [--count N] [--follow] [--partition N ...]
                     [--group NAME] [--format TEXT] [--json] [--data FOLDER]

Writes the records of a topic to standard output, by default the value of each and a newline.

${dataHelp}
  --from WHERE         earliest (the default), latest, an offset, or a time such as 2026-01-31T12:00:00Z
  --to OFFSET          stop before it in each partition (default: what is there at the start, or with --follow never)
  --count N            stop after so many records
  --follow             wait for what comes, until interrupted
  --partition N        only this one; may be repeated
  --group NAME         as a member of this group: goes on where it has committed, and commits each batch that was
                       written out to its end; --from is where it starts if it has committed nothing
  --format TEXT        %t topic, %p partition, %o offset, %k key, %s value, %h headers, %T timestamp in ms,
                       %K and %S lengths of key and value, %% a percent sign, \\n \\t \\\\ as usual; default %s\\n
  --json               one object a line: topic, partition, offset, timestamp, key, value, headers; bytes that are not
                       UTF-8 as { "base64": ... }

exit codes: 0 written, 1 something cannot be read, 2 wrong arguments
`

export async function run(args: readonly string[]): Promise<number> {
  const table = {
    data: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    count: { type: 'string' },
    follow: { type: 'boolean' },
    partition: { type: 'string', multiple: true },
    group: { type: 'string' },
    format: { type: 'string' },
    json: { type: 'boolean' },
  } as const
  const { positionals, values } = parseArguments(args, table, { min: 1, max: 1, what: 'the topic' })
  const limit = numberOption(values, 'count') ?? Number.POSITIVE_INFINITY
  const to = numberOption(values, 'to')
  if (values.json === true && values.format !== undefined) throw new UsageError('--json has a format of its own')
  const format = values.json === true ? jsonOf : formatter((values.format as string | undefined) ?? '%s\\n')
  const partitions = listOf(values.partition).map((partition) => numberOption({ partition }, 'partition')!)
  const stop = new AbortController()
  const interrupted = (): void => stop.abort(interruption)
  process.once('SIGINT', interrupted)
  process.once('SIGTERM', interrupted)
  const options: ReaderOptions = {
    topic: positionals[0]!,
    from: startOf(values.from as string | undefined),
    follow: values.follow === true,
    signal: stop.signal,
    ...(to !== undefined && { to }),
    ...(partitions.length > 0 && { partitions }),
  }
  const group = values.group as string | undefined
  if (group !== undefined && (partitions.length > 0 || to !== undefined)) {
    throw new UsageError('--group shares the partitions out itself: leave out --partition and --to')
  }
  const out = new Output()
  return withStore(values, { make: false }, async (store) => {
    let records = 0
    try {
      if (limit === 0) return ExitCode.success
      if (group !== undefined) {
        await consumeAsMember(store, group, options, { limit, format, out })
        return ExitCode.success
      }
      for await (const batch of store.reader(options)) {
        for (const record of batch) {
          out.bytes(format(record))
          records++
          if (out.isFull) await out.drain()
          if (records === limit) return ExitCode.success
        }
        await out.drain()
      }
      return ExitCode.success
    } catch (failure) {
      if (failure === interruption) return ExitCode.success
      throw failure
    } finally {
      await out.drain()
      process.off('SIGINT', interrupted)
      process.off('SIGTERM', interrupted)
    }
  })
}

/** Commits what was written out, to the record. Without `--follow` it ends when the group has all there was at the start. */
async function consumeAsMember(
  store: Store,
  group: string,
  { topic, from, follow, signal }: ReaderOptions,
  { limit, format, out }: { limit: number; format: (record: ConsumedRecord) => Buffer; out: Output },
): Promise<void> {
  if (from !== 'earliest' && from !== 'latest') throw new UsageError('--group starts at earliest or latest')
  const ends = store.describeTopic(topic).partitions.map(({ highWatermark }) => highWatermark)
  const consumer = store.consumer({ group, topics: topic, from, autoCommit: false, signal })
  const done = (): boolean => {
    const positions = consumer.positions()
    return positions.length > 0 && positions.every(({ partition, offset }) => offset >= ends[partition]!)
  }
  let records = 0
  // Nobody calls when there was nothing to begin with.
  const look = setInterval(() => {
    if (follow !== true && done()) void consumer.close()
  }, 20)
  try {
    for await (const batch of consumer) {
      let written = 0
      for (const record of batch) {
        if (records === limit) break
        out.bytes(format(record))
        records++
        written++
      }
      await out.drain()
      if (written === batch.length) await batch.commit()
      if (records === limit) return
    }
  } finally {
    clearInterval(look)
  }
}

const interruption = new VarveError('VARVE_CLOSED', 'interrupted')

function startOf(text: string | undefined): NonNullable<ReaderOptions['from']> {
  if (text === undefined || text === 'earliest') return 'earliest'
  if (text === 'latest') return 'latest'
  if (/^[0-9]+$/.test(text)) return numberOption({ from: text }, 'from')!
  const timestamp = /^[0-9]{4}-/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(timestamp)) throw new UsageError(`--from takes earliest, latest, an offset or a time, not '${text}'`)
  return { timestamp }
}

function jsonOf(record: ConsumedRecord): Buffer {
  const { topic, partition, offset, timestamp, key, value } = record
  const headers = record.headers.map(([name, bytes]) => [name, jsonBytes(bytes)])
  const fields = { topic, partition, offset, timestamp, key: jsonBytes(key), value: jsonBytes(value), headers }
  return Buffer.from(`${JSON.stringify(fields)}\n`)
}
