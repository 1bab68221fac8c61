/** `varve verify`: every check that there is, on the files as they lie there, changing nothing. */
import { type Finding, type FolderReport, type InspectedLog, inspectFolder } from '../doors/inspect.ts'
import { parseArguments } from './arguments.ts'
import { ExitCode } from './command.ts'
import { Output } from './output.ts'
import { ProgressBar } from './progress.ts'
import { RealFolder } from './real-folder.ts'
import { bytesText, countOf, offsetRange, printable } from './text.ts'

export const help = `usage: varve verify <folder> [--json] [--compacted]

Checks a log, or a data folder with all its logs, and changes nothing: the checksum, length, offsets and records of
every batch; every entry of .index, .timeindex and .txnindex against the batches; producer snapshots, leader epochs
and checkpoints against the log. Says which offsets are lost, and what an open for writing would cut.
Needs no lock: a log may be verified while a process writes it; what is being appended may then look like damage.

  --json        print the report as one JSON document
  --compacted   the log is compacted: gaps between offsets are no damage (known by itself where Kafka's
                cleaner-offset-checkpoint names the log)

exit codes: 0 everything passes, 1 damage was found or the folder cannot be read, 2 wrong arguments
`

export async function run(args: readonly string[]): Promise<number> {
  const options = { json: { type: 'boolean' }, compacted: { type: 'boolean' } } as const
  const { positionals, values } = parseArguments(args, options, { min: 1, max: 1, what: 'the folder to verify' })
  const bar = new ProgressBar('verifying', 0, values.json === true)
  let report: FolderReport
  try {
    const onProgress = (bytes: number) => bar.add(bytes)
    report = inspectFolder(new RealFolder(positionals[0]!), { compacted: values.compacted === true, onProgress })
  } finally {
    bar.end()
  }
  const out = new Output()
  if (values.json === true) out.json(report)
  else for (const line of describe(report)) out.line(line)
  await out.drain()
  return report.damageCount > 0 ? ExitCode.failure : ExitCode.success
}

function* describe(report: FolderReport): Generator<string> {
  const folder = printable(report.folder)
  if (report.isDataFolder) yield `${folder}: a data folder with ${countOf(report.logs.length, 'log')}`
  for (const finding of report.findings) yield describeFinding(finding)
  for (const log of report.logs) yield* describeLog(log)
  yield report.damageCount === 0
    ? 'everything passes its checks'
    : `damaged: ${countOf(report.damageCount, 'check')} failed. \`varve repair ${folder} --to <new folder>\` copies what is good.`
}

function* describeLog({ name, report, findings }: InspectedLog): Generator<string> {
  const { segments, batches, records, bytes, logStartOffset, logEndOffset, recoveryPoint, cut, lost } = report
  const range = offsetRange(logStartOffset, logEndOffset)
  yield `${printable(name === '' ? report.folder : name)}: ${countOf(segments.length, 'segment')}, ${countOf(batches, 'batch', 'batches')}, ${countOf(records, 'record')}, ${bytesText(bytes)}, ${range}`
  for (const finding of findings) yield describeFinding(finding)
  for (const { offset, nextOffset, file, position, endPosition } of lost) {
    const where = `${file}, positions ${position} to ${endPosition}`
    yield nextOffset === null
      ? `  lost: from offset ${offset} on (${where})`
      : `  lost: offsets ${offset} to ${nextOffset - 1} (${where})`
  }
  const unchecked =
    recoveryPoint === null ? 'no checkpoint says what is flushed' : `flushed below offset ${recoveryPoint}`
  if (cut === null)
    yield `  an open would cut nothing, and check ${bytesText(report.checkedOnOpenBytes)} (${unchecked})`
  else {
    const behind =
      cut.removedSegments.length === 0 ? '' : ` and remove ${countOf(cut.removedSegments.length, 'later segment')}`
    const good =
      cut.goodRecordsLost === 0 ? '' : `; ${countOf(cut.goodRecordsLost, 'good record')} behind the damage would go too`
    yield `  an open for writing would cut ${cut.file} at position ${cut.position}${behind}: ${bytesText(cut.bytes)}, the log would end at offset ${cut.offset}${good}`
  }
}

function describeFinding({ level, file, position, message, onOpen }: Finding): string {
  const where = position === undefined ? file : `${file} at ${position}`
  return `  ${level}: ${printable(where)}: ${printable(message)}${onOpen === undefined ? '' : ` (on open: ${onOpen})`}`
}
