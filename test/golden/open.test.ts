import assert from 'node:assert/strict'
import { readdirSync, readFileSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type Log, openLog } from '../../src/doors/log.ts'
import { decodeProducerSnapshot } from '../../src/log/producer-snapshot.ts'
import {
  copyGoldenData,
  type ExpectedRecord,
  type GoldenState,
  goldenPartitions,
  readExpected,
} from './golden-folders.ts'

type Isolation = 'read_uncommitted' | 'read_committed'

function recordsOf(log: Log, isolation: Isolation): object[] {
  const found: object[] = []
  for (let offset = log.logStartOffset; offset < log.logEndOffset; ) {
    const run = log.read(offset, { isolation })
    for (const batch of run) {
      for (const record of batch) {
        if (record.offset < log.logStartOffset) continue
        const { key, value, headers } = record
        found.push({
          offset: record.offset,
          timestamp: record.timestamp,
          key: plain(key),
          value: plain(value),
          headers: headers.map(([name, content]) => [name, plain(content)]),
        })
      }
    }
    if (run.nextOffset === offset) break
    offset = run.nextOffset
  }
  return found
}

/** As the expected files write bytes: text where they are printable UTF-8, else hex. Compared as hex throughout. */
function plain(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('hex')
}

function plainExpected(value: ExpectedRecord['value']): string | null {
  if (value === null || value === undefined) return null
  return typeof value === 'string' ? Buffer.from(value).toString('hex') : value.hex
}

function expectedRecords(records: readonly ExpectedRecord[], isolation: Isolation): object[] {
  return records
    .filter((record) => isolation === 'read_uncommitted' || !(record.aborted || record.open || record.unstable))
    .map((record) => ({
      offset: record.offset,
      timestamp: record.timestamp,
      key: plainExpected(record.key),
      value: plainExpected(record.value),
      headers: (record.headers ?? []).map(([name, content]) => [name, plainExpected(content)]),
    }))
}

/** Derived files of a partition folder by name, snapshots as sets of entries because their order means nothing. */
function derivedFiles(folder: string): Record<string, unknown> {
  const files: Record<string, unknown> = {}
  for (const name of readdirSync(folder)) {
    const bytes = readFileSync(join(folder, name))
    if (name.endsWith('.snapshot')) {
      const entries = decodeProducerSnapshot(bytes).map((entry) => ({ ...entry, producerId: String(entry.producerId) }))
      files[name] = entries.sort((a, b) => (a.producerId < b.producerId ? -1 : 1))
    } else files[name] = bytes.toString('hex')
  }
  return files
}

const compacted = (partition: string): object =>
  partition.startsWith('compacted') ? { cleanupPolicy: ['compact'] } : {}

/** Files that follow from the log alone. A restart of the writer in mid segment leaves marks in the indexes that do not. */
const determined = (partition: string): RegExp =>
  partition === 'epochs-0' ? /\.(log|txnindex|snapshot)$/ : /\.(log|index|timeindex|txnindex|snapshot)$|^leader-epoch/

const copies: { remove(): void }[] = []
after(() => {
  for (const copy of copies) copy.remove()
})

function copyOf(state: GoldenState, partition: string): string {
  const copy = copyGoldenData(state, partition)
  copies.push(copy)
  return copy.path
}

describe('folders that Kafka wrote', () => {
  for (const partition of goldenPartitions('clean')) {
    const expected = readExpected('clean', partition)
    describe(`clean/${partition}`, () => {
      let data = ''
      let log: Log
      before(async () => {
        data = copyOf('clean', partition)
        log = await openLog(join(data, partition), compacted(partition))
      })
      after(() => log.close())

      it('opens at the offsets that Kafka left', () => {
        const { logStartOffset, logEndOffset, lastStableOffset } = log
        const { logStartOffset: start, logEndOffset: end, lastStableOffset: stable } = expected
        assert.deepEqual(
          { logStartOffset, logEndOffset, lastStableOffset },
          { logStartOffset: start, logEndOffset: end, lastStableOffset: stable },
        )
      })
      for (const isolation of ['read_uncommitted', 'read_committed'] as const) {
        it(`reads the expected records, ${isolation}`, () => {
          assert.deepEqual(recordsOf(log, isolation), expectedRecords(expected.records, isolation))
        })
      }
    })
  }

  for (const partition of goldenPartitions('clean')) {
    it(`clean/${partition}: opening and closing changes none of Kafka's files`, async () => {
      const data = copyOf('clean', partition)
      const folder = join(data, partition)
      const before = derivedFiles(folder)
      await (await openLog(folder, { ...compacted(partition), retentionMs: -1 })).close()
      const found = derivedFiles(folder)
      // Loading removes snapshots that are of no use any more, as Kafka's own next start would.
      for (const name of Object.keys(before)) if (name.endsWith('.snapshot') && !(name in found)) delete before[name]
      assert.deepEqual(found, before)
    })
  }

  // In a compacted log the data of an aborted transaction is gone, so its index entry cannot be made anew.
  for (const partition of goldenPartitions('clean').filter((name) => !name.startsWith('compacted'))) {
    it(`clean/${partition}: derived files that are lost are made anew as they were`, async () => {
      const data = copyOf('clean', partition)
      const folder = join(data, partition)
      const expectedFiles = derivedFiles(folder)
      for (const name of readdirSync(folder)) {
        if (/\.(index|timeindex|txnindex|snapshot)$/.test(name) || name === 'leader-epoch-checkpoint') {
          unlinkSync(join(folder, name))
        }
      }
      for (const name of readdirSync(data))
        if (/^(recovery-point|cleaner|replication)/.test(name)) unlinkSync(join(data, name))
      await (await openLog(folder, compacted(partition))).close()
      const found = derivedFiles(folder)
      for (const [name, content] of Object.entries(found)) {
        if (determined(partition).test(name) && name in expectedFiles)
          assert.deepEqual(content, expectedFiles[name], name)
      }
      assert.deepEqual(
        Object.keys(found).filter((name) => name.endsWith('.txnindex')),
        Object.keys(expectedFiles).filter((name) => name.endsWith('.txnindex')),
      )
    })
  }

  for (const partition of goldenPartitions('recovered')) {
    it(`killed/${partition} recovers to what Kafka recovered it to`, async () => {
      const data = copyOf('killed', partition)
      const folder = join(data, partition)
      const log = await openLog(folder, { segmentIndexBytes: 4096 })
      const expected = readExpected('recovered', partition)
      assert.equal(log.logEndOffset, expected.logEndOffset)
      assert.equal(log.lastStableOffset, expected.lastStableOffset)
      for (const isolation of ['read_uncommitted', 'read_committed'] as const) {
        assert.deepEqual(recordsOf(log, isolation), expectedRecords(expected.records, isolation))
      }
      await log.close()
      const reference = derivedFiles(join(copyOf('recovered', partition), partition))
      const found = derivedFiles(folder)
      for (const [name, content] of Object.entries(reference)) {
        if (/\.(log|index|timeindex|txnindex)$/.test(name)) assert.deepEqual(found[name], content, name)
      }
    })
  }
})
