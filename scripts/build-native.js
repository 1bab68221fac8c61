// Builds the addon of a clone with node-gyp (npm brings it along). The headers of the running Node are used where they
// are installed, so that nothing is downloaded; only where a Node came without headers does node-gyp fetch them.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const prefix = dirname(dirname(process.execPath))
const hasHeaders = existsSync(join(prefix, 'include', 'node', 'node_api.h'))

function findNodeGyp() {
  if (process.env.npm_config_node_gyp) return process.env.npm_config_node_gyp
  const candidates = [
    join(prefix, 'lib', 'node_modules', 'npm', 'package.json'),
    join(prefix, 'share', 'nodejs', 'npm', 'package.json'),
    join(dirname(process.execPath), 'node_modules', 'npm', 'package.json'),
  ]
  for (const candidate of candidates) {
    if (!existsSync(candidate)) continue
    try {
      return createRequire(candidate).resolve('node-gyp/bin/node-gyp.js')
    } catch {}
  }
  return null
}

const nodeGyp = findNodeGyp()
if (!nodeGyp) {
  console.error('varve: node-gyp was not found beside npm. Run `npm rebuild` in this folder, which brings its own.')
  process.exit(1)
}
const args = [nodeGyp, 'rebuild', '--jobs', 'max', ...(hasHeaders ? [`--nodedir=${prefix}`] : [])]
const run = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
process.exit(run.status ?? 1)
