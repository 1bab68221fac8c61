/** `varve export`: records become lines. */
import { openLog, VarveError } from '../doors/log.ts'
import { numberOption, parseArguments } from './arguments.ts'
import { ExitCode, UsageError } from './command.ts'
import { LineWriter } from './line-records.ts'
import { Output } from './output.ts'
import { jsonBytes } from './text.ts'

export const help = `usage: varve export <folder> [--from OFFSET] [--to OFFSET] [--json]

Writes the value of each record to standard output, each followed by a newline. A record that \`varve import\` marked as
a last line without a newline gets none, so that what was imported comes back byte for byte. A null value is an empty
line. Reads as any reader does: beside a process that writes the log, without a lock, changing nothing. Records of
transactions are written whether or not these were committed; markers of transactions are left out.

  --from OFFSET   start there (default: the log start)
  --to OFFSET     stop before it (default: the log end, as of the start)
  --json          one JSON object a line: offset, timestamp, key, value, headers; bytes that are not UTF-8 as
                  { "base64": ... }

exit codes: 0 written, 1 damage was met or something cannot be read, 2 wrong arguments
`

/** Read at a time. */
const readBytes = 1024 * 1024

export async function run(args: readonly string[]): Promise<number> {
  const table = { from: { type: 'string' }, to: { type: 'string' }, json: { type: 'boolean' } } as const
  const { positionals, values } = parseArguments(args, table, { min: 1, max: 1, what: 'the folder to export' })
  const from = numberOption(values, 'from')
  const to = numberOption(values, 'to')
  if (from !== undefined && to !== undefined && to < from) throw new UsageError('--to lies below --from')
  const out = new Output()
  try {
    await exportRecords(positionals[0]!, { from, to, json: values.json === true }, out)
  } catch (failure) {
    // What was read before the damage is good, and is wanted.
    await out.drain()
    throw adviseOn(failure)
  }
  await out.drain()
  return ExitCode.success
}

export interface ExportRange {
  readonly from?: number | undefined
  /** Exclusive. */
  readonly to?: number | undefined
  readonly json?: boolean
}

/** What takes the bytes: `Output`, or whoever compares them. They are valid until `drain` resolves. */
export interface ByteSink {
  bytes(bytes: Uint8Array): void
  drain(): Promise<void>
}

/** Writes the records of a range to a sink. @returns how many. @throws what the reader does; the sink has what was before. */
export async function exportRecords(folder: string, range: ExportRange, out: ByteSink): Promise<number> {
  const reader = await openLog(folder, { mode: 'read' })
  const lines = new LineWriter()
  let records = 0
  try {
    const start = range.from ?? reader.logStartOffset
    const end = Math.min(range.to ?? reader.logEndOffset, reader.logEndOffset)
    for (let offset = start; offset < end; ) {
      const run = reader.read(offset, { maxBytes: readBytes })
      if (run.batchCount === 0) break
      for (const batch of run) {
        if (range.json === true) {
          for (const { offset: at, timestamp, key, value, headers } of batch) {
            if (at < start || at >= end) continue
            const fields = { offset: at, timestamp, key: jsonBytes(key), value: jsonBytes(value) }
            const named = headers.map(([name, bytes]) => [name, jsonBytes(bytes)])
            out.bytes(Buffer.from(`${JSON.stringify({ ...fields, headers: named })}\n`))
            records += 1
          }
        } else records += lines.add(batch, start, end)
      }
      out.bytes(lines.take())
      await out.drain()
      offset = run.nextOffset
    }
    return records
  } finally {
    reader.close()
  }
}

function adviseOn(failure: unknown): unknown {
  if (!(failure instanceof VarveError) || failure.code !== 'VARVE_CORRUPT') return failure
  const next = failure.details.nextGoodOffset
  const onward = typeof next === 'number' && next >= 0 ? `\`--from ${next}\` goes on behind it; ` : ''
  return new VarveError(failure.code, `${failure.message} ${onward}\`varve repair\` copies all that is good`, {
    details: failure.details,
    cause: failure,
  })
}
