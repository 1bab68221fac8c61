import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { errorKinds } from '../../src/errors.ts'
import {
  errorNameViolations,
  includeOrderViolations,
  nodeApiViolations,
  type SourceLists,
  sourceListViolations,
} from './native-rules.ts'
import { readTextFiles, repositoryPaths, rootFolder, type SourceFile } from './tree.ts'

const file = (path: string, text: string): SourceFile => ({ path, text })

describe('tidy: native/', () => {
  const paths = repositoryPaths()
  const sources = readTextFiles(paths.filter((path) => /^native\/.*\.(?:h|cc)$/.test(path)))
  const lists = JSON.parse(readFileSync(`${rootFolder}/native/sources.json`, 'utf8')) as SourceLists
  const codes = Object.keys(errorKinds)

  it('only native/binding/ sees Node', () => assert.deepEqual(nodeApiViolations(sources), []))
  it('a folder includes only those before it', () => assert.deepEqual(includeOrderViolations(sources), []))
  it('every source is listed once, where it belongs', () => assert.deepEqual(sourceListViolations(paths, lists), []))
  it('every error that C++ names is in the table', () => assert.deepEqual(errorNameViolations(sources, codes), []))

  describe('each rule fails on a file that breaks it', () => {
    const empty: SourceLists = { core: [], addon: [], test: [], fuzz: [] }
    const cases: [string, () => string[]][] = [
      ['Node in the core', () => nodeApiViolations([file('native/base/a.h', '#include <node_api.h>')])],
      ['the C++ wrapper in a test', () => nodeApiViolations([file('native/test/a.cc', '#include "napi.h"')])],
      ['a later folder', () => includeOrderViolations([file('native/file/a.h', '#include "segment/b.h"')])],
      ['the binding in a test', () => includeOrderViolations([file('native/test/a.cc', '#include "binding/b.h"')])],
      ['a test in the library', () => includeOrderViolations([file('native/base/a.cc', '#include "test/b.h"')])],
      ['a relative path', () => includeOrderViolations([file('native/file/a.h', '#include "../base/b.h"')])],
      ['an unknown folder', () => includeOrderViolations([file('native/misc/a.h', '')])],
      ['an unlisted source', () => sourceListViolations(['native/base/a.cc'], empty)],
      ['a listed file that is not there', () => sourceListViolations([], { ...empty, core: ['base/a.cc'] })],
      [
        'a source in the wrong list',
        () =>
          sourceListViolations(['native/binding/a.cc'], { ...empty, addon: ['binding/a.cc'], core: ['binding/a.cc'] }),
      ],
      ['an unknown code', () => errorNameViolations([file('native/binding/error_names.h', '"VARVE_NO_SUCH"')], codes)],
    ]
    for (const [name, violations] of cases) {
      it(name, () => assert.equal(violations().length, 1, violations().join('\n')))
    }
  })
})
