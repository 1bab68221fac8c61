/** `varve produce`: lines of standard input become records of a topic. */
import type { CompressionName, ProducerRecord, SendOptions } from '../index.ts'
import { VarveError } from '../index.ts'
import { choiceOption, numberOption, parseArguments } from './arguments.ts'
import { ExitCode, UsageError } from './command.ts'
import { LineSplitter } from './line-splitter.ts'
import { Output } from './output.ts'
import { dataHelp, withStore } from './store-arguments.ts'
import { count, countOf } from './text.ts'

export const help = `usage: varve produce <topic> [--key-separator TEXT] [--headers] [--json] [--partition N]
                     [--compression NAME] [--durability LEVEL] [--data FOLDER]

Reads lines from standard input; each becomes a record of the topic, its value the line without the newline. Says at the
end how many there were and what durability they reached.

${dataHelp}
  --key-separator TEXT  what stands before it in a line is the key; a line without it is an error
  --headers             a line begins with name=value,name=value and a tab
  --json                each line is an object: { "value": ..., "key": ..., "headers": {...}, "timestamp": ms,
                        "partition": N }; a value that is no text is stored as JSON, null is a deletion
  --partition N         all go there (default: by the key, and in turn without one)
  --compression NAME    none (the default), gzip, snappy, lz4 or zstd
  --durability LEVEL    buffered, interval or synced (default: what topic and store say, else synced)

exit codes: 0 all were appended, 1 something could not be, 2 wrong arguments
`

const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const levels = ['buffered', 'interval', 'synced'] as const

/** Longest line, in bytes: what a topic takes with default settings is less, but a topic may take more. */
const lineBytesMax = 64 * 1024 * 1024
/** Sends under way: enough to share batches and flushes. */
const pendingMax = 10_000

export async function run(args: readonly string[]): Promise<number> {
  const table = {
    data: { type: 'string' },
    'key-separator': { type: 'string' },
    headers: { type: 'boolean' },
    json: { type: 'boolean' },
    partition: { type: 'string' },
    compression: { type: 'string' },
    durability: { type: 'string' },
  } as const
  const { positionals, values } = parseArguments(args, table, { min: 1, max: 1, what: 'the topic' })
  const topic = positionals[0]!
  const compression = choiceOption(values, 'compression', compressions) as CompressionName | undefined
  const durability = choiceOption(values, 'durability', levels)
  const partition = numberOption(values, 'partition')
  const separator = values['key-separator'] as string | undefined
  if (separator === '') throw new UsageError('--key-separator takes a text that is not empty')
  if (values.json === true && (separator !== undefined || values.headers === true)) {
    throw new UsageError('--json says key and headers itself: leave out --key-separator and --headers')
  }
  const parse = (line: Buffer): ProducerRecord => {
    const record = values.json === true ? recordOfJson(line) : recordOfLine(line, separator, values.headers === true)
    return partition === undefined ? record : { ...record, partition }
  }
  const out = new Output()
  const code = await withStore(values, { make: false }, async (store) => {
    // Also for no lines at all: a mistyped name should not pass.
    store.describeTopic(topic)
    const producer = store.producer(compression === undefined ? {} : { compression })
    const options: SendOptions = durability === undefined ? {} : { durability }
    const reached = new Map<string, number>()
    let failure: unknown
    let lines = 0
    const pending = new Set<Promise<void>>()
    const splitter = new LineSplitter(lineBytesMax, (bytes, start, end) => {
      lines++
      const at = lines
      let record: ProducerRecord
      try {
        // The memory of the line is used again.
        record = parse(Buffer.from(bytes.subarray(start, end)))
      } catch (cause) {
        throw atLine(at, cause)
      }
      const sent = producer.send(topic, record, options).then(
        (ack) => {
          reached.set(ack.durability, (reached.get(ack.durability) ?? 0) + 1)
        },
        (cause: unknown) => {
          failure ??= atLine(at, cause)
        },
      )
      pending.add(sent)
      void sent.then(() => pending.delete(sent))
    })
    try {
      for await (const chunk of process.stdin) {
        splitter.push(chunk as Buffer)
        while (pending.size > pendingMax && failure === undefined) await Promise.race(pending)
        if (failure !== undefined) break
      }
      if (failure === undefined) splitter.end()
    } catch (cause) {
      failure ??= cause
    }
    await Promise.all(pending)
    const appended = [...reached.values()].reduce((sum, records) => sum + records, 0)
    const how = [...reached].map(([level, records]) => `${count(records)} ${level}`).join(', ')
    const summary = `${countOf(appended, 'record')} appended to ${topic}${appended > 0 ? ` (${how})` : ''}`
    if (failure !== undefined) {
      process.stderr.write(`varve produce: ${summary} before this:\n`)
      throw failure
    }
    out.line(summary)
    return ExitCode.success
  })
  await out.drain()
  return code
}

function recordOfLine(line: Buffer, separator: string | undefined, headers: boolean): ProducerRecord {
  let rest = line
  let named: [string, string][] | undefined
  if (headers) {
    const tab = rest.indexOf(0x09)
    if (tab < 0) throw new UsageError('there is no tab behind the headers')
    const text = rest.toString('utf8', 0, tab)
    named = text === '' ? [] : text.split(',').map(headerOf)
    rest = rest.subarray(tab + 1)
  }
  const record = named === undefined ? {} : { headers: named }
  if (separator === undefined) return { ...record, value: rest }
  const cut = rest.indexOf(separator)
  if (cut < 0) throw new UsageError(`'${separator}' is not in it, so there is no key`)
  const valueStart = cut + Buffer.byteLength(separator)
  return { ...record, key: rest.subarray(0, cut), value: rest.subarray(valueStart) }
}

function headerOf(text: string): [string, string] {
  const cut = text.indexOf('=')
  if (cut < 1) throw new UsageError(`the header '${text}' is not name=value`)
  return [text.slice(0, cut), text.slice(cut + 1)]
}

const jsonFields = ['key', 'value', 'headers', 'timestamp', 'partition']

function recordOfJson(line: Buffer): ProducerRecord {
  let fields: Record<string, unknown>
  try {
    fields = JSON.parse(line.toString('utf8')) as Record<string, unknown>
  } catch (cause) {
    throw new UsageError(`it is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) throw new UsageError('it is no object')
  const stranger = Object.keys(fields).find((name) => !jsonFields.includes(name))
  if (stranger !== undefined) throw new UsageError(`there is no field "${stranger}": ${jsonFields.join(', ')}`)
  const text = (value: unknown): string | null =>
    value === null ? null : typeof value === 'string' ? value : JSON.stringify(value)
  const { key, value, ...rest } = fields
  if (value === undefined) throw new UsageError('it has no "value"')
  return { ...rest, value: text(value), ...(key !== undefined && { key: text(key) }) } as ProducerRecord
}

function atLine(line: number, cause: unknown): Error {
  const message = cause instanceof Error ? cause.message : String(cause)
  const text = `line ${count(line)}: ${message}`
  if (!(cause instanceof VarveError)) return new VarveError('VARVE_INVALID_RECORD', text, { details: { line }, cause })
  return new VarveError(cause.code, text, { details: { ...cause.details, line }, cause })
}
