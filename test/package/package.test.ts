import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootFolder } from '../tidy/tree.ts'
import { mustRun, npm, run } from './npm.ts'

/** The first block of code in README.md with this language, which is what a user will paste. */
async function fromReadme(language: string): Promise<string> {
  const readme = await readFile(join(rootFolder, 'README.md'), 'utf8')
  const block = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'ms').exec(readme)
  assert.ok(block, `README.md has no block of ${language}`)
  return block[1]!
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

  it('runs the hello world of the README in JavaScript', async () => {
    await writeFile(join(app, 'hello.js'), await fromReadme('js'))
    assert.match(await mustRun(process.execPath, ['hello.js'], app), /paid/)
  })

  it('is loaded by require() too', async () => {
    const script = "const { openLog } = require('varve/log'); console.log(typeof openLog)"
    assert.match(await mustRun(process.execPath, ['--input-type=commonjs', '-e', script], app), /function/)
  })

  it('compiles and runs the hello world of the README in TypeScript, its types checked', async () => {
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
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['hello.ts'] }))
    await writeFile(join(project, 'hello.ts'), await fromReadme('ts'))
    await mustRun(join(rootFolder, 'node_modules', '.bin', 'tsc'), ['-p', project], project)
    assert.match(await mustRun(process.execPath, ['hello.js'], project), /paid/)
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

    it('`npx varve build` compiles the packed sources, and the hello world runs', async () => {
      const printed = await mustRun('npx', ['--no-install', 'varve', 'build'], app)
      assert.match(printed, /the addon is built/)
      assert.ok(!(await readdir(installed)).includes('binding.gyp'), 'the gyp file went back to native/')
      await writeFile(join(app, 'hello.js'), await fromReadme('js'))
      await rm(join(app, 'data'), { recursive: true, force: true })
      assert.match(await mustRun(process.execPath, ['hello.js'], app), /paid/)
    })
  })
})
