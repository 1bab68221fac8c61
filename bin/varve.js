#!/usr/bin/env node
// Only starts the command line, so that `varve build` and `varve --help` work where the addon does not load.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const main = new URL('../dist/src/cli/main.js', import.meta.url)
if (existsSync(fileURLToPath(main))) {
  const { run } = await import(main.href)
  process.exitCode = await run(process.argv.slice(2))
} else {
  console.error('varve: this clone is not built yet. Run `npm run build`, then the same command again.')
  process.exitCode = 1
}
