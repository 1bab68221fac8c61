/** `varve repair`: a new folder with all that is good in a damaged one. */
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import { type FolderReport, inspectFolder, partitionsIn } from '../doors/inspect.ts'
import { openLog, VarveError } from '../doors/log.ts'
import { parseArguments } from './arguments.ts'
import { ExitCode, UsageError } from './command.ts'
import { Output } from './output.ts'
import { ProgressBar } from './progress.ts'
import { RealFolder } from './real-folder.ts'
import { type Salvaged, salvage } from './salvage.ts'
import { countOf, offsetRange, printable } from './text.ts'

export const help = `usage: varve repair <folder> --to <new folder> [--compacted] [--json]

Copies every batch of a log that passes its checks to a new folder, and lists each range of offsets that is lost. The
source is only read. Records keep their offsets: where some are lost, a batch without records keeps their place, which
every reader steps over, so that no offset is given out twice. Indexes, producer snapshots and checkpoints are made
anew; the result is verified, and on disk, when this says so.
Close whatever writes the source first: what it appends meanwhile may be missed.

  --to FOLDER   where to; must be missing or empty
  --compacted   the log is compacted: gaps between offsets are no damage
  --json        print the summary as JSON

exit codes: 0 copied and nothing is lost, 3 copied and offsets are lost (they are listed), 1 not copied,
2 wrong arguments
`

/** Copied, and some of it is gone. */
const lostCode = 3

export async function run(args: readonly string[]): Promise<number> {
  const options = { to: { type: 'string' }, compacted: { type: 'boolean' }, json: { type: 'boolean' } } as const
  const { positionals, values } = parseArguments(args, options, { min: 1, max: 1, what: 'the folder to repair' })
  if (typeof values.to !== 'string' || values.to === '') throw new UsageError('--to <new folder> is missing')
  const summary = await repair(positionals[0]!, values.to, {
    compacted: values.compacted === true,
    quiet: values.json === true,
  })
  const out = new Output()
  if (values.json === true) out.json(summary)
  else for (const line of describe(summary)) out.line(line)
  await out.drain()
  return summary.lost.length > 0 ? lostCode : ExitCode.success
}

export interface RepairSummary extends Salvaged {
  readonly source: string
  readonly target: string
  readonly logStartOffset: number
  readonly logEndOffset: number
  /** Damage that was found in the source. */
  readonly damageCount: number
}

export async function repair(
  from: string,
  to: string,
  options: { compacted: boolean; quiet: boolean },
): Promise<RepairSummary> {
  const source = new RealFolder(from)
  const target = resolve(to)
  const partitions = partitionsIn(source)
  if (partitions !== null)
    throw new UsageError(
      `${printable(from)} is a data folder: repair its logs one by one (${partitions.map(printable).join(', ')})`,
    )
  if (target === source.path || target.startsWith(source.path + sep) || source.path.startsWith(target + sep))
    throw new UsageError('--to must be apart from the source, not in it nor around it')
  const bar = new ProgressBar('repairing', 0, options.quiet)
  try {
    const onProgress = (bytes: number) => bar.add(bytes)
    const { compacted } = options
    const before = inspectFolder(source, { compacted, onProgress })
    const inspected = before.logs[0]!
    makeEmpty(target)
    const salvaged = salvage(source, target, inspected, { compacted: compacted || inspected.compacted, onProgress })
    const { logStartOffset } = inspected.report
    const logEndOffset = await adopt(target, Math.min(logStartOffset, salvaged.endOffset))
    check(inspectFolder(new RealFolder(target), { compacted: true, onProgress }), salvaged, logEndOffset)
    return { ...salvaged, source: source.path, target, logStartOffset, logEndOffset, damageCount: before.damageCount }
  } finally {
    bar.end()
  }
}

/** @throws VARVE_EXISTS */
function makeEmpty(folder: string): void {
  const facts = statSync(folder, { throwIfNoEntry: false })
  if (facts !== undefined && (!facts.isDirectory() || readdirSync(folder).length > 0)) {
    const message = `${folder} is there already and not empty: name a new folder`
    throw new VarveError('VARVE_EXISTS', message, { details: { path: folder } })
  }
  mkdirSync(folder, { recursive: true })
}

/** Opens the copy as after a crash, which makes all derived files anew, and closes it cleanly. @returns the log end. */
async function adopt(folder: string, logStartOffset: number): Promise<number> {
  // The copy is complete as it is: gaps are taken as they come, and nothing is too old.
  const log = await openLog(folder, { cleanupPolicy: ['compact'], retentionMs: -1 })
  try {
    if (logStartOffset > log.logStartOffset) log.deleteBefore(logStartOffset)
    return log.logEndOffset
  } finally {
    await log.close()
  }
}

/** A copy that does not pass the same checks is no repair. */
function check(after: FolderReport, { batches, endOffset }: Salvaged, logEndOffset: number): void {
  const found = [...after.findings, ...after.logs.flatMap(({ findings }) => findings)].find(
    ({ level }) => level === 'damage',
  )
  const reason =
    found !== undefined
      ? `${found.file}: ${found.message}`
      : logEndOffset !== endOffset
        ? `it ends at offset ${logEndOffset}, not ${endOffset}`
        : undefined
  if (reason === undefined) return
  throw new VarveError(
    'VARVE_CORRUPT',
    `the copy of ${countOf(batches, 'batch', 'batches')} in ${after.folder} does not pass its checks (${reason}); do not use it`,
  )
}

function* describe(summary: RepairSummary): Generator<string> {
  const { source, target, batches, records, lost, epochsCorrected, logStartOffset, logEndOffset, damageCount } = summary
  yield `${printable(source)}: ${damageCount === 0 ? 'everything passed its checks' : `${countOf(damageCount, 'check')} failed`}`
  for (const { from, to, reason } of lost)
    yield `  lost: ${to === null ? `what there was from offset ${from} on` : `offsets ${from} to ${to - 1}`} (${printable(reason)})`
  for (const offset of epochsCorrected) yield `  corrected: the leader epoch of the batch at offset ${offset}`
  yield `copied ${countOf(batches, 'batch', 'batches')} with ${countOf(records, 'record')} to ${printable(target)}: ${offsetRange(logStartOffset, logEndOffset)}, verified, on disk`
}
