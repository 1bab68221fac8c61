import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { addonAbi } from '../../../../src/storage/native/addon.ts'
import { addon, prebuildPath } from '../../../../src/storage/native/loader.ts'
import { temporaryFolder } from './native-under-test.ts'

const loaderFile = fileURLToPath(new URL('../../../../src/storage/native/loader.js', import.meta.url))
const source = dirname(dirname(dirname(loaderFile)))
const builtAddon = process.env.VARVE_NATIVE || join(source, '..', '..', 'build', 'Release', 'varve.node')

/** Runs the loader of a package in `root` in a process of its own and answers what it threw or loaded. */
function loadIn(root: string, environment: NodeJS.ProcessEnv = {}) {
  const script = `
    import { addon } from ${JSON.stringify(join(root, 'dist', 'src', 'storage', 'native', 'loader.js'))}
    try { console.log(JSON.stringify({ abi: addon().abi })) }
    catch (error) { console.log(JSON.stringify({ code: error.code, message: error.message, details: error.details })) }`
  const env = { ...process.env, ...environment }
  if (!('VARVE_NATIVE' in environment)) delete env.VARVE_NATIVE
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { env, encoding: 'utf8' })
  assert.equal(run.status, 0, run.stderr)
  return JSON.parse(run.stdout) as {
    abi?: number
    code?: string
    message: string
    details: { candidates: { path: string; problem: string }[] }
  }
}

describe('the addon loader', () => {
  const folder = temporaryFolder()

  /** A package with compiled sources and no addon. */
  function packageWithoutAddon(name: string): string {
    const root = join(folder.path, name)
    cpSync(join(source, 'storage', 'native'), join(root, 'dist', 'src', 'storage', 'native'), { recursive: true })
    copyFileSync(join(source, 'errors.js'), join(root, 'dist', 'src', 'errors.js'))
    writeFileSync(join(root, 'package.json'), '{"name":"varve","type":"module"}')
    return root
  }

  it('loads one addon per thread, built for this contract', () => {
    assert.equal(addon().abi, addonAbi)
    assert.equal(addon(), addon())
  })

  it('names everything that it looked for and how to build it', () => {
    const root = packageWithoutAddon('missing')
    const { code, message, details } = loadIn(root)
    assert.equal(code, 'VARVE_NATIVE_MISSING')
    const places = [join(root, 'build', 'Release', 'varve.node'), join(root, prebuildPath())]
    assert.deepEqual(
      details.candidates.map((candidate) => candidate.path),
      places,
    )
    for (const place of places) assert.ok(message.includes(place), message)
    assert.match(message, /npx varve build/)
  })

  it('takes the prebuilt binary of a published package', () => {
    const root = packageWithoutAddon('published')
    mkdirSync(dirname(join(root, prebuildPath())), { recursive: true })
    copyFileSync(builtAddon, join(root, prebuildPath()))
    assert.equal(loadIn(root).abi, addonAbi)
  })

  it('passes over a build that does not load, to the prebuilt one', () => {
    const root = packageWithoutAddon('broken-build')
    mkdirSync(join(root, 'build', 'Release'), { recursive: true })
    writeFileSync(join(root, 'build', 'Release', 'varve.node'), 'no shared object')
    assert.match(loadIn(root).details.candidates[0]!.problem, /varve\.node/)
    mkdirSync(dirname(join(root, prebuildPath())), { recursive: true })
    copyFileSync(builtAddon, join(root, prebuildPath()))
    assert.equal(loadIn(root).abi, addonAbi)
  })

  it('refuses an addon of another contract and names both numbers', () => {
    const root = packageWithoutAddon('other-contract')
    const contract = join(root, 'dist', 'src', 'storage', 'native', 'addon.js')
    writeFileSync(contract, 'export const addonAbi = 999')
    const { code, message } = loadIn(root, { VARVE_NATIVE: builtAddon })
    assert.equal(code, 'VARVE_NATIVE_MISSING')
    assert.ok(message.includes(`contract ${addonAbi}, this version needs 999`), message)
  })

  it('takes VARVE_NATIVE at its word', () => {
    const root = packageWithoutAddon('by-word')
    assert.equal(loadIn(root, { VARVE_NATIVE: builtAddon }).abi, addonAbi)
    const { code, message, details } = loadIn(root, { VARVE_NATIVE: join(root, 'nowhere.node') })
    assert.equal(code, 'VARVE_NATIVE_MISSING')
    assert.equal(details.candidates.length, 1)
    assert.match(message, /Correct VARVE_NATIVE/)
  })
})
