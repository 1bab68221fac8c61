/**
 * `varve build`: compiles the addon where no prebuilt one fits. Loads neither the addon nor anything that does.
 *
 * The work is done by scripts/build-native.js, which is plain JavaScript because the install of a clone runs it before
 * anything is compiled.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ExitCode } from './command.ts'

export const help = `usage: varve build

Compiles the native addon of this package with node-gyp, which comes with npm. Needs Python 3, make and a C++20
compiler (GCC 11, clang 14 or newer). The result is build/Release/varve.node in the package's folder.

exit codes: 0 built, 1 not built, 2 wrong arguments
`

export async function run(args: readonly string[]): Promise<number> {
  if (args.length > 0) {
    process.stderr.write(`varve build: takes no arguments, got '${args.join(' ')}'\n`)
    return ExitCode.usage
  }
  // dist/src/cli/build.js is three folders below the package's root.
  const builder = fileURLToPath(new URL('../../../scripts/build-native.js', import.meta.url))
  const child = spawn(process.execPath, [builder], { stdio: 'inherit' })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) return ExitCode.failure
  process.stdout.write('varve: the addon is built\n')
  return ExitCode.success
}
