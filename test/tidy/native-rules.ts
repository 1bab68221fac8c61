/** Rules for native/: who sees Node, which folder leans on which, which file is built. */
import type { SourceFile } from './tree.ts'

/** A folder includes itself and the folders before it. */
const folders: readonly string[] = ['base', 'file', 'format', 'segment', 'tail', 'binding']
/** These stand beside the library and may include all of it but the binding. */
const beside: readonly string[] = ['test', 'fuzz']

export interface SourceLists {
  readonly core: readonly string[]
  readonly addon: readonly string[]
  readonly test: readonly string[]
  readonly fuzz: readonly string[]
}

const folderOf = (path: string): string => path.split('/')[1] ?? ''

function includesOf(file: SourceFile): { name: string; line: number }[] {
  return file.text.split('\n').flatMap((text, index) => {
    const match = /^\s*#\s*include\s*["<]([^">]+)[">]/.exec(text)
    return match ? [{ name: match[1]!, line: index + 1 }] : []
  })
}

/** node_api.h and node-addon-api only in native/binding/: the rest builds and is tested without Node. */
export function nodeApiViolations(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => folderOf(path) !== 'binding')
    .flatMap((file) =>
      includesOf(file)
        .filter(({ name }) => /^(?:node_api|js_native_api|napi|node|v8|uv)(?:-inl|_types)?\.h$/.test(name))
        .map(({ name, line }) => `${file.path}:${line}: includes ${name} outside native/binding/`),
    )
}

/** base < file < format < segment < tail < binding: a folder includes itself and those before it, by their path in native/. */
export function includeOrderViolations(files: readonly SourceFile[]): string[] {
  const found: string[] = []
  for (const file of files) {
    const own = folderOf(file.path)
    const rank = beside.includes(own) ? folders.indexOf('binding') : folders.indexOf(own)
    if (rank === -1) {
      found.push(`${file.path}: '${own}' is not a folder of native/ that test/tidy/native-rules.ts knows`)
      continue
    }
    for (const { name, line } of includesOf(file)) {
      const target = name.split('/')[0]!
      if (name.startsWith('.')) found.push(`${file.path}:${line}: includes ${name} by a relative path`)
      if (!name.includes('/') || target === own) continue
      const targetRank = folders.indexOf(target)
      if (targetRank >= rank) found.push(`${file.path}:${line}: includes ${name}, which does not stand before ${own}/`)
      if (beside.includes(target))
        found.push(`${file.path}:${line}: includes ${name}, which is not part of the library`)
    }
  }
  return found
}

/** Every C++ source stands in exactly the list of sources.json that its folder says, and every listed one exists. */
export function sourceListViolations(paths: readonly string[], lists: SourceLists): string[] {
  const listOf = (path: string): keyof SourceLists => {
    const folder = folderOf(path)
    return folder === 'binding' ? 'addon' : folder === 'test' ? 'test' : folder === 'fuzz' ? 'fuzz' : 'core'
  }
  const found: string[] = []
  const sources = paths.filter((path) => /^native\/.*\.(?:cc|cpp|cxx|c)$/.test(path))
  for (const path of sources) {
    const list = listOf(path)
    if (!lists[list].includes(path.slice('native/'.length)))
      found.push(`${path}: is not in "${list}" of native/sources.json`)
  }
  for (const list of ['core', 'addon', 'test', 'fuzz'] as const) {
    for (const name of lists[list]) {
      if (!sources.includes(`native/${name}`))
        found.push(`native/sources.json: "${list}" lists ${name}, which is not there`)
      else if (listOf(`native/${name}`) !== list)
        found.push(`native/sources.json: ${name} does not belong in "${list}"`)
    }
  }
  return found
}

/** The public codes that C++ names exist in the one table of src/errors.ts. */
export function errorNameViolations(files: readonly SourceFile[], known: readonly string[]): string[] {
  return files
    .filter(({ path }) => /^native\/binding\/error_names\.(?:h|cc)$/.test(path))
    .flatMap((file) =>
      [...file.text.matchAll(/"(VARVE_[A-Z_]+)"/g)]
        .map((match) => match[1]!)
        .filter((name) => !known.includes(name))
        .map((name) => `${file.path}: ${name} is not in src/errors.ts`),
    )
}
