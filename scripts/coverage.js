// Which lines of src/ the tests run: V8 counts, this adds up and prints a table by file.
//
//   node scripts/coverage.js [mocha arguments]      default: the tests of the gate, mapped
//
// Lines are those of dist/src, which the compiler keeps close to the source: it only takes the types away. A line
// counts as run when no part of it was counted as not run in every process that loaded it.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const source = join(root, 'dist', 'src')
const sourceUrl = pathToFileURL(source).href
const folder = mkdtempSync(join(tmpdir(), 'varve-coverage-'))

const mocha = join('node_modules', 'mocha', 'bin', 'mocha.js')
const run = spawnSync(process.execPath, [mocha, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, NODE_V8_COVERAGE: folder },
})

/** For each byte of a file 1 where some process ran it. V8 lists outer ranges first: the innermost decides. */
const ranBytes = new Map()
for (const name of readdirSync(folder)) {
  for (const { url, functions } of JSON.parse(readFileSync(join(folder, name), 'utf8')).result) {
    if (!url.startsWith(sourceUrl)) continue
    const path = fileURLToPath(url)
    const length = readFileSync(path, 'utf8').length
    const here = new Uint8Array(length)
    const ranges = functions.flatMap((entry) => entry.ranges)
    ranges.sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset)
    for (const { startOffset, endOffset, count } of ranges) here.fill(count > 0 ? 1 : 0, startOffset, endOffset)
    const before = ranBytes.get(path) ?? new Uint8Array(length)
    ranBytes.set(
      path,
      before.map((ran, at) => ran | here[at]),
    )
  }
}
rmSync(folder, { recursive: true })

function linesOf(path) {
  const text = readFileSync(path, 'utf8')
  const ran = ranBytes.get(path)
  let at = 0
  let inComment = false
  const missed = []
  let count = 0
  for (const [index, line] of text.split('\n').entries()) {
    const trimmed = line.trim()
    if (trimmed.startsWith('/*')) inComment = true
    const isCode = !inComment && !/^(?:$|\/\/|export \{\};$|[{}()[\];,]+$)/.test(trimmed)
    if (inComment && trimmed.includes('*/')) inComment = false
    if (isCode) {
      count++
      const start = at + line.length - line.trimStart().length
      if (ran === undefined || ran.subarray(start, at + line.length).includes(0)) missed.push(index + 1)
    }
    at += line.length + 1
  }
  return { count, missed }
}

const files = readdirSync(source, { recursive: true }).filter((name) => name.endsWith('.js'))
let all = 0
let missedInAll = 0
for (const name of files.sort()) {
  const { count, missed } = linesOf(join(source, name))
  all += count
  missedInAll += missed.length
  const share = count === 0 ? 100 : (100 * (count - missed.length)) / count
  const some = missed.slice(0, 12).join(' ') + (missed.length > 12 ? ' ...' : '')
  console.log(`${share.toFixed(1).padStart(6)} %  ${relative(root, join(source, name)).padEnd(50)} ${some}`)
}
console.log(
  `${((100 * (all - missedInAll)) / Math.max(all, 1)).toFixed(1).padStart(6)} %  of ${all} lines in ${files.length} files`,
)
process.exitCode = run.status ?? 1
