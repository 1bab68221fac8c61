/**
 * The command line: finds the command and hands it the rest of the arguments.
 *
 * Commands are loaded when they are called, so that those which need no addon (`build`, every `--help`) run where it
 * is missing. Results go to standard output, everything else to standard error.
 */
import { VarveError } from '../errors.ts'

/** What a command's module exports. */
export interface Command {
  /** The text of `varve NAME --help`: usage, options with units and defaults, exit codes. */
  readonly help: string
  /** Runs the command with the arguments after its name; the result is the exit code. */
  run(args: readonly string[]): Promise<number>
}

interface CommandEntry {
  readonly name: string
  readonly summary: string
  load(): Promise<Command>
}

/** Exit codes of every command, besides those that its own help names. */
export const ExitCode = { success: 0, failure: 1, usage: 2 } as const

const commands: readonly CommandEntry[] = [
  { name: 'build', summary: 'compile the native addon from the packed sources', load: () => import('./build.ts') },
]

function usage(): string {
  const width = Math.max(...commands.map(({ name }) => name.length))
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
  return `usage: varve <command> [arguments]\n\n${lines.join('\n')}\n\nvarve <command> --help tells more.\n`
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
    if (rest.includes('--help') || rest.includes('-h')) {
      process.stdout.write(command.help)
      return ExitCode.success
    }
    return await command.run(rest)
  } catch (error) {
    const text = error instanceof VarveError ? `${error.message} (${error.code})` : String(error)
    process.stderr.write(`varve ${name}: ${text}\n`)
    return ExitCode.failure
  }
}
