import assert from 'node:assert/strict'
import {
  builtViolations,
  focusViolations,
  machinePathViolations,
  namedFileViolations,
  registryViolations,
  unfinishedViolations,
} from './text-rules.ts'
import { readTextFiles, repositoryPaths, rootFolder, type SourceFile } from './tree.ts'

const file = (path: string, text: string): SourceFile => ({ path, text })
/** Joined at run time, so that this file keeps the rules that it shows broken. */
const join = (...parts: string[]): string => parts.join('')

describe('tidy: text of every file', () => {
  const paths = repositoryPaths()
  // Folders that Kafka wrote are data, not ours to word.
  const files = readTextFiles(paths.filter((path) => !/^test\/golden\/(?:.*\/)?kafka-[^/]*\//.test(path)))

  it('nothing is left unfinished', () => assert.deepEqual(unfinishedViolations(files), []))
  it('no registry host is named', () => assert.deepEqual(registryViolations(files), []))
  it('no path of one machine is named', () => assert.deepEqual(machinePathViolations(files), []))
  it('no test is focused or switched off', () => assert.deepEqual(focusViolations(files), []))
  it('pages name files that are there', () => {
    const pages = files.filter(({ path }) => path.endsWith('.md') && path !== 'CHANGELOG.md')
    assert.deepEqual(namedFileViolations(pages, paths), [])
  })
  it('nothing built or installed is kept', () => assert.deepEqual(builtViolations(paths), []))

  describe('each rule fails on a file that breaks it', () => {
    const cases: [string, () => string[]][] = [
      ['a note to oneself', () => unfinishedViolations([file('src/a.ts', join('// TO', 'DO later'))])],
      [
        'a registry host',
        () => registryViolations([file('package-lock.json', join('https://registry.npm', 'js.org/a'))]),
      ],
      ['a home folder', () => machinePathViolations([file('a.md', join('cd /ro', 'ot/varve'))])],
      ['this clone', () => machinePathViolations([file('a.md', `see ${rootFolder}`)])],
      ['a focused suite', () => focusViolations([file('test/a.test.ts', join('describe.on', "ly('a', f)"))])],
      ['a test switched off', () => focusViolations([file('test/a.test.ts', join('  it.sk', "ip('a', f)"))])],
      ['a file that went', () => namedFileViolations([file('a.md', 'see `log/gone.ts`')], ['src/log/log.ts'])],
      ['a broken link', () => namedFileViolations([file('a/b.md', 'see [c](c.md)')], ['c.txt', 'a/d.md'])],
      ['an installed package', () => builtViolations(['node_modules'])],
      ['a profile', () => builtViolations(['isolate-0x1-2-v8.log'])],
      ['an addon', () => builtViolations(['prebuilds/linux-x64/varve.glibc.node'])],
    ]
    for (const [name, violations] of cases) {
      it(name, () => assert.notEqual(violations().length, 0))
    }
  })
})
