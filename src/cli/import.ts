/** `varve import`: lines become records. */
import { accessSync, constants, statSync } from 'node:fs'
import { VarveError } from '../doors/log.ts'
import { choiceOption, parseArguments } from './arguments.ts'
import { ExitCode, UsageError } from './command.ts'
import { LineAppender, openForImport } from './line-records.ts'
import { Output } from './output.ts'
import { ProgressBar } from './progress.ts'
import { bytesText, count, countOf, printable, secondsText } from './text.ts'

export const help = `usage: varve import <folder> [files...] [--compression NAME] [--json] [--quiet]

Appends each line of the files, or of standard input when none is named ('-' names it too), to the log in a folder;
the folder is made if it is missing. The value of a record is the line without its newline, byte for byte; there is no
key. A last line without a newline is marked by a header, so that \`varve export\` of what was imported equals
\`cat\` of the files. Nothing that is in the log already is changed or deleted.

Durability: synced. When the summary is printed every record is on disk. Before that, and after an error, what the
message counts is in the log; a power cut may still take the last of it.

  --compression NAME   none (the default), gzip, snappy, lz4 or zstd
  --json               print the summary as JSON
  --quiet              no progress bar (there is none anyway unless standard error is a terminal)

A line may have at most 64 MiB.

exit codes: 0 imported, 1 something cannot be read or written, 2 wrong arguments
`

const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

export async function run(args: readonly string[]): Promise<number> {
  const options = { compression: { type: 'string' }, json: { type: 'boolean' }, quiet: { type: 'boolean' } } as const
  const { positionals, values } = parseArguments(args, options, {
    min: 1,
    max: Number.POSITIVE_INFINITY,
    what: 'the folder to import into',
  })
  const [folder, ...named] = positionals as [string, ...string[]]
  const files = named.length === 0 ? ['-'] : named
  const compression = choiceOption(values, 'compression', compressions)
  const summary = await importFiles(folder, files, { compression, quiet: values.quiet === true })
  const out = new Output()
  if (values.json === true) out.json(summary)
  else for (const line of describe(summary)) out.line(line)
  await out.drain()
  return ExitCode.success
}

export interface ImportSummary {
  readonly folder: string
  readonly files: number
  readonly records: number
  /** Bytes of text that were read. */
  readonly bytes: number
  /** First offset that was given out. */
  readonly baseOffset: number
  /** Exclusive. */
  readonly endOffset: number
  readonly durability: 'synced'
  /** Until everything was appended (in the page cache). */
  readonly appendSeconds: number
  /** The flush after it, until everything was on disk. */
  readonly flushSeconds: number
}

/** Imports, and closes the log again. @throws with the number of records that are in the log, if there are any. */
export async function importFiles(
  folder: string,
  files: readonly string[],
  options: { compression?: (typeof compressions)[number] | undefined; quiet?: boolean } = {},
): Promise<ImportSummary> {
  // Before anything is made: a mistyped name should leave no half-imported log.
  const total = totalBytes(files)
  const log = await openForImport(folder)
  const bar = new ProgressBar('importing', total, options.quiet)
  const baseOffset = log.logEndOffset
  let bytes = 0
  try {
    const startedMs = performance.now()
    const appender = new LineAppender(log, options.compression)
    try {
      for (const file of files) {
        await appender.file(file, (read) => {
          bytes += read
          bar.add(read)
        })
      }
    } finally {
      appender.finish()
    }
    const appendedMs = performance.now()
    await log.flush()
    const flushedMs = performance.now()
    return {
      folder: log.folder,
      files: files.length,
      records: appender.recordCount,
      bytes,
      baseOffset,
      endOffset: log.logEndOffset,
      durability: 'synced',
      appendSeconds: (appendedMs - startedMs) / 1000,
      flushSeconds: (flushedMs - appendedMs) / 1000,
    }
  } catch (failure) {
    const added = log.logEndOffset - baseOffset
    if (added > 0)
      process.stderr.write(
        `varve import: ${countOf(added, 'record')} ${added === 1 ? 'is' : 'are'} in the log, appended before this:\n`,
      )
    throw failure
  } finally {
    bar.end()
    await log.close()
  }
}

/** 0 when it cannot be known. @throws what is wrong with a file. */
function totalBytes(files: readonly string[]): number {
  let total = 0
  let known = true
  for (const file of files) {
    if (file === '-') {
      known = false
      continue
    }
    const facts = statSync(file, { throwIfNoEntry: false })
    if (facts === undefined)
      throw new VarveError('VARVE_NOT_FOUND', `there is no file ${printable(file)}; nothing was imported`)
    if (facts.isDirectory()) throw new UsageError(`${printable(file)} is a folder: name its files`)
    try {
      accessSync(file, constants.R_OK)
    } catch (cause) {
      throw new VarveError('VARVE_PERMISSION', `${printable(file)} may not be read; nothing was imported`, { cause })
    }
    if (facts.isFile()) total += facts.size
    else known = false
  }
  return known ? total : 0
}

export function* describe(summary: ImportSummary): Generator<string> {
  const { folder, files, records, bytes, baseOffset, endOffset, appendSeconds, flushSeconds } = summary
  yield `imported ${countOf(records, 'record')} (${bytesText(bytes)}) from ${countOf(files, 'file')} into ${printable(folder)}`
  if (records === 0) return
  yield `offsets ${baseOffset} to ${endOffset - 1}, durability synced: all of it is on disk`
  const seconds = appendSeconds + flushSeconds
  const rate = `${count(Math.round(records / seconds))} records/s, ${bytesText(bytes / seconds)}/s`
  yield `${rate} with the flush (appended in ${secondsText(appendSeconds)}, flushed in ${secondsText(flushSeconds)})`
}
