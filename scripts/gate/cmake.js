// The developers' build by CMake, through cmake-js: it finds the headers of Node-API among our packages, so that the
// addon can be built beside the C++ tests, with the same sanitizers.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hasProgram } from './process.js'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Each kind is built in a folder of its own. */
const options = {
  plain: ['--CDVARVE_WERROR=ON'],
  asan: ['--CDVARVE_SANITIZE=address,undefined'],
  tsan: ['--CDVARVE_SANITIZE=thread'],
}
export const kinds = Object.keys(options)

export const buildFolder = (kind) => join('build-cmake', kind)
export const addonFile = (kind) => join(root, buildFolder(kind), 'RelWithDebInfo', 'varve.node')

/** Runs a program in the repository; its failure ends this process. */
export function step(command, args, env = {}) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (status !== 0) process.exit(status ?? 1)
}

/** Ends this process in the way that the gate takes for "this machine lacks something". */
export function notRun(reason) {
  console.log(`not run: ${reason}`)
  process.exit(0)
}

/** Builds one target of one kind: `varve_tests` or `varve_addon`. */
export function build(kind, target) {
  if (!hasProgram('cmake')) notRun('cmake was not found (Debian: cmake)')
  const gtestHomes = ['/usr/include/gtest', '/usr/local/include/gtest', '/opt/homebrew/include/gtest']
  if (target === 'varve_tests' && !gtestHomes.some((home) => existsSync(home))) {
    notRun('GoogleTest was not found (Debian: libgtest-dev)')
  }
  step(process.execPath, [
    ...[join('node_modules', 'cmake-js', 'bin', 'cmake-js'), 'build', '--log-level', 'warn'],
    ...['--out', buildFolder(kind), '--config', 'RelWithDebInfo', '--target', target],
    ...['--parallel', String(availableParallelism())],
    ...(hasProgram('ccache') ? ['--CDCMAKE_CXX_COMPILER_LAUNCHER=ccache'] : []),
    ...options[kind],
  ])
}
