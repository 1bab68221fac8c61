/** Appends and reads a thousand records with the addon that stands in the clone, and says what it ran on. Run by versions.test.ts. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BatchBuilder, openLog } from '../../src/doors/log.ts'

const folder = await mkdtemp(join(tmpdir(), 'varve-version-'))
const log = await openLog(folder)
const builder = new BatchBuilder()
for (let at = 0; at < 1000; at++) builder.add({ key: `k${at}`, value: `value ${at}` })
const ack = await log.appendDurable(builder, 'synced')
assert.deepEqual(ack, { baseOffset: 0, lastOffset: 999, durability: 'synced' })
await log.close()

const again = await openLog(folder)
let records = 0
for (let offset = 0; offset < again.logEndOffset; ) {
  const run = again.read(offset)
  for (const batch of run) for (const record of batch) assert.equal(record.text(), `value ${records++}`)
  offset = run.nextOffset
}
await again.close()
await rm(folder, { recursive: true })
const addon = Object.keys(createRequire(import.meta.url).cache).find(
  (path) => path.endsWith('.node') && path.includes('varve'),
)
console.log(JSON.stringify({ node: process.version, addon, records }))
