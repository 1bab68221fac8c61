// Runs one lane of tests and says at the end what passed, what took how long, and what this machine could not run.
//
//   node scripts/gate.js gate                 every test, and each fault row's first number      (npm test)
//   node scripts/gate.js interop              against Kafka's own tools and other clients        (npm run test:interop)
//   node scripts/gate.js long                 each fault row up to its second number, resumable  (npm run test:long)
//     --row F1        this row only, and --variant mapped|pwrite|copied of it only
//     --from 4000     from this step on, whatever the tally says; --count 100: so many
//     --minutes 60    begin nothing new after so many minutes
//
// VARVE_GATE_STRICT=1: what was not run counts as failed, unless it needs root.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { hasProgram, run } from './gate/process.js'
import { Report } from './gate/report.js'
import { codeHash, missingRanges, note, passedRanges, tallyFile } from './gate/tally.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const node = process.execPath
const bin = (name) => join(root, 'node_modules', '.bin', name)
const rowRunner = join('dist', 'test', 'faults', 'run-row.js')

/** The environments of the three runs of the suite; the same as those of test/faults/row.ts. */
const variants = { mapped: {}, pwrite: { VARVE_BACKEND: 'pwrite' }, copied: { VARVE_NO_EXTERNAL_BUFFERS: '1' } }

const report = new Report()

/** A program whose exit code is all that counts. */
async function program(command, args, options = {}) {
  const { code } = await run(command, args, { cwd: root, ...options })
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, notRun: [] }
}

const suite = ['unit', 'golden', 'conformance', 'lifecycle', 'simulation']

/** Runs test folders in a process of their own. `program`: the program and its first arguments, this Node's mocha if left out. */
async function mocha(folders, { env = {}, program = [node, 'node_modules/mocha/bin/mocha.js'] } = {}) {
  const file = join(root, 'dist', `.mocha-${process.pid}.json`)
  rmSync(file, { force: true })
  const specs = folders.map((folder) => `dist/test/${folder}{/**/*,}.test.js`)
  const args = ['--config', 'scripts/gate/mocharc.json', '--reporter', 'scripts/gate/mocha-reporter.js', ...specs]
  const [command, ...first] = program
  const { code, output } = await run(command, [...first, ...args], {
    cwd: root,
    env: { ...env, VARVE_MOCHA_REPORT: file },
    capture: 'shown',
  })
  const reason = notRunReason(output)
  if (reason !== undefined) return { passed: 0, failed: 0, notRun: [reason] }
  if (!existsSync(file)) return { passed: 0, failed: 1, notRun: [], remark: 'mocha ended without a report' }
  const { passed, failed, skipped } = JSON.parse(readFileSync(file, 'utf8'))
  rmSync(file)
  // Mocha also fails for what belongs to no test: a file that does not load, a rejection that nobody handled.
  return { passed, failed: failed === 0 && code !== 0 ? 1 : failed, notRun: skipped }
}

/** What a program of ours says on a line of its own when the machine lacks something. */
const notRunReason = (output) => /^not run: (.*)$/m.exec(output)?.[1]

async function nativeTests(kind) {
  const { code, output } = await run(node, ['scripts/native-tests.js', kind], { cwd: root, capture: 'shown' })
  const reason = notRunReason(output)
  if (reason !== undefined) return { passed: 0, failed: 0, notRun: [reason] }
  const counts = /(\d+) tests? failed out of (\d+)/.exec(output)
  if (!counts) return { passed: 0, failed: 1, notRun: [], remark: 'no tests ran' }
  const [failed, all] = [Number(counts[1]), Number(counts[2])]
  // GTEST_SKIP is for a rule that one of its backends cannot break; ctest lists them by name above.
  const skipped = output.split('\n').filter((line) => /^\s*\d+ - .*\(Skipped\)$/.test(line)).length
  return {
    passed: all - failed - skipped,
    failed: code !== 0 && failed === 0 ? 1 : failed,
    notRun: [],
    ...(skipped > 0 && { remark: `${skipped} do not apply` }),
  }
}

async function faultRows() {
  if (!existsSync(join(root, rowRunner))) return []
  const { code, output } = await run(node, [rowRunner, '--list'], { cwd: root, capture: 'silent' })
  if (code !== 0) throw new Error('the fault rows did not load')
  return JSON.parse(output)
}

/** Steps of a row that fall to one variant. */
const share = (steps, row) => Math.ceil(steps / row.variants.length)

async function rowRange(row, variant, from, end, limitMinutes) {
  const args = [rowRunner, row.id, '--variant', variant, '--from', String(from), '--count', String(end - from)]
  const startedAt = performance.now()
  const { code, output } = await run(node, args, { cwd: root, env: variants[variant], capture: 'shown', limitMinutes })
  if (code === 75) return { passed: 0, failed: 0, notRun: [notRunReason(output) ?? 'no reason given'] }
  const seconds = Math.round((performance.now() - startedAt) / 1000)
  if (code === 0) note(root, { row: row.id, variant, code: codeHash(root, row), from, end, seconds })
  const remark = `${row.unit} ${from} to ${end - 1}`
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, notRun: [], remark }
}

/** Everything anew: what an older source left in dist/ must neither run nor be packed. */
async function build() {
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  const types = await report.step('compile TypeScript', () => program(bin('tsc'), ['-p', 'tsconfig.json']))
  const addon = await report.step('compile the addon (what changed)', () =>
    program(node, ['scripts/build-native.js', '--incremental']),
  )
  return types && addon
}

async function gateLane() {
  await report.step('format and lint (biome)', () => program(bin('biome'), ['check', '--error-on-warnings']))
  await report.step('house rules', () => mocha(['tidy']))
  for (const [name, env] of Object.entries(variants)) {
    await report.step(`tests, ${name}`, () => mocha(suite, { env }))
  }
  await report.step('tests, sanitized addon', () => mocha(suite, { program: [node, 'scripts/asan-js.js'] }))
  await report.step('the command line', () => mocha(['cli']))
  await report.step('C++ tests, warnings as errors', () => nativeTests('plain'))
  await report.step('C++ tests, address and undefined sanitizers', () => nativeTests('asan'))
  await report.step('C++ tests, thread sanitizer', () => nativeTests('tsan'))
  await report.step('the packed package', () => mocha(['package']))
  await report.step('the same addon on other Nodes', () => mocha(['versions']))
  for (const other of ['node-22', 'node-24', 'node-26']) {
    const binary = join(root, 'test', 'versions', 'node_modules', other, 'bin', 'node')
    if (!existsSync(binary)) continue // the step before has said why
    const program = [binary, 'node_modules/mocha/bin/mocha.js']
    await report.step(`tests, mapped, ${other}`, () => mocha(['unit', 'golden', 'conformance'], { program }))
  }
  for (const row of await faultRows()) {
    for (const variant of row.variants) {
      await report.step(`${row.id} ${row.title} [${variant}]`, () =>
        rowRange(row, variant, 0, share(row.gate, row), 10),
      )
    }
  }
}

async function interopLane() {
  const missing = ['java', 'mvn', 'kcat'].filter((name) => !hasProgram(name))
  if (missing.length > 0)
    console.log(`not on this machine: ${missing.join(', ')}; what needs them is listed at the end`)
  await report.step('other tools and clients', () => mocha(['interop']))
}

/** Each row in ranges of its gate's size, so that a run that is stopped loses little; what passed before is left out. */
async function longLane({ row: onlyRow, variant: onlyVariant, from, count, minutes }) {
  const stopAt = performance.now() + minutes * 60_000
  console.log(`tally: ${tallyFile}`)
  const rows = (await faultRows()).filter(({ id }) => onlyRow === undefined || id === onlyRow)
  if (rows.length === 0) throw new Error(onlyRow ? `there is no fault row ${onlyRow}` : 'there are no fault rows')
  for (const row of rows) {
    for (const variant of row.variants.filter((name) => onlyVariant === undefined || name === onlyVariant)) {
      const end = count === undefined ? share(row.long, row) : (from ?? 0) + count
      const done = from === undefined ? passedRanges(row.id, variant, codeHash(root, row)) : []
      for (const range of missingRanges(done, from ?? 0, end)) {
        const stride = Math.max(1, share(row.gate, row))
        for (let at = range.from; at < range.end; at += stride) {
          const title = `${row.id} ${row.title} [${variant}]`
          const stop = Math.min(at + stride, range.end)
          if (performance.now() > stopAt) {
            await report.step(title, async () => ({
              passed: 0,
              failed: 0,
              notRun: [`${at} to ${range.end - 1}: out of time`],
            }))
            break
          }
          if (!(await report.step(title, () => rowRange(row, variant, at, stop, 120)))) break
        }
      }
    }
  }
  if (onlyRow === undefined && performance.now() < stopAt) {
    const env = { VARVE_FUZZ_SECONDS: '300' }
    await report.step('damaged files, 300 seconds of each kind', () => mocha(['unit/damaged-files'], { env }))
  }
  console.log('\nso far, with the code as it is now:')
  for (const row of rows) {
    const code = codeHash(root, row)
    const done = row.variants.map((variant) => {
      const ranges = passedRanges(row.id, variant, code)
      const steps = ranges.reduce((sum, range) => sum + range.end - range.from, 0)
      return `${variant} ${steps} of ${share(row.long, row)}`
    })
    console.log(`  ${row.id.padEnd(4)} ${row.unit}: ${done.join(', ')}`)
  }
}

function readNumber(values, name) {
  if (values[name] === undefined) return undefined
  const number = Number(values[name])
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${name} is not a whole number: ${values[name]}`)
  return number
}

process.on('SIGINT', () => process.exit(130))
process.on('SIGTERM', () => process.exit(143))

const text = { type: 'string' }
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { row: text, variant: text, from: text, count: text, minutes: text },
})
const [lane = 'gate'] = positionals
const lanes = {
  gate: gateLane,
  interop: interopLane,
  long: () =>
    longLane({
      row: values.row,
      variant: values.variant,
      from: readNumber(values, 'from'),
      count: readNumber(values, 'count'),
      minutes: readNumber(values, 'minutes') ?? 24 * 60,
    }),
}
if (lanes[lane] === undefined) throw new Error(`there is no lane '${lane}': ${Object.keys(lanes).join(', ')}`)
if (await build()) await lanes[lane]()
process.exitCode = report.close({ strict: process.env.VARVE_GATE_STRICT === '1' })
