/** Runs npm for a test, as a user would in a shell: nothing of the npm that runs the tests shines through. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const execute = promisify(execFile)

export interface Ran {
  readonly stdout: string
  readonly stderr: string
  readonly code: number
}

/** What npm tells the scripts that it runs about the package that it runs them for. */
const ofOuterPackage = /^npm_(?:package|lifecycle|command|config_local_prefix)|^INIT_CWD$/

export function shellEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ofOuterPackage.test(name)))
}

/** Runs a program to its end; a failure is a result. */
export async function run(command: string, args: readonly string[], cwd: string): Promise<Ran> {
  try {
    const { stdout, stderr } = await execute(command, args, { cwd, env: shellEnvironment(), maxBuffer: 64 << 20 })
    return { stdout, stderr, code: 0 }
  } catch (error) {
    const { stdout, stderr, code } = error as { stdout?: string; stderr?: string; code?: number | string }
    if (typeof code !== 'number') throw error
    return { stdout: stdout ?? '', stderr: stderr ?? '', code }
  }
}

/** The same, for what must succeed: a failure throws with all that was printed. */
export async function mustRun(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { stdout, stderr, code } = await run(command, args, cwd)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${code}\n${stdout}\n${stderr}`)
  return stdout
}

/** npm without its notices, from its cache where that has what is wanted. */
export function npm(args: readonly string[], cwd: string): Promise<string> {
  return mustRun('npm', [...args, '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'], cwd)
}
