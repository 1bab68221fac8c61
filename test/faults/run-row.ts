/**
 * Runs fault rows for `scripts/gate.js`, one call a process.
 *
 *   node dist/test/faults/run-row.js --list
 *   node dist/test/faults/run-row.js F1 --variant mapped --from 0 --count 67
 *
 * Exit codes: 0 passed, 1 failed, 75 this machine cannot run it (the reason is the last line, after `not run: `).
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type FaultRow, NotRun, StepFailed, type Variant, variants } from './row.ts'

const cannotRun = 75

async function loadRows(): Promise<{ file: string; row: FaultRow }[]> {
  const names = (await readdir(import.meta.dirname)).filter((name) => /^f\d.*\.js$/.test(name)).sort()
  const rows = []
  for (const file of names) {
    const module = (await import(`./${file}`)) as { row?: FaultRow }
    if (module.row === undefined) throw new Error(`test/faults/${file} exports no row`)
    rows.push({ file, row: module.row })
  }
  return rows
}

function readNumber(text: string | undefined, name: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${name} is not a whole number: ${text}`)
  return number
}

async function runRow(id: string, variant: Variant, from: number, count: number): Promise<number> {
  // Before any row is loaded: the engine may read its environment once.
  Object.assign(process.env, variants[variant])
  const row = (await loadRows()).find((entry) => entry.row.id === id)?.row
  if (row === undefined) throw new Error(`there is no fault row ${id}`)
  const folder = await mkdtemp(join(process.env.VARVE_TEST_FOLDER ?? tmpdir(), `varve-${id.toLowerCase()}-`))
  const log = (line: string) => console.log(`  ${id} ${variant}: ${line}`)
  try {
    await row.run({ from, count, variant, folder, log })
  } catch (error) {
    if (error instanceof NotRun) {
      await rm(folder, { recursive: true, force: true })
      console.log(`not run: ${error.message}`)
      return cannotRun
    }
    const [first, steps] = error instanceof StepFailed ? [error.step, 1] : [from, count]
    console.error(error)
    console.error(`  what it left: ${folder}`)
    console.error(`  once more: npm run test:long -- --row ${id} --variant ${variant} --from ${first} --count ${steps}`)
    return 1
  }
  await rm(folder, { recursive: true, force: true })
  return 0
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    list: { type: 'boolean' },
    variant: { type: 'string', default: 'mapped' },
    from: { type: 'string', default: '0' },
    count: { type: 'string', default: '1' },
  },
})
if (values.list) {
  const rows = await loadRows()
  console.log(JSON.stringify(rows.map(({ file, row }) => ({ file, variants: Object.keys(variants), ...row }))))
} else {
  const variant = values.variant as Variant
  if (!(variant in variants)) throw new Error(`--variant is one of ${Object.keys(variants).join(', ')}`)
  process.exitCode = await runRow(
    positionals[0] ?? '',
    variant,
    readNumber(values.from, 'from'),
    readNumber(values.count, 'count'),
  )
}
