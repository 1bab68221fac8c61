/**
 * One partition of one data folder changes hands between a real Kafka and varve, closed cleanly and killed; nobody loses
 * a record or an offset, and neither gets in while the other is writing. The tests are steps of one story.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Log, openLog } from '../../src/doors/log.ts'
import { consumedRecord } from './consumed-records.ts'
import { dumpFaults } from './dump-report.ts'
import { KafkaBroker } from './kafka-broker.ts'
import { type ConsumedRecord, type Isolation, kafkaPeer, type ProducedRecord } from './kafka-peer.ts'
import { LogScribe, WritingProducer } from './log-scribe.ts'
import { describeWithKafka } from './needs-kafka.ts'
import { plainInputs, t0 } from './workloads.ts'

const topic = 'shared'

const base64 = (text: string | null): string | null => (text === null ? null : Buffer.from(text).toString('base64'))

function recordsToProduce(from: number, count: number): ProducedRecord[] {
  return Array.from({ length: count }, (_, i) => {
    const n = from + i
    const value = n % 11 === 0 ? null : `from Kafka ${n} ${'x'.repeat(n % 50)}`
    return [t0 + n, base64(n % 7 === 0 ? null : `key-${n % 5}`), base64(value), [['n', base64(`${n}`)]]]
  })
}

function recordsOf(log: Log, isolation: Isolation): ConsumedRecord[] {
  const found: ConsumedRecord[] = []
  for (let offset = log.logStartOffset; offset < log.logEndOffset; ) {
    const run = log.read(offset, { isolation })
    for (const batch of run) {
      for (const record of batch) {
        if (record.offset < log.logStartOffset) continue
        const { key, value, headers, timestamp, timestampType } = record
        found.push([
          record.offset,
          timestamp,
          timestampType,
          key?.toString('base64') ?? null,
          value?.toString('base64') ?? null,
          headers.map(([name, content]) => [name, content?.toString('base64') ?? null]),
        ])
      }
    }
    if (run.nextOffset === offset) break
    offset = run.nextOffset
  }
  return found
}

describeWithKafka('a data folder that Kafka and varve share', function () {
  this.timeout(120_000)
  let root = ''
  let broker: KafkaBroker
  let log: Log | undefined
  /** What both isolation levels have to see, entered by whoever writes. */
  const expected: Record<Isolation, ConsumedRecord[]> = { read_uncommitted: [], read_committed: [] }
  const partition = (): string => join(broker.data, `${topic}-0`)
  const at = (): { server: string; topic: string } => ({ server: broker.server, topic })
  const open = async (): Promise<Log> => {
    log = await openLog(partition(), { retentionMs: -1 })
    return log
  }

  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'varve-handover-'))
    broker = await KafkaBroker.format(join(root, 'kafka'))
    await broker.start()
    await kafkaPeer.createTopic(at())
  })
  after(async () => {
    await log?.close().catch(() => {})
    await broker?.kill()
    if (root !== '') rmSync(root, { recursive: true, force: true })
  })

  async function produce(
    count: number,
    config: Record<string, string> = {},
    transaction?: 'commit' | 'abort',
  ): Promise<void> {
    const records = recordsToProduce(expected.read_uncommitted.length, count)
    const offsets = await kafkaPeer.produce(at(), records, transaction ? { config, transaction } : { config })
    for (const [i, offset] of offsets.entries()) {
      const record: ConsumedRecord = [
        offset,
        records[i]![0],
        'CreateTime',
        ...(records[i]!.slice(1) as never[]),
      ] as never
      expected.read_uncommitted.push(record)
      if (transaction !== 'abort') expected.read_committed.push(record)
    }
  }

  async function checkConsumer(): Promise<void> {
    for (const isolation of ['read_uncommitted', 'read_committed'] as const) {
      const { records } = await kafkaPeer.consume(at(), isolation)
      assert.deepEqual(records, expected[isolation], isolation)
    }
  }

  /** Varve finds what is expected, appends in all ways, and closes; the dump tool has nothing to say against it. */
  async function appendWithVarve(): Promise<void> {
    const opened = await open()
    for (const isolation of ['read_uncommitted', 'read_committed'] as const) {
      assert.deepEqual(recordsOf(opened, isolation), expected[isolation], isolation)
    }
    const scribe = new LogScribe(opened, 0)
    const producer = new WritingProducer(5_000_000 + opened.logEndOffset)
    scribe.append(plainInputs(0, 10))
    scribe.append(plainInputs(10, 10), { compression: 'lz4', producer })
    scribe.append(plainInputs(20, 5), { compression: 'gzip', producer, transactional: true })
    scribe.end(producer, 'abort', t0)
    scribe.append(plainInputs(25, 5), { compression: 'snappy', producer, transactional: true })
    scribe.end(producer, 'commit', t0)
    await opened.close()
    for (const isolation of ['read_uncommitted', 'read_committed'] as const) {
      expected[isolation].push(...scribe.visible(isolation, 0).map((record) => consumedRecord(record, 'CreateTime')))
    }
    const files = readdirSync(partition()).map((name) => join(partition(), name))
    const logs = files.filter((name) => name.endsWith('.log'))
    const indexes = files.filter((name) => /\.(?:index|timeindex)$/.test(name))
    assert.deepEqual(dumpFaults(await kafkaPeer.dump('--files', logs.join(',')), logs), [])
    assert.deepEqual(dumpFaults(await kafkaPeer.dump('--verify-index-only', '--files', indexes.join(',')), indexes), [])
  }

  it('varve is refused while Kafka runs', async () => {
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) await produce(30, { 'compression.type': codec })
    await produce(20, {}, 'commit')
    await produce(20, {}, 'abort')
    await assert.rejects(open(), { code: 'VARVE_LOCKED' })
    await checkConsumer()
  })

  it('varve goes on after a clean close of Kafka', async () => {
    await broker.stop()
    await appendWithVarve()
    assert.ok(existsSync(join(broker.data, '.kafka_cleanshutdown')), 'a clean close stays a clean close')
  })

  it('Kafka is refused while varve has a log open', async () => {
    await open()
    await assert.rejects(broker.start(), /Failed to acquire lock on file \.lock/)
    await log!.close()
  })

  it('Kafka serves what both wrote, and writes on', async () => {
    await broker.start()
    await checkConsumer()
    await produce(50, { 'compression.type': 'zstd' })
    await produce(20, {}, 'abort')
    await checkConsumer()
  })

  it('varve goes on after a kill of Kafka', async () => {
    await broker.kill()
    await appendWithVarve()
    await appendWithVarve()
    assert.ok(!existsSync(join(broker.data, '.kafka_cleanshutdown')), 'other partitions were not recovered')
  })

  it('Kafka serves that too, and deletes records', async () => {
    await broker.start()
    await checkConsumer()
    await produce(10)
    const before = expected.read_uncommitted[100]![0]
    await kafkaPeer.deleteRecords(at(), before)
    for (const isolation of ['read_uncommitted', 'read_committed'] as const) {
      expected[isolation] = expected[isolation].filter(([offset]) => offset >= before)
    }
    await checkConsumer()
  })

  it('varve sees the log start that Kafka moved, and moves it further', async () => {
    await broker.stop()
    await appendWithVarve()
    const opened = await open()
    const before = expected.read_uncommitted[50]![0]
    assert.equal(opened.logStartOffset, expected.read_uncommitted[0]![0])
    opened.deleteBefore(before)
    await opened.close()
    for (const isolation of ['read_uncommitted', 'read_committed'] as const) {
      expected[isolation] = expected[isolation].filter(([offset]) => offset >= before)
    }
    await broker.start()
    await checkConsumer()
  })

  it('a topic that Kafka made anew under the same name begins at 0 for varve too', async () => {
    await kafkaPeer.deleteTopic(at())
    await kafkaPeer.createTopic(at())
    expected.read_uncommitted = []
    expected.read_committed = []
    await produce(40)
    await broker.stop()
    await appendWithVarve()
    await broker.start()
    await checkConsumer()
    await broker.stop()
  })
})
