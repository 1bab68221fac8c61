// Builds the C++ library and its tests, without Node, and runs them.
//
//   node scripts/native-tests.js plain | asan (address and undefined behaviour) | tsan (threads)
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hasProgram } from './gate/process.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const sanitizers = { plain: '', asan: 'address,undefined', tsan: 'thread' }
const kind = process.argv[2] ?? 'plain'
if (sanitizers[kind] === undefined) throw new Error(`one of ${Object.keys(sanitizers).join(', ')}, not '${kind}'`)

function notRun(reason) {
  console.log(`not run: ${reason}`)
  process.exit(0)
}

function step(command, args, env = {}) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (status !== 0) process.exit(status ?? 1)
}

if (!hasProgram('cmake')) notRun('cmake was not found (Debian: cmake)')
const gtestHomes = ['/usr/include/gtest', '/usr/local/include/gtest', '/opt/homebrew/include/gtest']
if (!gtestHomes.some((home) => existsSync(home))) notRun('GoogleTest was not found (Debian: libgtest-dev)')

const build = join('build-cmake', kind)
step('cmake', [
  ...['-S', 'native', '-B', build],
  ...(hasProgram('ninja') ? ['-G', 'Ninja'] : []),
  ...(hasProgram('ccache') ? ['-DCMAKE_CXX_COMPILER_LAUNCHER=ccache'] : []),
  '-DCMAKE_BUILD_TYPE=RelWithDebInfo',
  `-DVARVE_SANITIZE=${sanitizers[kind]}`,
])
step('cmake', ['--build', build, '--parallel'])
step('ctest', ['--test-dir', build, '--output-on-failure', '--timeout', '300'], {
  UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1',
})
