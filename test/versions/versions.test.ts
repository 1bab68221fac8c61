import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mustRun, npm } from '../package/npm.ts'
import { rootFolder } from '../tidy/tree.ts'

/**
 * One binary for every Node: the addon that this Node built is loaded, not rebuilt, by each of the supported majors.
 * Their binaries are packages of the registry, 200 MB each; they stay in test/versions/node_modules for the next run.
 */
describe('the same addon on every supported Node', () => {
  const home = join(rootFolder, 'test', 'versions')
  const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const names = Object.keys(manifest.dependencies)
  const addon = join(rootFolder, 'build', 'Release', 'varve.node')
  const smoke = join(import.meta.dirname, 'smoke.js')

  before(async function () {
    this.timeout(600_000)
    if (process.platform !== 'linux' || process.arch !== 'x64') this.skip()
    const wanted = readFileSync(join(home, 'package-lock.json'), 'utf8')
    const stamp = join(home, 'node_modules', '.lock-of-this-install.json')
    if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
    await npm(['ci', '--ignore-scripts'], home)
    writeFileSync(stamp, wanted)
  })

  for (const name of names) {
    it(`${name} appends and reads`, async () => {
      const node = join(home, 'node_modules', name, 'bin', 'node')
      const before = createHash('sha256').update(readFileSync(addon)).digest('hex')
      const report = JSON.parse(await mustRun(node, [smoke], rootFolder)) as {
        node: string
        addon: string
        records: number
      }
      assert.equal(report.node.split('.')[0], name.replace('node-', 'v'))
      assert.equal(report.addon, addon)
      assert.equal(report.records, 1000)
      assert.equal(createHash('sha256').update(readFileSync(addon)).digest('hex'), before)
    })
  }
})
