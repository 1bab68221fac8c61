import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootFolder } from '../tidy/tree.ts'
import { mustRun, npm, run } from './npm.ts'

/** The blocks of code in README.md and docs/ with this language, which are what a user will paste. */
async function fromDocs(language: string): Promise<string[]> {
  const pages = (await readdir(join(rootFolder, 'docs'))).map((name) => join('docs', name)).sort()
  const texts = await Promise.all(['README.md', ...pages].map((page) => readFile(join(rootFolder, page), 'utf8')))
  const blocks = [...texts.join('\n').matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(
    ([, text]) => text!,
  )
  assert.ok(blocks.length > 0, `there is no block of ${language}`)
  return blocks
}

/** Runs each block of a project, as a user does who pastes it into a file of its own. */
async function runBlocks(project: string, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    for (const folder of ['data', 'log']) await rm(join(project, folder), { recursive: true, force: true })
    assert.match(await mustRun(process.execPath, [`hello-${index}.js`], project), /paid/, `block ${index}`)
  }
}

describe('the package as it is published', function () {
  this.timeout(300_000)
  let folder: string
  /** An empty project with the packed package installed in it, as a user would. */
  let app: string
  let installed: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'varve-package-'))
    const stage = join(folder, 'stage')
    await mustRun(process.execPath, [join(rootFolder, 'scripts', 'stage-package.js'), stage], rootFolder)
    const [packed] = JSON.parse(await npm(['pack', '--json', stage], folder)) as [{ filename: string }]
    app = join(folder, 'app')
    installed = join(app, 'node_modules', 'varve')
    await mkdir(app)
    await writeFile(join(app, 'package.json'), '{ "private": true, "type": "module" }')
    await npm(['install', '--ignore-scripts', join(folder, packed.filename)], app)
  })

  after(() => rm(folder, { recursive: true, force: true }))

  it('runs nothing at install', async () => {
    const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as Record<string, unknown>
    assert.equal(manifest.scripts, undefined)
    assert.equal(manifest.gypfile, false)
    assert.ok(!(await readdir(installed)).includes('binding.gyp'))
  })

  it('holds what runs and what it is built from, and no tests', async () => {
    const paths = await readdir(installed, { recursive: true })
    for (const path of ['bin/varve.js', 'README.md', 'LICENSE', 'native/sources.json', 'native/binding.gyp']) {
      assert.ok(paths.includes(path), path)
    }
    assert.deepEqual(
      paths.filter((path) =>
        /(?:^|\/)(?:test|fuzz|node_modules)\/|^build\/|\.(?:map|tsbuildinfo)$|(?<!\.d)\.ts$/.test(path),
      ),
      [],
    )
  })

  it('runs every block of README and docs in JavaScript', async () => {
    const blocks = await fromDocs('js')
    for (const [index, block] of blocks.entries()) await writeFile(join(app, `hello-${index}.js`), block)
    await runBlocks(app, blocks.length)
  })

  it('is loaded by require() too', async () => {
    const script = "console.log(typeof require('varve/log').openLog, typeof require('varve').open)"
    assert.match(await mustRun(process.execPath, ['--input-type=commonjs', '-e', script], app), /function function/)
  })

  it('compiles and runs every block of README and docs in TypeScript, its types checked', async () => {
    const project = join(folder, 'typed')
    await cp(app, project, { recursive: true })
    const types = JSON.parse(await readFile(join(rootFolder, 'package.json'), 'utf8')) as {
      devDependencies: Record<string, string>
    }
    await npm(['install', '--ignore-scripts', `@types/node@${types.devDependencies['@types/node']}`], project)
    const compilerOptions = {
      strict: true,
      module: 'nodenext',
      target: 'es2022',
      lib: ['es2022', 'esnext.disposable'],
      types: ['node'],
    }
    const blocks = await fromDocs('ts')
    const files = blocks.map((_, index) => `hello-${index}.ts`)
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
    for (const [index, block] of blocks.entries()) await writeFile(join(project, files[index]!), block)
    await mustRun(join(rootFolder, 'node_modules', '.bin', 'tsc'), ['-p', project], project)
    await runBlocks(project, blocks.length)
  })

  describe('where no addon is prebuilt for the platform', () => {
    before(() => rm(join(installed, 'prebuilds'), { recursive: true }))

    it('an import says so, and what to do', async () => {
      const { code, stderr } = await run(process.execPath, ['-e', "import('varve/log')"], app)
      assert.notEqual(code, 0)
      assert.match(stderr, /VARVE_NATIVE_MISSING/)
      assert.match(stderr, /npx varve build/)
    })

    it('the command line still helps', async () => {
      assert.match(await mustRun('npx', ['--no-install', 'varve', '--help'], app), /build/)
    })

    it('`npx varve build` compiles the packed sources, and the same blocks run', async () => {
      const printed = await mustRun('npx', ['--no-install', 'varve', 'build'], app)
      assert.match(printed, /the addon is built/)
      assert.ok(!(await readdir(installed)).includes('binding.gyp'), 'the gyp file went back to native/')
      await runBlocks(app, (await fromDocs('js')).length)
    })
  })
})
