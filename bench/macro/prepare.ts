/**
 * What the first run in a clone brings about, and says so: the peers in `bench/peers`, and the reader in C++. What fails
 * is a row "not run" later, never an end.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { packageName } from './systems/better-sqlite3.ts'
import { cloneFolder, peersFolder } from './systems/peers.ts'
import { spinReaderPath } from './systems/spin-reader.ts'

export function installPeers(say: (text: string) => void, wantsChronicle: boolean): void {
  const folder = peersFolder()
  if (!folder) return
  const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8')
  // A mark of our own, not the mere presence of node_modules: an interrupted install is made again.
  const mark = join(folder, 'node_modules', '.varve-installed')
  if (!existsSync(mark) || readFileSync(mark, 'utf8') !== lock) {
    say('Installing the peers into bench/peers/node_modules (once; lmdb, classic-level, better-sqlite3) ...')
    const installed = run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], folder, say)
    if (installed) writeFileSync(mark, lock)
  }
  if (packageName() === 'better-sqlite3-node20') buildSqlite(folder, say)
  if (wantsChronicle) fetchChronicle(join(folder, 'chronicle'), say)
}

/** Version 12 downloads a binary or compiles; we compile, against the headers of the Node that runs, so nothing but npm packages is needed. */
function buildSqlite(folder: string, say: (text: string) => void): void {
  const built = join(folder, 'node_modules', 'better-sqlite3-node20', 'build', 'Release', 'better_sqlite3.node')
  if (existsSync(built) || !existsSync(join(folder, 'node_modules', 'better-sqlite3-node20'))) return
  say('Compiling better-sqlite3 for this Node (once, about a minute) ...')
  const prefix = dirname(dirname(process.execPath))
  const headers = existsSync(join(prefix, 'include', 'node', 'node.h')) ? { npm_config_nodedir: prefix } : {}
  run('npm', ['run', '--silent', 'build-sqlite'], folder, say, headers)
}

function fetchChronicle(folder: string, say: (text: string) => void): void {
  if (existsSync(join(folder, 'lib')) || !has('java') || !has('mvn')) return
  say('Fetching Chronicle Queue with Maven (once) ...')
  run('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=lib'], folder, say)
}

/** Compiles `bench/native/spin_reader.cc`, where it is missing or older than what it is made of. */
export function compileSpinReader(say: (text: string) => void): void {
  const root = cloneFolder()
  if (!root) return
  const native = join(root, 'native')
  const { core } = JSON.parse(readFileSync(join(native, 'sources.json'), 'utf8')) as { core: string[] }
  const sources = core.filter((path) => !path.startsWith('segment/')).map((path) => join(native, path))
  sources.push(join(root, 'bench', 'native', 'spin_reader.cc'))
  const made = existsSync(spinReaderPath(root)) ? statSync(spinReaderPath(root)).mtimeMs : 0
  if (sources.every((path) => statSync(path).mtimeMs < made) || !has('g++', '--version')) return
  say('Compiling the reader in C++ (once) ...')
  mkdirSync(dirname(spinReaderPath(root)), { recursive: true })
  const options = ['-std=c++20', '-O2', '-fno-exceptions', '-fno-rtti', '-pthread', '-I', native]
  run('g++', [...options, ...sources, '-o', spinReaderPath(root)], root, say)
}

const has = (command: string, question = '-version'): boolean =>
  spawnSync(command, [question], { stdio: 'ignore' }).status === 0

function run(
  command: string,
  args: string[],
  cwd: string,
  say: (text: string) => void,
  extra: NodeJS.ProcessEnv = {},
): boolean {
  const done = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...extra },
    timeout: 10 * 60_000,
  })
  if (done.status === 0) return true
  const output = `${done.stderr ?? ''}${done.stdout ?? ''}`.trim().split('\n')
  const line = output.find((text) => /error/i.test(text)) ?? output.at(-1) ?? ''
  say(`${command} ${args[0]} failed (${done.error?.message ?? line}); what needs it will be "not run"`)
  return false
}
