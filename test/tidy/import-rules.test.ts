import assert from 'node:assert/strict'
import { cycleViolations, layerViolations, purityViolations, wiringViolations } from './import-rules.ts'
import { readTextFiles, repositoryPaths, type SourceFile } from './tree.ts'

const file = (path: string, ...lines: string[]): SourceFile => ({ path, text: lines.join('\n') })

describe('tidy: imports of src/', () => {
  const sources = readTextFiles(repositoryPaths().filter((path) => /^src\/.*\.ts$/.test(path)))

  it('a folder imports strictly lower layers and itself', () => {
    assert.deepEqual(layerViolations(sources), [])
  })
  it('no module imports itself over others', () => {
    assert.deepEqual(cycleViolations(sources), [])
  })
  it('pure files have no clock, disk, randomness or waiting', () => {
    assert.deepEqual(purityViolations(sources), [])
  })
  it('the real world is wired in one place', () => {
    assert.deepEqual(wiringViolations(sources), [])
  })

  describe('each rule fails on a file that breaks it', () => {
    const cases: [string, (files: SourceFile[]) => string[], SourceFile[]][] = [
      ['a higher layer', layerViolations, [file('src/record/a.ts', "import { b } from '../log/b.ts'")]],
      [
        'a neighbour of the same layer',
        layerViolations,
        [file('src/record/a.ts', "import type { S } from '../settings/b.ts'")],
      ],
      ['a re-export', layerViolations, [file('src/base/a.ts', "export * from '../record/b.ts'")]],
      ['a lazy import', layerViolations, [file('src/base/a.ts', "const b = () => import('../log/b.ts')")]],
      [
        'several lines',
        layerViolations,
        [file('src/base/a.ts', 'import {', '  b,', '  type c,', "} from '../log/b.ts'")],
      ],
      ['a folder without a layer', layerViolations, [file('src/misc/a.ts', '')]],
      ['outside src/', layerViolations, [file('src/log/a.ts', "import '../../test/b.ts'")]],
      ['the command line below a door', layerViolations, [file('src/cli/a.ts', "import { b } from '../log/b.ts'")]],
      ['no ending', layerViolations, [file('src/log/a.ts', "import { b } from '../base/b.js'")]],
      [
        'a cycle of types',
        cycleViolations,
        [file('src/log/a.ts', "import type { B } from './b.ts'"), file('src/log/b.ts', "import { a } from './a.ts'")],
      ],
      ['node: in a pure file', purityViolations, [file('src/record/a.ts', "import { gzipSync } from 'node:zlib'")]],
      ['a clock in a pure file', purityViolations, [file('src/base/a.ts', 'const now = Date.now()')]],
      ['randomness in a machine', purityViolations, [file('src/raft/raft-machine.ts', 'const r = Math.random()')]],
      ['a timer in a plan', purityViolations, [file('src/log/append-plan.ts', 'setTimeout(f, 1)')]],
      ['waiting in settings', purityViolations, [file('src/settings/a.ts', 'export async function f() {}')]],
      ['after a regular expression', purityViolations, [file('src/base/a.ts', "const q = /['\"/*]/; Date.now() // '")]],
      [
        'the addon in log/',
        wiringViolations,
        [file('src/log/a.ts', "import { addon } from '../storage/native/addon.ts'")],
      ],
      ['the clock in engine/', wiringViolations, [file('src/engine/a.ts', "import { c } from '../env/node/clock.ts'")]],
    ]
    for (const [name, rule, files] of cases) {
      it(name, () => assert.equal(rule(files).length, 1, rule(files).join('\n')))
    }
  })

  it('comments and strings are not code', () => {
    const innocent = file(
      'src/base/a.ts',
      "// import { b } from '../log/b.ts' and Date.now()",
      "/* async import '../log/b.ts' */ const text = 'Date'; const half = length / 2 / rest // await",
      'export const waiting = `Promise`',
    )
    assert.deepEqual([...layerViolations([innocent]), ...purityViolations([innocent])], [])
  })
})
