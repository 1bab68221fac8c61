// Builds the addon with node-gyp. Two callers: the install of a clone, and `npx varve build` in an installed package
// that has no prebuilt addon for its platform. Neither loads the addon, nor anything of dist/.
//
// Headers: those of the running Node where they are installed, so that nothing is downloaded; only where a Node came
// without headers does node-gyp fetch them.
//
// A published package has no binding.gyp at its root (package managers would build, or warn, at every install): it
// lies in native/, and is put in place for the time of the build.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, realpathSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const windows = process.platform === 'win32'

/** Compile what changed, without a word when that is nothing. The rule is node-gyp's: its build/ folder stays. */
const incremental = process.argv.includes('--incremental')

function onPath(name) {
  if (name.includes('/')) return existsSync(name) ? name : null
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name)
    if (folder !== '' && existsSync(path)) return path
  }
  return null
}

/** The tools that node-gyp will call, by what a user must install to have them. */
function missingTools() {
  if (windows) return [] // node-gyp looks for Visual Studio in the registry and says what it misses
  const wanted = [
    { what: 'Python 3', names: [process.env.npm_config_python, process.env.PYTHON, 'python3', 'python'] },
    { what: 'make', names: [process.env.MAKE, 'make', 'gmake'] },
    { what: 'a C++20 compiler (GCC 11, clang 14 or newer)', names: [process.env.CXX, 'c++', 'g++', 'clang++'] },
  ]
  return wanted.filter(({ names }) => !names.some((name) => name && onPath(name.split(' ')[0]))).map(({ what }) => what)
}

/** npm says where its own node-gyp is when it runs a script; otherwise it is looked for beside the npm of this Node. */
function findNodeGyp() {
  if (process.env.npm_config_node_gyp && existsSync(process.env.npm_config_node_gyp)) {
    return process.env.npm_config_node_gyp
  }
  const prefix = dirname(dirname(process.execPath))
  const npm = onPath(windows ? 'npm.cmd' : 'npm')
  const homes = [
    process.env.npm_execpath,
    npm && realpathSync(npm),
    join(prefix, 'lib', 'node_modules', 'npm', 'package.json'),
    join(prefix, 'share', 'nodejs', 'npm', 'package.json'),
    join(dirname(process.execPath), 'node_modules', 'npm', 'package.json'),
    join(root, 'package.json'),
  ]
  for (const home of homes) {
    if (!home || !existsSync(home)) continue
    try {
      return createRequire(home).resolve('node-gyp/bin/node-gyp.js')
    } catch {
      // Not beside this one: try the next.
    }
  }
  return null
}

function fail(...lines) {
  for (const line of lines) console.error(`varve: ${line}`)
  process.exit(1)
}

const missing = missingTools()
if (missing.length > 0) {
  fail(
    `the addon cannot be compiled: ${missing.join(' and ')} ${missing.length === 1 ? 'was' : 'were'} not found.`,
    'Debian, Ubuntu: apt-get install python3 make g++ / Fedora: dnf install python3 make gcc-c++ /',
    'Alpine: apk add python3 make g++ / macOS: xcode-select --install. Then run the same command again.',
  )
}
const nodeGyp = findNodeGyp()
if (!nodeGyp) {
  fail(
    'node-gyp was not found beside npm. Install npm, or run `npm install node-gyp`, then run the same command again.',
  )
}

const prefix = dirname(dirname(process.execPath))
const nodedir = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : []
if (nodedir.length === 0) console.error(`varve: ${prefix} has no headers of Node: node-gyp will download them.`)

const gypFile = join(root, 'binding.gyp')
const borrowed = !existsSync(gypFile)
if (borrowed) copyFileSync(join(root, 'native', 'binding.gyp'), gypFile)

function nodeGypRun(...args) {
  const run = spawnSync(process.execPath, [nodeGyp, ...args, ...nodedir], { cwd: root, stdio: 'inherit' })
  return run.status ?? 1
}

let status
try {
  if (incremental) {
    status = nodeGypRun('configure', '--loglevel=warn')
    if (status === 0) status = nodeGypRun('build', '--loglevel=warn', '--jobs', 'max')
  } else {
    status = nodeGypRun('rebuild', '--jobs', 'max')
  }
} finally {
  if (borrowed) rmSync(gypFile)
}
if (status !== 0) fail('the addon did not compile; the first error above says why. It needs GCC 11, clang 14 or newer.')
