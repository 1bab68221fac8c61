/** The import rules of ARCHITECTURE.md for src/: layers, cycles, purity, and who may wire the real world. */
import { posix } from 'node:path'
import { blank, importsOf } from './source-text.ts'
import type { SourceFile } from './tree.ts'

/** A folder of src/, or a file that stands there alone, imports only what stands on an earlier line, and itself. */
const layers: readonly (readonly string[])[] = [
  ['errors.ts'],
  ['base'],
  ['env'],
  ['settings', 'record', 'protocol'],
  ['storage'],
  ['log'],
  ['partition', 'raft'],
  ['replication', 'metadata', 'group', 'transaction'],
  ['engine'],
  ['producer', 'consumer'],
  ['store'],
  ['broker'],
  ['doors', 'index.ts'],
  ['cli', 'console', 'testing'],
]

/** Decisions: no clock, no disk, no randomness, no waiting. */
const pureFile =
  /^src\/(?:base|settings|record|protocol|log\/inspect)\/|-machine\.ts$|^src\/log\/(?:append-plan|batch-fields|roll|retention|retention-clock|leader-epochs|producer-states|producer-snapshot|transaction-index)\.ts$|^src\/consumer\/member-events\.ts$|^src\/group\/(?:assignors\/|committed-offsets\.ts$|group-events\.ts$|group-member\.ts$)|^src\/metadata\/(?:bootstrap|kept-records|metadata-image|quorum-state|record-versions|snapshot-file|topic-configs|topic-name)\.ts$|^src\/storage\/(?:index-entries|kafka-checkpoint|partition-metadata|recovery-start|segment-names|varve-checkpoint)\.ts$/

/** The real clock, disk and sockets are reached from these alone; storage/ itself stands on the addon, whose kernel may be a simulated one. */
const realWorld = /^src\/(?:env\/node|storage\/native)\//
const mayWire = /^src\/(?:env\/node\/|storage\/|store\/open[\w-]*\.ts$|broker\/serve\.ts$|doors\/|index\.ts$|testing\/)/

const impureWords: readonly (readonly [RegExp, string])[] = [
  [/\bDate\b/, 'Date'],
  [/\bMath\s*\.\s*random\b/, 'Math.random'],
  [/\b(?:setTimeout|setInterval|setImmediate|queueMicrotask|performance)\b/, 'timers'],
  [/\b(?:async|await|Promise)\b/, 'async'],
  [/\b(?:process|console|globalThis)\b/, 'the process'],
]

const unitOf = (path: string): string => path.split('/')[1] ?? ''
const layerOf = (path: string): number => layers.findIndex((units) => units.includes(unitOf(path)))
const targetOf = (file: SourceFile, specifier: string): string => posix.join(posix.dirname(file.path), specifier)
const isRelative = (specifier: string): boolean => specifier.startsWith('.')

/** A folder imports strictly lower layers and itself; the command line and the console use public doors only. */
export function layerViolations(files: readonly SourceFile[]): string[] {
  const found: string[] = []
  for (const file of files) {
    const unit = unitOf(file.path)
    if (layerOf(file.path) === -1) found.push(`${file.path}: '${unit}' has no layer in test/tidy/import-rules.ts`)
    for (const { specifier, line } of importsOf(file.text)) {
      if (!isRelative(specifier)) continue
      const target = targetOf(file, specifier)
      const where = `${file.path}:${line}: imports ${target}`
      if (!target.startsWith('src/')) found.push(`${where}, outside src/`)
      else if (unitOf(target) === unit) continue
      else if (layerOf(target) >= layerOf(file.path)) found.push(`${where}, which is not in a lower layer`)
      else if (['cli', 'console'].includes(unit) && !['doors', 'index.ts'].includes(unitOf(target))) {
        found.push(`${where}, which is not a public door`)
      } else if (!specifier.endsWith('.ts')) found.push(`${where} without its .ts ending`)
    }
  }
  return found
}

/** No module reaches itself over its imports, types included. */
export function cycleViolations(files: readonly SourceFile[]): string[] {
  const edges = new Map(
    files.map((file) => [
      file.path,
      importsOf(file.text)
        .filter(({ specifier }) => isRelative(specifier))
        .map(({ specifier }) => targetOf(file, specifier)),
    ]),
  )
  const done = new Set<string>()
  const found: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start !== -1) {
      found.push([...trail.slice(start), path].join(' -> '))
      return
    }
    if (done.has(path)) return
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of edges.keys()) visit(path, [])
  return found
}

/** Pure files take data and return data. */
export function purityViolations(files: readonly SourceFile[]): string[] {
  const found: string[] = []
  for (const file of files.filter(({ path }) => pureFile.test(path))) {
    for (const { specifier, line } of importsOf(file.text)) {
      if (specifier.startsWith('node:')) found.push(`${file.path}:${line}: a pure file imports ${specifier}`)
    }
    const lines = blank(file.text, 'drop').split('\n')
    for (const [index, text] of lines.entries()) {
      for (const [pattern, name] of impureWords) {
        if (pattern.test(text)) found.push(`${file.path}:${index + 1}: a pure file uses ${name}`)
      }
    }
  }
  return found
}

/** The real clock, disk and sockets are wired in store/open*.ts and broker/serve.ts (and handed out by doors and tests' kit). */
export function wiringViolations(files: readonly SourceFile[]): string[] {
  const found: string[] = []
  for (const file of files.filter(({ path }) => !mayWire.test(path))) {
    for (const { specifier, line } of importsOf(file.text)) {
      const target = isRelative(specifier) ? targetOf(file, specifier) : ''
      if (realWorld.test(target))
        found.push(`${file.path}:${line}: imports ${target}: only store/open*.ts wires the real world`)
    }
  }
  return found
}
