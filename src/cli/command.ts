/** What the module of a command exports. */
export interface Command {
  /** The text of `varve NAME --help`: usage, options with units and defaults, exit codes. Without it `run` prints its own. */
  readonly help?: string
  /** Runs the command with the arguments after its name; the result is the exit code. */
  run(args: readonly string[]): Promise<number>
}

/** Exit codes of every command; a command's own help names what else it answers. */
export const ExitCode = { success: 0, failure: 1, usage: 2 } as const

/** Wrong arguments: the message goes to standard error with a hint at `--help`, the exit code is 2. */
export class UsageError extends Error {}
