/** `varve bench`: the benchmark, which stands beside the sources, in `bench/`. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ExitCode } from './command.ts'

interface Bench {
  run(args: string[]): Promise<number>
}

/** It parses its own arguments, `--help` too. */
export async function run(args: readonly string[]): Promise<number> {
  // dist/src/cli/bench.js is two folders below dist/.
  const main = new URL('../../bench/macro/main.js', import.meta.url)
  if (!existsSync(fileURLToPath(main))) {
    process.stderr.write(
      'varve bench: the benchmark is not in this package. Clone the repository, then `npm ci && npm run build`.\n',
    )
    return ExitCode.failure
  }
  const bench = (await import(main.href)) as Bench
  return bench.run([...args])
}
