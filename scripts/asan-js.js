// Runs the JavaScript tests with an addon that was built with the address and undefined behaviour sanitizers.
//
//   node scripts/asan-js.js [mocha arguments]      default: all that .mocharc.json names
//
// Node itself is not built with them, so their run time comes in by LD_PRELOAD. Leaks are not looked for: V8 frees
// nothing at exit.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { addonFile, build, notRun, step } from './gate/cmake.js'

/** Where the compiler keeps a run time library. */
function runTime(name) {
  const { stdout } = spawnSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' })
  const path = stdout?.trim() ?? ''
  if (!path.startsWith('/') || !existsSync(path)) notRun(`${name} was not found (it comes with g++ on Linux)`)
  return path
}

const preload = `${runTime('libasan.so')}:${runTime('libubsan.so')}`
build('asan', 'varve_addon')

const environment = {
  LD_PRELOAD: preload,
  // Bus errors stay ours: the guarded copies handle them.
  ASAN_OPTIONS: 'detect_leaks=0:handle_sigbus=0:halt_on_error=1:abort_on_error=1',
  UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  VARVE_NATIVE: addonFile('asan'),
}
// A run that loads another addon would pass and show nothing.
const look = `process.exit(require(process.env.VARVE_NATIVE).features?.sanitizer.includes('address') ? 0 : 3)`
step(process.execPath, ['--input-type=commonjs', '--eval', look], environment)

const mocha = join('node_modules', 'mocha', 'bin', 'mocha.js')
step(process.execPath, [mocha, '--timeout', '120000', ...process.argv.slice(2)], environment)
