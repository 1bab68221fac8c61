/**
 * What `varve verify` says that an open would cut is what an open cuts.
 *
 * Seen to fail with the start of an open's check taken as the start of the log, and with damage of records under a good
 * checksum taken for an end.
 */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RealFolder } from '../../src/cli/real-folder.ts'
import { type FolderReport, inspectFolder } from '../../src/doors/inspect.ts'
import { BatchBuilder, openLog } from '../../src/doors/log.ts'
import { temporaryFolder } from './temporary-folder.ts'

const settings = { retentionMs: -1, 'internal.segment.bytes': 9000, indexIntervalBytes: 1024 }

describe('what an open would cut', () => {
  const folder = temporaryFolder()
  const original = () => join(folder(), 'original')

  /** A log as a kill leaves it: the files are copied while it is open. Closed cleanly once, at 150; 5 records a batch. */
  beforeEach(async () => {
    const live = join(folder(), 'live')
    let log = await openLog(live, settings)
    const builder = new BatchBuilder({ now: () => 1_700_000_000_000 })
    for (let batch = 0; batch < 60; batch++) {
      builder.reset()
      for (let i = 0; i < 5; i++) builder.add({ value: `${batch} ${'v'.repeat(100)}` })
      log.append(builder)
      if (batch !== 29) continue
      await log.close()
      log = await openLog(live, settings)
    }
    mkdirSync(original())
    for (const name of readdirSync(live)) cpSync(join(live, name), join(original(), name))
    await log.close()
  })

  const logs = (path: string) =>
    readdirSync(path)
      .filter((name) => name.endsWith('.log'))
      .sort()
  const verify = (path: string): FolderReport => inspectFolder(new RealFolder(path))

  async function compare(path: string, what: string): Promise<FolderReport> {
    const said = verify(path)
    const { report } = said.logs[0]!
    const log = await openLog(path, settings)
    try {
      const expected = report.cut === null ? report.logEndOffset : report.cut.offset
      assert.equal(log.logEndOffset, expected, what)
    } finally {
      await log.close()
    }
    return said
  }

  it('is nothing for the folder of a process that was killed', async () => {
    const said = await compare(original(), 'killed')
    assert.deepEqual(
      said.logs[0]!.findings.filter(({ level }) => level === 'damage'),
      [],
    )
    assert.equal(said.logs[0]!.report.logEndOffset, 300)
    assert.equal(verify(original()).damageCount, 0, 'after it was opened')
  })

  it('is what is damaged and all behind it, from the recovery point on', async () => {
    let cuts = 0
    let kept = 0
    for (const name of logs(original())) {
      for (const position of [0, 700, 3000, 8000]) {
        const path = join(folder(), `${name}-${position}`)
        cpSync(original(), path, { recursive: true })
        const bytes = readFileSync(join(path, name))
        if (bytes.readInt32BE(8) === 0 || position > bytes.length - 2000) continue
        bytes[position + 40]! ^= 0x40
        writeFileSync(join(path, name), bytes)
        const { logs: inspected, damageCount } = await compare(path, `${name} at ${position}`)
        assert.ok(damageCount > 0, `${name} at ${position}`)
        if (inspected[0]!.report.cut === null) kept += 1
        else cuts += 1
      }
    }
    assert.ok(cuts > 3 && kept > 3, `${cuts} cuts, ${kept} without`)
  }).timeout(60_000)

  it('is the torn batch where a file was cut short', async () => {
    for (const length of [100, 621, 700, 5000]) {
      const path = join(folder(), `cut-${length}`)
      cpSync(original(), path, { recursive: true })
      truncateSync(join(path, logs(path).at(-2)!), length)
      const { logs: inspected } = await compare(path, `cut to ${length}`)
      assert.notEqual(inspected[0]!.report.cut, null)
    }
  }).timeout(60_000)
})
