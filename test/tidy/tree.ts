/** The files of the repository, as the tidy rules see them. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface SourceFile {
  /** Path from the root of the repository, with forward slashes. */
  readonly path: string
  readonly text: string
}

export const rootFolder = fileURLToPath(new URL('../../../', import.meta.url))

/** Every file that git keeps or is about to: a new file counts once it is added. */
export function repositoryPaths(): string[] {
  const listing = execFileSync('git', ['ls-files', '-z'], {
    cwd: rootFolder,
    encoding: 'utf8',
    maxBuffer: 16 * 1024 * 1024,
  })
  return [...new Set(listing.split('\0').filter((path) => path !== ''))].sort()
}

/** The text files among `paths`: those without a zero byte. A file that was deleted but not yet committed is left out. */
export function readTextFiles(paths: readonly string[]): SourceFile[] {
  const files: SourceFile[] = []
  for (const path of paths) {
    let bytes: Buffer
    try {
      bytes = readFileSync(`${rootFolder}/${path}`)
    } catch {
      continue
    }
    if (!bytes.includes(0)) files.push({ path, text: bytes.toString('utf8') })
  }
  return files
}
