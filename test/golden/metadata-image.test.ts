/**
 * The metadata that Kafka wrote gives the image that Kafka has: folded from the log and from the snapshot of its end.
 * Seen to fail with partition changes ignored, with removed topics kept, with dropped settings kept, with the producer
 * ids left out of snapshots, and with a start that takes no partition over that nobody leads.
 */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { crc32c } from '../../src/base/crc32c.ts'
import { readBatches } from '../../src/doors/record.ts'
import { MetadataImage } from '../../src/metadata/metadata-image.ts'
import { decodeSnapshot, encodeSnapshot, parseSnapshotName, snapshotName } from '../../src/metadata/snapshot-file.ts'
import { decodeMetadataRecord, type MetadataRecord } from '../../src/protocol/metadata-log/metadata-records.ts'
import { encodeMetaProperties } from '../../src/storage/meta-properties.ts'
import { metadataFolderName, OpenedMetadata } from '../conformance/metadata/opened-metadata.ts'
import { temporaryFolder } from '../conformance/temporary-folder.ts'
import { goldenMetadataPath } from './golden-folders.ts'

const logFile = '__cluster_metadata-0/00000000000000000000.log'
const snapshotFile = '00000000000000000102-0000000002.checkpoint'
const crc = (bytes: Uint8Array): number => crc32c(bytes)

function imageOfLog(): MetadataImage {
  const image = new MetadataImage()
  for (const batch of readBatches(readFileSync(goldenMetadataPath(logFile)))) {
    if (!batch.isControl) for (const { offset, value } of batch) image.applyBytes(value!, offset)
  }
  return image
}

function snapshotOf(...path: string[]) {
  return decodeSnapshot(readFileSync(goldenMetadataPath(...path)), crc, [])
}

function imageOfSnapshot(...path: string[]): MetadataImage {
  const image = new MetadataImage()
  for (const [index, value] of snapshotOf(...path).records.entries()) image.applyBytes(value, index)
  return image
}

/** Broker features stand in the order in which the broker happened to list them. */
function comparable(record: MetadataRecord): unknown {
  if (record.type !== 'RegisterBrokerRecord' && record.type !== 'RegisterControllerRecord') return record
  const features = [...record.value.features].sort((a, b) => (a.name < b.name ? -1 : 1))
  return { ...record, value: { ...record.value, features } }
}

const recordsOf = (values: Iterable<Uint8Array>): unknown[] =>
  [...values].map((value) => comparable(decodeMetadataRecord(value)))

const text = (record: unknown): string =>
  JSON.stringify(record, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))

describe('the metadata that Kafka wrote', () => {
  const root = temporaryFolder()

  it('its topics are those that it had', () => {
    for (const image of [imageOfLog(), imageOfSnapshot('__cluster_metadata-0', snapshotFile)]) {
      const topics = [...image.topics()].map(
        ({ name, topicId, partitions }) => `${name} ${topicId} ${partitions.length}`,
      )
      assert.deepEqual(topics.sort(), [
        '__consumer_offsets 0GptcFbYSDK7vmlEtfUxNA 1',
        '__transaction_state hFGJbDRZTgKdGyyHvNEyow 1',
        'after JHQ0iaxYTd2SSzsWwg2DuA 1',
        'events ENkA-obSSRa_eutG0vlz0w 2',
        'orders N-soVF1LRRm9u7vkjdrzzw 4',
      ])
      assert.deepEqual([...image.topic('orders')!.configs].sort(), [
        ['cleanup.policy', 'compact'],
        ['retention.ms', '86400000'],
      ])
      assert.equal(image.topic('gone'), undefined)
      const [partition] = image.topic('orders')!.partitions
      assert.deepEqual([partition!.leader, partition!.leaderEpoch, partition!.partitionEpoch], [-1, 3, 3])
      assert.deepEqual([partition!.isr, partition!.eligibleLeaderReplicas], [[], [1]])
      assert.equal(image.nextProducerId, 1000n)
      assert.equal(image.broker(1)!.brokerEpoch, 78)
      assert.equal(image.broker(1)!.fenced, true)
      assert.deepEqual([...image.configs(4, '1')], [['log.cleaner.backoff.ms', '10000']])
      assert.equal(image.metadataVersion, 30)
      assert.equal(image.fault(), undefined)
    }
  })

  it('the log folds to what the snapshot of its end says', () => {
    const fromLog = recordsOf(imageOfLog().records())
    const fromSnapshot = recordsOf(imageOfSnapshot('__cluster_metadata-0', snapshotFile).records())
    assert.deepEqual(fromLog, fromSnapshot)
  })

  it('our snapshot has the records of Kafka’s, each kind in the same place', () => {
    const kafkas = recordsOf(snapshotOf('__cluster_metadata-0', snapshotFile).records)
    const ours = recordsOf(imageOfLog().records())
    const kinds = (records: unknown[]): string[] => records.map((record) => (record as MetadataRecord).type)
    assert.deepEqual(kinds(ours), kinds(kafkas))
    assert.deepEqual(ours.map(text).sort(), kafkas.map(text).sort())
  })

  it('a snapshot written again with the same facts is the same file', () => {
    const bytes = readFileSync(goldenMetadataPath('__cluster_metadata-0', snapshotFile))
    const snapshot = decodeSnapshot(bytes, crc, [])
    const id = parseSnapshotName(snapshotFile)!
    assert.equal(snapshotName(id), snapshotFile)
    const batches = [...readBatches(bytes)]
    const facts = { id, lastTimestamp: 1_795_348_514_785, nowMs: batches[0]!.maxTimestamp }
    const again = encodeSnapshot(snapshot, facts, crc)
    // Kafka looked at the clock anew for each batch, and that is the only difference.
    const shapes = (file: Buffer): unknown[] =>
      [...readBatches(file)].map((batch) => [
        batch.baseOffset,
        batch.recordCount,
        batch.leaderEpoch,
        batch.isControl,
        batch.byteLength,
        [...batch].map(({ key, value }) => [key?.toString('hex'), value?.toString('hex')]),
      ])
    assert.deepEqual(shapes(again), shapes(bytes))
  })

  it('what formatting leaves is a snapshot of feature levels', () => {
    const image = imageOfSnapshot('bootstrap.checkpoint')
    assert.deepEqual([...image.features.keys()].sort(), [
      'eligible.leader.replicas.version',
      'group.version',
      'metadata.version',
      'share.version',
      'streams.version',
      'transaction.version',
    ])
  })

  for (const [title, withSnapshot] of [
    ['its log', false],
    ['its snapshot', true],
  ] as const) {
    it(`is gone on with, from ${title}: a term above Kafka’s two, this broker in front of every partition`, async () => {
      const folder = `${root()}/data`
      mkdirSync(`${folder}/${metadataFolderName}`, { recursive: true })
      const directoryId = 'ykEtatkyzxs4OgJ50OvbFA'
      const properties = { nodeId: 1, clusterId: 'varveTestCluster_00001', directoryId }
      writeFileSync(`${folder}/meta.properties`, encodeMetaProperties(properties, 0))
      copyFileSync(goldenMetadataPath(logFile), `${folder}/${logFile}`)
      if (withSnapshot) {
        const path = `${metadataFolderName}/${snapshotFile}`
        copyFileSync(goldenMetadataPath(path), `${folder}/${path}`)
      }
      for (const [epoch, leaderEpoch] of [
        [3, 4],
        [4, 5],
      ]) {
        const opened = await OpenedMetadata.open(folder)
        const { image, brokerEpoch } = opened.controller
        assert.equal(opened.log.leaderEpoch, epoch)
        const [partition] = image.topic('orders')!.partitions
        assert.deepEqual([partition!.leader, partition!.leaderEpoch, partition!.isr], [1, leaderEpoch, [1]])
        assert.deepEqual(partition!.eligibleLeaderReplicas, [])
        assert.equal(image.broker(1)!.brokerEpoch, brokerEpoch)
        assert.equal(image.topicCount, 5)
        await opened.close()
      }
    })
  }
})
