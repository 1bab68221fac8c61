// Runs the JavaScript tests with an addon that was built with the address and undefined behaviour sanitizers.
//
//   node scripts/asan-js.js [mocha arguments]      default: the unit, golden, conformance and lifecycle tests
//
// Node itself is not built with them, so their run time comes in by LD_PRELOAD. Leaks are not looked for: V8 frees
// nothing at exit. cmake-js builds the addon, from the headers of node-api-headers.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const build = join('build-cmake', 'asan-js')

function step(command, args, env = {}) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (status !== 0) process.exit(status ?? 1)
}

/** Where the compiler keeps a run time library. */
function runTime(name) {
  const { stdout } = spawnSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' })
  const path = stdout?.trim() ?? ''
  if (path.startsWith('/') && existsSync(path)) return path
  console.log(`not run: ${name} was not found (it comes with g++ on Linux)`)
  process.exit(0)
}

const preload = `${runTime('libasan.so')}:${runTime('libubsan.so')}`
const cmakeJs = join('node_modules', '.bin', 'cmake-js')
step(cmakeJs, [
  ...['compile', '--out', build, '--config', 'RelWithDebInfo', '--target', 'varve_addon', '--log-level', 'warn'],
  ...['--CDVARVE_SANITIZE=address,undefined', '--CDCMAKE_CXX_COMPILER=g++'],
])
step(join('node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.json'])

const folders = ['unit', 'golden', 'conformance', 'lifecycle']
const specs = folders.map((folder) => `dist/test/${folder}/**/*.test.js`)
const args = process.argv.length > 2 ? process.argv.slice(2) : specs
step(
  process.execPath,
  [join('node_modules', 'mocha', 'bin', 'mocha.js'), '--config', 'scripts/gate/mocharc.json', ...args],
  {
    LD_PRELOAD: preload,
    // The bus guard's handler must stay ours. What Node allocates in worker threads it frees in others.
    ASAN_OPTIONS: 'detect_leaks=0:handle_sigbus=0:allow_user_segv_handler=1:halt_on_error=1:abort_on_error=1',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
    VARVE_NATIVE: join(root, build, 'RelWithDebInfo', 'varve.node'),
  },
)
