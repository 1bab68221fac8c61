/**
 * Finds and loads the native addon, once per JavaScript thread.
 *
 * Looked for in this order:
 * 1. the file that the environment variable `VARVE_NATIVE` names: an explicit word, so nothing else is tried;
 * 2. `build/Release/varve.node` in the package's folder: a clone, or what `npx varve build` made;
 * 3. `prebuilds/<platform>-<arch>/varve.<libc>.node` there: what a published package brings.
 * A binary that does not load, or was built for another contract than `addon.ts`, is passed over and named in the error.
 *
 * Loading is synchronous and happens at the first call, never at import: `varve/record` must work without an addon.
 * The doors that cannot work without one call `addon()` as they are imported.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { VarveError } from '../../errors.ts'
import { type Addon, addonAbi } from './addon.ts'

/** One place that was looked at, and why it did not serve. */
export interface NativeCandidate {
  readonly path: string
  readonly problem: string
}

let loaded: Addon | undefined

/**
 * The addon of this thread.
 *
 * @throws VarveError `VARVE_NATIVE_MISSING`; `details.candidates` has each {@link NativeCandidate}. Not retriable.
 */
export function addon(): Addon {
  loaded ??= load()
  return loaded
}

function load(): Addon {
  const require = createRequire(import.meta.url)
  const candidates: NativeCandidate[] = []
  for (const path of candidatePaths()) {
    if (!existsSync(path)) {
      candidates.push({ path, problem: 'no such file' })
      continue
    }
    try {
      const found = require(path) as Addon
      if (found.abi === addonAbi) return found
      candidates.push({ path, problem: `built for contract ${found.abi}, this version needs ${addonAbi}` })
    } catch (error) {
      candidates.push({ path, problem: error instanceof Error ? error.message : String(error) })
    }
  }
  const looked = candidates.map(({ path, problem }) => `\n  ${path}: ${problem}`).join('')
  const advice = process.env.VARVE_NATIVE
    ? 'Correct VARVE_NATIVE or unset it.'
    : 'Run `npx varve build`, which compiles it (this takes Python, make and a C++20 compiler).'
  throw new VarveError(
    'VARVE_NATIVE_MISSING',
    `varve has no native addon for ${process.platform}-${process.arch} (${libc()}). Looked for:${looked}\n${advice}`,
    { details: { platform: process.platform, arch: process.arch, libc: libc(), candidates } },
  )
}

function candidatePaths(): string[] {
  if (process.env.VARVE_NATIVE) return [resolve(process.env.VARVE_NATIVE)]
  const root = packageRoot()
  return [join(root, 'build', 'Release', 'varve.node'), join(root, prebuildPath())]
}

/** Where a published package has the binary for this platform, relative to its folder. */
export function prebuildPath(): string {
  return join('prebuilds', `${process.platform}-${process.arch}`, `varve.${libc()}.node`)
}

/** This file stands in `<root>/dist/src/storage/native/`, or in `<root>/src/...` where Node strips the types itself. */
function packageRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url))
  for (let folder = here; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    // Bundled away from its package: the paths in the error will show it.
    if (folder === dirname(folder)) return here
  }
}

/** 'musl' where the running Node is linked to it, else 'glibc' on Linux, else 'system'. */
function libc(): string {
  if (process.platform !== 'linux') return 'system'
  try {
    // The process's own memory map names the C library that it runs on; no program is started to ask.
    return /\/ld-musl-|\/libc\.musl-/.test(readFileSync('/proc/self/maps', 'latin1')) ? 'musl' : 'glibc'
  } catch {
    return 'glibc'
  }
}
