/**
 * The command line: finds the command and hands it the rest of the arguments.
 *
 * Commands are loaded when they are called, so that those which need no addon (`build`, every `--help`) run where it
 * is missing. Results go to standard output, everything else to standard error.
 */
import { type Command, ExitCode, UsageError } from './command.ts'
import { OutputClosed } from './output.ts'

interface CommandEntry {
  readonly name: string
  readonly summary: string
  load(): Promise<Command>
}

const commands: readonly CommandEntry[] = [
  { name: 'topic', summary: 'make, list, describe, change and delete topics', load: () => import('./topic.ts') },
  {
    name: 'produce',
    summary: 'send each line of standard input to a topic',
    load: () => import('./produce.ts'),
  },
  { name: 'group', summary: 'list, describe, reset and delete consumer groups', load: () => import('./group.ts') },
  { name: 'consume', summary: 'write the records of a topic', load: () => import('./consume.ts') },
  {
    name: 'import',
    summary: 'append each line of files or standard input as a record',
    load: () => import('./import.ts'),
  },
  { name: 'export', summary: "write each record's value as a line", load: () => import('./export.ts') },
  { name: 'dump', summary: 'print the batches, records and indexes of a log', load: () => import('./dump.ts') },
  { name: 'verify', summary: 'check every byte of a log, changing nothing', load: () => import('./verify.ts') },
  {
    name: 'repair',
    summary: 'copy all that passes its checks to a new folder',
    load: () => import('./repair.ts'),
  },
  { name: 'bench', summary: 'measure this machine, peers and varve', load: () => import('./bench.ts') },
  { name: 'build', summary: 'compile the native addon from the packed sources', load: () => import('./build.ts') },
]

function usage(): string {
  const width = Math.max(...commands.map(({ name }) => name.length))
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
  return `usage: varve <command> [arguments]\n\n${lines.join('\n')}\n\nvarve <command> --help tells more.\n`
}

/** What follows a lone `--` is no option. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end < 0 ? args : args.slice(0, end)).some((arg) => arg === '--help' || arg === '-h')
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : ''
  return `${error.message}${code}`
}

/** Runs one command. Never throws for what a command meets: the message goes to standard error, the result is the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const stream = name === undefined ? process.stderr : process.stdout
    stream.write(usage())
    return name === undefined ? ExitCode.usage : ExitCode.success
  }
  const entry = commands.find((command) => command.name === name)
  if (entry === undefined) {
    process.stderr.write(`varve: there is no command '${name}'\n\n${usage()}`)
    return ExitCode.usage
  }
  try {
    const command = await entry.load()
    if (command.help !== undefined && asksForHelp(rest)) {
      process.stdout.write(command.help)
      return ExitCode.success
    }
    return await command.run(rest)
  } catch (error) {
    // Whoever read our output has had enough of it, as `head` has.
    if (error instanceof OutputClosed) return ExitCode.success
    if (error instanceof UsageError) {
      process.stderr.write(`varve ${name}: ${error.message}\nSee varve ${name} --help.\n`)
      return ExitCode.usage
    }
    process.stderr.write(`varve ${name}: ${describe(error)}\n`)
    return ExitCode.failure
  }
}
