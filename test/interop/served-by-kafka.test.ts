/**
 * A real Kafka serves partition folders that varve wrote to a Java consumer: once taking them as they are; once it gets
 * the `.log` files only and recovers, and the indexes that it makes must be the ones that varve had made.
 */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { logSettingTable } from '../../src/settings/log-settings.ts'
import { consumedRecord } from './consumed-records.ts'
import { KafkaBroker } from './kafka-broker.ts'
import { kafkaPeer } from './kafka-peer.ts'
import { describeWithKafka } from './needs-kafka.ts'
import { t0, type Workload, type WrittenFolder, workloads, writeFolder } from './workloads.ts'

/** Settings that decide what a recovery writes; the others would only make Kafka delete or refuse. */
const sharedSettings = ['indexIntervalBytes', 'segmentIndexBytes', 'messageTimestampType'] as const

function topicConfig({ settings = {} }: Workload): Record<string, string> {
  return Object.fromEntries(
    sharedSettings
      .filter((name) => settings[name] !== undefined)
      .map((name) => [logSettingTable[name].kafkaName, String(settings[name])]),
  )
}

const kafkaFiles = /^\d{20}\.(?:log|index|timeindex|txnindex|snapshot)$|^leader-epoch-checkpoint$/
/** All that recovery needs, and nothing that it makes. */
const underivedFiles = /^\d{20}\.log$|^leader-epoch-checkpoint$/
const logAndIndexes = /\.(?:log|index|timeindex|txnindex)$/

describeWithKafka('a Kafka on folders that varve wrote', function () {
  this.timeout(120_000)
  let root = ''
  let broker: KafkaBroker
  const written = new Map<string, WrittenFolder>()
  const ours = (workload: Workload): string => join(root, 'varve', workload.name)
  const theirs = (workload: Workload): string => join(broker.data, `${workload.name}-0`)

  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'varve-served-'))
    for (const [i, workload] of workloads.entries()) {
      written.set(workload.name, await writeFolder(workload, ours(workload), i % 2 === 0 ? 'mapped' : 'pwrite'))
    }
    broker = await KafkaBroker.format(join(root, 'kafka'))
    await broker.start()
    for (const workload of workloads) {
      await kafkaPeer.createTopic({ server: broker.server, topic: workload.name }, topicConfig(workload))
    }
    await broker.stop()
  })
  after(async () => {
    await broker?.kill()
    if (root !== '') rmSync(root, { recursive: true, force: true })
  })

  /** Puts our files in the place of Kafka's, which keeps the topic's id; after a crash only what cannot be made anew. */
  function exchangeFiles({ clean }: { clean: boolean }): void {
    const starts: string[] = []
    for (const workload of workloads) {
      const folder = theirs(workload)
      for (const name of readdirSync(folder)) if (name !== 'partition.metadata') rmSync(join(folder, name))
      for (const name of readdirSync(ours(workload))) {
        if ((clean ? kafkaFiles : underivedFiles).test(name)) cpSync(join(ours(workload), name), join(folder, name))
      }
      const { logStartOffset } = written.get(workload.name)!
      if (logStartOffset > 0) starts.push(`${workload.name} 0 ${logStartOffset}\n`)
    }
    writeFileSync(join(broker.data, 'log-start-offset-checkpoint'), `0\n${starts.length}\n${starts.join('')}`)
    if (clean) return
    rmSync(join(broker.data, '.kafka_cleanshutdown'))
    writeFileSync(join(broker.data, 'recovery-point-offset-checkpoint'), '0\n0\n')
  }

  function itServes(workload: Workload): void {
    it(`serves every record: ${workload.name}`, async () => {
      const at = { server: broker.server, topic: workload.name }
      const { scribe, logStartOffset, logEndOffset } = written.get(workload.name)!
      const type = workload.settings?.messageTimestampType ?? 'CreateTime'
      for (const isolation of ['read_uncommitted', 'read_committed'] as const) {
        const consumed = await kafkaPeer.consume(at, isolation)
        const expected = scribe.visible(isolation, logStartOffset).map((record) => consumedRecord(record, type))
        assert.equal(consumed.startOffset, logStartOffset)
        if (isolation === 'read_uncommitted') assert.equal(consumed.endOffset, logEndOffset)
        assert.equal(consumed.records.length, expected.length, isolation)
        for (const [i, record] of expected.entries()) assert.deepEqual(consumed.records[i], record)
      }
      // A marker has a timestamp too, and is nobody's record.
      if (scribe.markers.length > 0) return
      const records = scribe.visible('read_uncommitted', logStartOffset)
      const timestamps = [0, 1, t0, t0 + 777, t0 + 1005, t0 + 2000, (records.at(-1)?.timestamp ?? 0) + 1].filter(
        (timestamp) => timestamp >= 0,
      )
      const found = await kafkaPeer.offsetsForTimestamps(at, timestamps)
      const expected = timestamps.map((timestamp) => {
        const record = records.find((candidate) => candidate.timestamp >= timestamp)
        return record === undefined ? null : [record.offset, record.timestamp]
      })
      assert.deepEqual(found, expected)
    })
  }

  function itKeepsTheFiles(workload: Workload): void {
    it(`has the same log and indexes afterwards: ${workload.name}`, () => {
      const names = (folder: string): string[] => readdirSync(folder).filter((name) => logAndIndexes.test(name))
      const folders = [ours(workload), theirs(workload)] as const
      assert.deepEqual(names(folders[1]), names(folders[0]))
      for (const name of names(folders[0])) {
        const [left, right] = folders.map((folder) => readFileSync(join(folder, name)).toString('hex'))
        assert.ok(left === right, `${name} differs`)
      }
    })
  }

  describe('handed over as cleanly closed', () => {
    before(() => {
      exchangeFiles({ clean: true })
      return broker.start()
    })
    for (const workload of workloads) itServes(workload)
    describe('and closed again', () => {
      before(() => broker.stop())
      for (const workload of workloads) itKeepsTheFiles(workload)
    })
  })

  describe('handed over as after a crash', () => {
    before(() => {
      exchangeFiles({ clean: false })
      return broker.start()
    })
    for (const workload of workloads) itServes(workload)
    describe('and closed again', () => {
      before(() => broker.stop())
      // A rebuild begins a segment's count of bytes anew; so does a restart of the writer, in the middle.
      for (const workload of workloads) if (!workload.restarts) itKeepsTheFiles(workload)
    })
  })
})
