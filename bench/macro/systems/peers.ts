/** Loads peers from `bench/peers`, which has a package.json of its own: they are no dependency of ours. */
import { existsSync, readdirSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { NotRun } from '../subject.ts'

/** The folder of this clone; undefined where only the published package is installed. */
export function cloneFolder(): string | undefined {
  // The compiled file lies in dist/bench/macro/systems, the source in bench/macro/systems.
  for (let folder = dirname(fileURLToPath(import.meta.url)); folder !== dirname(folder); folder = dirname(folder))
    if (existsSync(join(folder, 'bench', 'peers', 'package.json'))) return folder
  return undefined
}

/** `bench/peers` of this clone. */
export function peersFolder(): string | undefined {
  const clone = cloneFolder()
  return clone === undefined ? undefined : join(clone, 'bench', 'peers')
}

/** Imports a peer's package; its types are what the adapter says that it uses of it. */
export async function loadPeer<T>(name: string): Promise<T> {
  const folder = peersFolder()
  if (!folder) throw new NotRun('peers are measured from a clone, not from the published package')
  if (!existsSync(join(folder, 'node_modules', name))) throw new NotRun(`${name} is not installed in bench/peers`)
  try {
    const path = createRequire(join(folder, 'package.json')).resolve(name)
    return (await import(pathToFileURL(path).href)) as T
  } catch (error) {
    throw new NotRun(`${name} does not load: ${(error as Error).message.split('\n')[0]}`)
  }
}

/** Makes every file below a folder survive a power cut: what a peer would have had to do. */
export async function flushFolder(folder: string): Promise<void> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await flushFolder(path)
    if (!entry.isFile()) continue
    // The engine's own threads may remove a file meanwhile: what was in it is in another.
    const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
    await file?.datasync()
    await file?.close()
  }
}
