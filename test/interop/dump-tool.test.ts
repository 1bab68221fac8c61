/**
 * Kafka's dump tool over every file that varve leaves behind after a clean close, in all ways that a log can come about.
 */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DumpedBatch, dumpFaults, parseBatches, parsePairs } from './dump-report.ts'
import { kafkaPeer } from './kafka-peer.ts'
import type { WrittenMarker, WrittenRecord } from './log-scribe.ts'
import { describeWithKafka } from './needs-kafka.ts'
import { type Backend, type WrittenFolder, workloads, writeFolder } from './workloads.ts'

const filesOf = (folder: string, pattern: RegExp): string[] =>
  readdirSync(folder)
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => join(folder, name))

/** What the tool has to say against the folder's files; nothing if all is well. */
async function faultsOf(folder: string): Promise<string[]> {
  const logs = filesOf(folder, /\.log$/)
  const indexes = filesOf(folder, /\.(?:index|timeindex)$/)
  return [
    ...dumpFaults(await kafkaPeer.dump('--deep-iteration', '--files', logs.join(',')), logs),
    ...dumpFaults(await kafkaPeer.dump('--verify-index-only', '--files', indexes.join(',')), indexes),
  ]
}

const lengthOf = (bytes: Buffer | null): number => bytes?.length ?? -1

const isText = (bytes: Buffer | null): boolean => bytes === null || !/[\p{Cc}\ufffd]/u.test(bytes.toString())

/** The part of a record's line that comes after its numbers; undefined for what is not printed as it is. */
function textOf(record: WrittenRecord): string | undefined {
  if (!isText(record.key) || !isText(record.value)) return undefined
  const key = record.key === null ? '' : `key: ${record.key}`
  const value = record.value === null ? '' : `payload: ${record.value}`
  return [key, value].filter(Boolean).join(' ').trimEnd()
}

function checkRecords(batches: readonly DumpedBatch[], written: WrittenFolder): void {
  const start = batches[0]?.baseOffset ?? written.logEndOffset
  let next = start
  const texts = new Map(written.scribe.records.map((record) => [record.offset, textOf(record)]))
  const found: object[] = []
  for (const batch of batches) {
    assert.equal(batch.baseOffset, next, 'offsets have no gaps')
    next = batch.lastOffset + 1
    if (batch.control) continue
    for (const { text, ...record } of batch.records) {
      const shown = texts.get(record.offset) === undefined ? undefined : text.trimEnd()
      found.push({ ...record, codec: batch.codec, producerId: batch.producerId, text: shown })
    }
  }
  assert.equal(next, written.logEndOffset)
  const expected = written.scribe.records
    .filter(({ offset }) => offset >= start)
    .map((record) => ({
      offset: record.offset,
      timestamp: record.timestamp,
      keySize: lengthOf(record.key),
      valueSize: lengthOf(record.value),
      sequence: record.sequence,
      headerNames: record.headers.map(([name]) => name).join(','),
      codec: record.codec,
      producerId: record.producerId,
      text: texts.get(record.offset),
    }))
  assert.equal(found.length, expected.length)
  for (const [i, record] of expected.entries()) assert.deepEqual(found[i], record)
}

function checkMarkers(batches: readonly DumpedBatch[], expected: readonly WrittenMarker[]): void {
  const start = batches[0]?.baseOffset ?? 0
  const found = batches
    .filter(({ control }) => control)
    .flatMap(({ records }) => records.map(({ offset, text }) => `${offset} ${text}`))
  assert.deepEqual(
    found,
    expected
      .filter(({ offset }) => offset >= start)
      .map(
        ({ offset, type, coordinatorEpoch }) =>
          `${offset} endTxnMarker: ${type.toUpperCase()} coordinatorEpoch: ${coordinatorEpoch}`,
      ),
  )
}

async function checkDerivedFiles(folder: string, written: WrittenFolder): Promise<void> {
  const indexes = filesOf(folder, /\.txnindex$/)
  const dumped = indexes.length === 0 ? '' : await kafkaPeer.dump('--files', indexes.join(','))
  assert.deepEqual(dumpFaults(dumped, indexes), [])
  assert.deepEqual(
    parsePairs(dumped).map((row) =>
      [row.producerId, row.firstOffset, row.lastOffset, row.lastStableOffset].map(Number),
    ),
    written.scribe.aborts.map((abort) => [
      abort.producerId,
      abort.firstOffset,
      abort.lastOffset,
      abort.lastStableOffset,
    ]),
  )

  const snapshots = filesOf(folder, /\.snapshot$/)
  if (snapshots.length === 0) return assert.equal(written.scribe.producers.size, 0)
  const text = await kafkaPeer.dump('--files', snapshots.join(','))
  assert.deepEqual(dumpFaults(text, snapshots), [])
  const latest = text.slice(text.indexOf(`Dumping ${snapshots.at(-1)}`))
  assert.equal(Number.parseInt(snapshots.at(-1)!.split('/').at(-1)!, 10), written.logEndOffset)
  const found = parsePairs(latest).map((row) => ({
    producerId: Number(row.producerId),
    epoch: Number(row.producerEpoch),
    lastSequence: Number(row.lastSequence ?? -1),
    lastOffset: Number(row.lastOffset ?? -1),
    openSince: Number(/\d+/.exec(row.currentTxnFirstOffset!)?.[0] ?? -1),
  }))
  const expected = [...written.scribe.producers.values()].map(({ id, epoch, lastSequence, lastOffset, openSince }) => ({
    producerId: id,
    epoch,
    lastSequence,
    lastOffset,
    openSince,
  }))
  const byId = (a: { producerId: number }, b: { producerId: number }): number => a.producerId - b.producerId
  assert.deepEqual(found.sort(byId), expected.sort(byId))
}

describeWithKafka("Kafka's dump tool", () => {
  let root = ''
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'varve-dump-'))
  })
  after(() => root !== '' && rmSync(root, { recursive: true, force: true }))

  for (const backend of ['mapped', 'pwrite'] as const satisfies readonly Backend[]) {
    for (const workload of workloads) {
      it(`finds in order what varve wrote: ${workload.name}, ${backend}`, async () => {
        const folder = join(root, `${workload.name}-${backend}`)
        const written = await writeFolder(workload, folder, backend)
        assert.deepEqual(await faultsOf(folder), [])
        const logs = filesOf(folder, /\.log$/)
        const batches = parseBatches(await kafkaPeer.dump('--print-data-log', '--files', logs.join(',')))
        checkRecords(batches, written)
        checkMarkers(batches, written.scribe.markers)
        await checkDerivedFiles(folder, written)
        // Or there would have been nothing to verify.
        const indexBytes = filesOf(folder, /\.index$/).reduce((sum, file) => sum + statSync(file).size, 0)
        if (workload.settings?.indexIntervalBytes !== undefined) assert.ok(indexBytes > 0, 'no index has an entry')
        rmSync(folder, { recursive: true })
      })
    }
  }

  describe('tells of damage, so its silence means something', () => {
    let whole = ''
    before(async () => {
      whole = join(root, 'whole')
      await writeFolder(workloads.find(({ name }) => name === 'rolls')!, whole, 'mapped')
    })
    const second = (folder: string, pattern: RegExp): string => filesOf(folder, pattern)[1]!
    const edit = (file: string, change: (bytes: Buffer) => void): void => {
      const bytes = readFileSync(file)
      change(bytes)
      writeFileSync(file, bytes)
    }
    const damages: readonly (readonly [what: string, damage: (folder: string) => void, fault: RegExp])[] = [
      [
        'a byte of a record flipped',
        (folder) => edit(second(folder, /\.log$/), (bytes) => (bytes[bytes.length - 3]! ^= 1)),
        /isvalid: false/,
      ],
      [
        'a zero tail',
        (folder) => truncateSync(second(folder, /\.log$/), statSync(second(folder, /\.log$/)).size + 4096),
        /invalid bytes|Exception/,
      ],
      [
        'a torn batch at the end',
        (folder) => truncateSync(second(folder, /\.log$/), statSync(second(folder, /\.log$/)).size - 10),
        /invalid bytes|Exception/,
      ],
      [
        'an index entry that points to another batch',
        (folder) => edit(second(folder, /\.index$/), (bytes) => bytes.copy(bytes, 8 + 4, 4, 8)),
        /Mismatch/,
      ],
      [
        'an index entry for another offset',
        (folder) => edit(second(folder, /\.index$/), (bytes) => bytes.writeInt32BE(bytes.readInt32BE(8) + 1, 8)),
        /Mismatch/,
      ],
      [
        'a time index entry with another timestamp',
        (folder) => edit(second(folder, /\.timeindex$/), (bytes) => bytes.writeBigInt64BE(bytes.readBigInt64BE(12) + 1n, 12)), // biome-ignore format: one damage a line
        /Mismatch|not found|out of order/i,
      ],
    ]
    for (const [what, damage, fault] of damages) {
      it(what, async () => {
        const folder = join(root, 'damaged')
        cpSync(whole, folder, { recursive: true })
        damage(folder)
        assert.match((await faultsOf(folder)).join('\n'), fault)
        rmSync(folder, { recursive: true })
      })
    }
  })
})
