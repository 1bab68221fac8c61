/** Command line of `varve bench`. */
import { parseArgs } from 'node:util'
import { type Suite, suites } from './row.ts'

export type Scale = 'quick' | 'default' | 'long'

export interface BenchOptions {
  scale: Scale
  suites: Suite[]
  /** Only these systems; empty for all. */
  systems: string[]
  /** Only cases whose name contains this; '' for all. */
  caseFilter: string
  json: string | undefined
  html: string | undefined
  data: string
  help: boolean
}

export const usage = `Usage: varve bench [options]

Measures the machine's limit, varve and its peers in one run, in interleaved rounds, and prints a table.

  --suite NAME    only this suite (repeat for several): ${suites.join(', ')}
  --quick         small sizes, about half a minute a suite: to see that it works, not to quote
  --long          full sizes (10 GB recovery, growth to 20 GB); takes about an hour
  --case TEXT     only cases whose name contains TEXT
  --system NAME   only this system (repeat for several): limit, varve, lmdb, lmdb async, classic-level, better-sqlite3, chronicle
  --json FILE     also write all rows as a JSON array
  --html FILE     also write a report with charts, one file without dependencies
  --data FOLDER   where the files go (default ./bench-data, removed afterwards); a memory file system is refused
  --help          this text

Exit codes: 0 measured (systems that are missing are rows named "not run"), 1 failed, 2 wrong usage.
`

/** A wrong command line; the message names the option. */
export class UsageError extends Error {}

export function parseOptions(args: string[]): BenchOptions {
  const values = parse(args)
  if (values.quick && values.long) throw new UsageError('--quick and --long exclude each other')
  for (const name of values.suite ?? [])
    if (!suites.includes(name as Suite)) throw new UsageError(`--suite ${name}: there is ${suites.join(', ')}`)
  return {
    scale: values.quick ? 'quick' : values.long ? 'long' : 'default',
    suites: (values.suite as Suite[] | undefined) ?? [...suites],
    systems: values.system ?? [],
    caseFilter: values.case ?? '',
    json: values.json,
    html: values.html,
    data: values.data ?? 'bench-data',
    help: values.help ?? false,
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        quick: { type: 'boolean' },
        long: { type: 'boolean' },
        suite: { type: 'string', multiple: true },
        case: { type: 'string' },
        system: { type: 'string', multiple: true },
        json: { type: 'string' },
        html: { type: 'string' },
        data: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}
