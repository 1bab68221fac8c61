/** Rules for the text of every file that is kept in the repository. */
import { posix } from 'node:path'
import { rootFolder, type SourceFile } from './tree.ts'

// The words are put together here, so that this file does not break its own rules.
const word = (...parts: string[]): RegExp => new RegExp(`\\b(?:${parts.join('')})\\b`)

const unfinished = word('TO', 'DO|FIX', 'ME|X', 'XX|HA', 'CK')
const registryHost = new RegExp(
  ['registry\\.npm', 'js|repo1?\\.mav', 'en|deb\\.deb', 'ian\\.org|py', 'pi\\.org|crates', '\\.io'].join(''),
)
const machinePath = new RegExp(
  ['/wo', 'rk/|/ro', 'ot/|/ho', 'me/[a-z]|/tmp/(?:wt|scr', 'atch|bash_)|/Us', 'ers/'].join(''),
)
const focused = new RegExp(
  `\\b(?:describe|context|it|specify)\\s*\\.\\s*(?:on${'ly'}|sk${'ip'})\\b|\\b(?:xit|fit|xdescribe|fdescribe)\\s*\\(`,
)

function matches(files: readonly SourceFile[], pattern: RegExp, what: string): string[] {
  return files.flatMap(({ path, text }) =>
    text
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${what}: ${line.trim()}`] : [])),
  )
}

/** Nothing half done is kept: what is missing belongs into an issue. */
export const unfinishedViolations = (files: readonly SourceFile[]): string[] => matches(files, unfinished, 'unfinished')

/** Packages come by their name, from whatever registry the machine is set up for. */
export const registryViolations = (files: readonly SourceFile[]): string[] =>
  matches(files, registryHost, 'names a registry host')

/** Nothing depends on where the repository lies. */
export const machinePathViolations = (files: readonly SourceFile[]): string[] => [
  ...matches(files, machinePath, 'a path of one machine'),
  ...files.filter(({ text }) => text.includes(rootFolder)).map(({ path }) => `${path}: names the folder of this clone`),
]

/** Every test runs: one that cannot calls `this.skip()` after it looked, and the gate lists it by name. */
export const focusViolations = (files: readonly SourceFile[]): string[] =>
  matches(
    files.filter(({ path }) => /^test\/.*\.ts$/.test(path)),
    focused,
    'a test that is focused or switched off',
  )

/** What is built or installed is not kept. */
export const builtViolations = (paths: readonly string[]): string[] =>
  paths
    .filter((path) =>
      /(?:^|\/)(?:node_modules|dist|build|coverage)(?:\/|$)|(?:^|\/)isolate-[^/]*\.log$|\.(?:node|tgz|o|cpuprofile|tsbuildinfo)$/.test(
        path,
      ),
    )
    .map((path) => `${path}: is built or installed, and must not be kept`)

const namedFile = /`((?:[\w.-]+\/)+[\w.-]+\.(?:ts|js|h|cc|json|md|gyp))`|\]\((?!https?:|#)([^)#\s]+)/g

/** A page that names a file names one that is there, by its path from the root, from src/ or from its own folder. */
export function namedFileViolations(pages: readonly SourceFile[], paths: readonly string[]): string[] {
  const known = new Set(paths)
  return pages.flatMap((page) =>
    [...page.text.matchAll(namedFile)]
      .map((match) => (match[1] ?? match[2])!)
      .filter((name) => !/[*<>]|^(?:dist|build|data|node_modules)\//.test(name))
      .filter((name) => {
        const own = posix.join(posix.dirname(page.path), name).replace(/\/$/, '')
        const homes = [name, `src/${name}`, own]
        return !homes.some((home) => known.has(home) || paths.some((path) => path.startsWith(`${home}/`)))
      })
      .map((name) => `${page.path}: names ${name}, which is not there`),
  )
}
