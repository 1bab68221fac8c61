/** Runs the command line as a user does: a process of its own. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Compiled tests run from dist/test/cli. */
export const varvePath = fileURLToPath(new URL('../../../bin/varve.js', import.meta.url))

export interface Ran {
  readonly code: number | null
  readonly stdout: Buffer
  readonly text: string
  readonly stderr: string
}

export function varve(args: readonly string[], input: Uint8Array | string = ''): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [varvePath, ...args], {
    input,
    maxBuffer: 256 * 1024 * 1024,
  })
  return { code: status, stdout, text: stdout.toString('utf8'), stderr: stderr.toString('utf8') }
}
