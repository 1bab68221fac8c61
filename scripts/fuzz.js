// Builds the libFuzzer targets with clang and runs one, or each in turn, for a time. Needs clang and cmake. The target
// `parsers` is in TypeScript and needs neither: test/unit/damaged-files.test.ts, so many seconds for each kind of file.
//
//   node scripts/fuzz.js [target] [seconds]      default: all but `parsers`, 60 seconds each
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hasProgram } from './gate/process.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const build = join('build-cmake', 'fuzz')
const [target, seconds = '60'] = process.argv.slice(2)
const { fuzz } = JSON.parse(readFileSync(join(root, 'native', 'sources.json'), 'utf8'))
const targets = fuzz.map((path) => basename(path, '.cc')).filter((name) => target === undefined || name === target)

function step(command, args, env = {}) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (status !== 0) process.exit(status ?? 1)
}

if (target === 'parsers') {
  // Through the gate's configuration, which names no tests of its own.
  const args = ['node_modules/mocha/bin/mocha.js', '--config', 'scripts/gate/mocharc.json']
  step(process.execPath, [...args, 'dist/test/unit/damaged-files.test.js'], { VARVE_FUZZ_SECONDS: seconds })
  process.exit(0)
}
const version = ['', '-19', '-18', '-17', '-16', '-15', '-14'].find((suffix) => hasProgram(`clang++${suffix}`))
if (version === undefined || !hasProgram('cmake')) {
  console.error('fuzzing needs clang and cmake (Debian: clang-19, libclang-rt-19-dev, cmake)')
  process.exit(1)
}
if (targets.length === 0) {
  console.error(`there is no fuzz target ${target ?? ''}; native/sources.json lists them under "fuzz"`)
  process.exit(1)
}
const compilers = { CC: `clang${version}`, CXX: `clang++${version}` }
const generator = hasProgram('ninja') ? ['-G', 'Ninja'] : []
step('cmake', ['-S', 'native', '-B', build, ...generator, '-DVARVE_FUZZ=ON'], compilers)
for (const name of targets) {
  step('cmake', ['--build', build, '--target', name, '--parallel'])
  const corpus = join(build, 'corpus', name) // inputs that reached new code: the next run starts from them
  mkdirSync(join(root, corpus), { recursive: true })
  const limits = [`-max_total_time=${seconds}`, '-timeout=10', '-rss_limit_mb=2048', `-artifact_prefix=${build}/`]
  step(join(root, build, name), [...limits, corpus])
}
