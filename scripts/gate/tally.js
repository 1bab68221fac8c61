// What the long lane has run so far, kept outside the tree: one JSON line a passed range of steps. Ranges add up as long
// as the code under the row is unchanged, which a hash of its files tells.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

const stateFolder = process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state')
export const tallyFile = process.env.VARVE_TALLY ?? join(stateFolder, 'varve', 'fault-tally.jsonl')

function git(root, ...args) {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 16 << 20 })
}

/** One hash over the files that decide what a row shows: their paths and contents, committed or not. */
export function codeHash(root, row) {
  const own = join('test', 'faults', row.file.replace(/\.js$/, '.ts'))
  const paths = git(root, 'ls-files', '-z', '-co', '--exclude-standard', '--', own, ...(row.code ?? ['src', 'native']))
  const hash = createHash('sha256')
  for (const path of [...new Set(paths.split('\0'))].filter(Boolean).sort()) {
    const file = join(root, path)
    if (existsSync(file)) hash.update(`${path}\0`).update(readFileSync(file)).update('\0')
  }
  return hash.digest('hex').slice(0, 16)
}

/** Ranges `[from, end)` of steps that passed with this code, in order, merged. */
export function passedRanges(row, variant, code) {
  if (!existsSync(tallyFile)) return []
  const ranges = readFileSync(tallyFile, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .filter((entry) => entry.row === row && entry.variant === variant && entry.code === code)
    .sort((a, b) => a.from - b.from)
  const merged = []
  for (const { from, end } of ranges) {
    const last = merged.at(-1)
    if (last && from <= last.end) last.end = Math.max(last.end, end)
    else merged.push({ from, end })
  }
  return merged
}

/** The parts of `[from, end)` that no range covers. */
export function missingRanges(ranges, from, end) {
  const missing = []
  for (const range of ranges) {
    if (range.from > from) missing.push({ from, end: Math.min(range.from, end) })
    from = Math.max(from, range.end)
    if (from >= end) return missing.filter((part) => part.end > part.from)
  }
  return [...missing, { from, end }].filter((part) => part.end > part.from)
}

export function note(root, { row, variant, code, from, end, seconds }) {
  mkdirSync(dirname(tallyFile), { recursive: true })
  const commit = git(root, 'rev-parse', '--short', 'HEAD').trim()
  const at = new Date().toISOString()
  appendFileSync(tallyFile, `${JSON.stringify({ row, variant, code, from, end, commit, seconds, at })}\n`)
}
