import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BatchBuilder, openLog, type RecoveryProgress, type WriteOptions } from '../../src/doors/log.ts'
import { varveCheckpointName } from '../../src/storage/varve-checkpoint.ts'

const golden = fileURLToPath(new URL('../../../test/golden/varve-0.1/closed', import.meta.url))
const settings: WriteOptions = { internalSegmentBytes: 4096, segmentIndexBytes: 4096, retentionMs: -1 }

describe('folders that released formats of varve wrote', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'varve-test-'))
    cpSync(golden, folder, { recursive: true })
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('0.1: opens with nothing to recover, reads every record, knows its producer, and takes appends', async () => {
    let progress: RecoveryProgress | undefined
    const log = await openLog(folder, { ...settings, onProgress: (now) => (progress = now) })
    assert.equal(progress?.scannedBytes, 0)
    assert.deepEqual([log.logStartOffset, log.logEndOffset], [20, 120])
    let expected = 20
    for (let offset = 20; offset < 120; ) {
      const run = log.read(offset)
      for (const batch of run) {
        for (const record of batch) {
          if (record.offset < 20) continue
          const i = Math.floor(record.offset / 2)
          const j = record.offset % 2
          assert.equal(record.offset, expected++)
          assert.equal(record.key?.toString(), `key-${i}`)
          assert.equal(record.value?.toString(), j === 1 && i % 7 === 0 ? undefined : `value-${i}-${j}`)
          assert.equal(record.timestamp, 1_700_000_000_000 + i * 1000 + j)
          assert.deepEqual(
            record.headers.map(([name, value]) => [name, value?.toString()]),
            i % 5 === 0 ? [['source', 'golden']] : [],
          )
        }
      }
      offset = run.nextOffset
    }
    assert.equal(expected, 120)
    const stale = new BatchBuilder()
    stale.setProducer({ producerId: 42n, producerEpoch: 0, baseSequence: 0 })
    stale.add({ value: 'x' })
    assert.throws(() => log.append(stale), { code: 'VARVE_INVALID_PRODUCER_EPOCH' })
    const next = new BatchBuilder()
    next.add({ value: 'next' })
    assert.equal(log.append(next).baseOffset, 120)
    await log.close()
  })

  it('refuses a newer format before anything is written, naming both versions', async () => {
    const path = join(folder, varveCheckpointName)
    const bytes = readFileSync(path)
    const { crc32c } = await import('../../src/base/crc32c.ts')
    for (const slot of [0, bytes.length / 2]) {
      bytes.writeUInt16BE(7, slot + 8)
      bytes.writeUInt32BE(crc32c(bytes.subarray(slot, slot + 12)), slot + 12)
    }
    writeFileSync(path, bytes)
    await assert.rejects(openLog(folder, settings), { code: 'VARVE_FORMAT_TOO_NEW', message: /version 7.*up to 1/s })
    assert.deepEqual(readFileSync(path), bytes)
  })
})
