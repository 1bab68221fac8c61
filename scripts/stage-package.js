// Lays out the folder that is published: `npm publish stage` after this script, never `npm publish` in the clone.
//
// It differs from the clone so that an install runs nothing: the addon lies in prebuilds/, there is no install script,
// and no binding.gyp at the root, at whose sight package managers would build, or warn. The sources and the gyp file
// are in native/, from which `varve build` makes the addon where none is prebuilt.
//
//   node scripts/stage-package.js [folder]      default: stage
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stage = resolve(process.argv[2] ?? join(root, 'stage'))

/** Built, or of use only to developers of varve. */
const left = /^native\/(?:test|fuzz)(?:\/|$)|^native\/(?:CMakeLists\.txt|README\.md)$|\.(?:map|tsbuildinfo)$/

function copy(path) {
  cpSync(join(root, path), join(stage, path), {
    recursive: true,
    filter: (source) => !left.test(relative(root, source).replaceAll('\\', '/')),
  })
}

const addon = join(root, 'build', 'Release', 'varve.node')
for (const [path, command] of [
  [addon, 'npm run build:native'],
  [join(root, 'dist', 'src', 'cli', 'main.js'), 'npm run build'],
]) {
  if (existsSync(path)) continue
  console.error(`${relative(root, path)} is not there: run \`${command}\` first.`)
  process.exit(1)
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
rmSync(stage, { recursive: true, force: true })
mkdirSync(stage, { recursive: true })
for (const path of manifest.files) copy(path)
for (const path of ['README.md', 'LICENSE']) if (existsSync(join(root, path))) copy(path)
cpSync(join(root, 'binding.gyp'), join(stage, 'native', 'binding.gyp'))

// Where the loader will look for it; the module only exports names, it loads no addon.
const { prebuildPath } = await import('../dist/src/storage/native/loader.js')
const prebuilt = join(stage, prebuildPath())
mkdirSync(dirname(prebuilt), { recursive: true })
cpSync(addon, prebuilt)
chmodSync(prebuilt, 0o644)
if (spawnSync('strip', ['--strip-unneeded', prebuilt]).error)
  console.error('strip was not found: the addon keeps its symbols.')

for (const developersOnly of ['scripts', 'devDependencies', 'files', 'binary', 'private'])
  delete manifest[developersOnly]
manifest.gypfile = false
writeFileSync(join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
console.log(`staged ${manifest.name} ${manifest.version} in ${stage}`)
