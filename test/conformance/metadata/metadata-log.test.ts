/**
 * Seen to fail with records folded into the image before their flush, with the answer given before it, with a term that
 * begins with the epoch of the last one or below that of quorum-state, with a snapshot believed without its footer, with
 * records that a snapshot holds folded again from the log, with an open transaction left open, with the voters of a
 * cluster or a newer metadata.version ignored, with one snapshot kept instead of two, with the log between them removed
 * or never removed, with a log left behind its snapshot, with requests decided side by side, with a close that does not
 * wait for them or does not fence, with a topic of 10,000 partitions in two batches, with no snapshot as bytes come, with `validateOnly` ignored, and with what formatting left ignored.
 */
import assert from 'node:assert/strict'
import { BatchBuilder } from '../../../src/doors/record.ts'
import { silentLogger } from '../../../src/env/logger.ts'
import { compressionCodecs } from '../../../src/env/node/codecs/index.ts'
import type { VarveError } from '../../../src/errors.ts'
import type { Controller } from '../../../src/metadata/controller.ts'
import { MetadataImage, type TopicImage } from '../../../src/metadata/metadata-image.ts'
import { MetadataLog } from '../../../src/metadata/metadata-log.ts'
import { decodeQuorumState } from '../../../src/metadata/quorum-state.ts'
import {
  decodeSnapshot,
  encodeSnapshot,
  type KeptControl,
  parseSnapshotName,
} from '../../../src/metadata/snapshot-file.ts'
import { encodeMetadataRecord, type MetadataRecordInput } from '../../../src/protocol/metadata-log/metadata-records.ts'
import { Disk } from '../../../src/storage/disk.ts'
import { addon } from '../../../src/storage/native/loader.ts'
import { StillClock } from '../../faults/still-clock.ts'
import { idOf } from '../../unit/metadata/record-text.ts'
import { metadataFolderName, OpenedMetadata, openMetadataLog } from './opened-metadata.ts'

const folder = '/data'
const metadataFolder = `${folder}/${metadataFolderName}`
const startMs = 1_700_000_000_000

const plain = (topics: Iterable<TopicImage>): string[] =>
  [...topics]
    .map(({ name, topicId, partitions, configs }) => JSON.stringify([name, topicId, partitions, [...configs]]))
    .sort()

const withoutEpochs = (topics: Iterable<TopicImage>): string[] =>
  [...topics]
    .map(({ name, topicId, partitions, configs }) => JSON.stringify([name, topicId, partitions.length, [...configs]]))
    .sort()

/** Lets turns of the event loop pass before each flush, so that a test can look between. */
class LateClock extends StillClock {
  override soon(run: () => void): void {
    setImmediate(() => setImmediate(run))
  }
}

describe('the metadata log of a store', () => {
  let disk: Disk
  let clock: StillClock
  let opened: OpenedMetadata | undefined
  let ids = 0

  beforeEach(() => {
    disk = new Disk(addon(), addon().kernelMemory())
    clock = new StillClock(startMs)
    opened = undefined
    ids = 0
  })
  afterEach(async () => {
    await opened?.close().catch(() => {})
    addon().kernelClose(disk.kernel)
  })

  const newId = (): string => Buffer.from(`id-${String(ids++).padStart(13, '0')}`).toString('base64url')
  const open = async (on: Disk = disk): Promise<Controller> => {
    opened = await OpenedMetadata.open(folder, { disk: on, clock, newId })
    return opened.controller
  }
  const close = async (): Promise<void> => {
    const closing = opened!
    opened = undefined
    await closing.close()
  }
  /** The log without a controller, for records that no decision would make. */
  const load = async (
    prepare: (metadata: MetadataLog) => Promise<void> = async () => {},
    nodeId = 1,
  ): Promise<MetadataLog> => {
    const { root, log } = openMetadataLog(folder, { disk, clock, newId })
    try {
      const metadata = await MetadataLog.load({
        disk,
        log,
        clock,
        logger: silentLogger,
        codecs: compressionCodecs,
        nodeId,
      })
      await prepare(metadata)
      return metadata
    } finally {
      await log.close()
      root.close(true)
    }
  }
  const snapshots = (): string[] =>
    disk
      .list(metadataFolder)!
      .map(({ name }) => name)
      .filter((name) => parseSnapshotName(name) !== undefined)

  it('what was decided is there after the next open, with every epoch of leaders one higher', async () => {
    let controller = await open()
    await controller.createTopic({ name: 'orders', partitions: 3, configs: { 'retention.ms': '1000' } })
    const { topicId } = await controller.createTopic({ name: 'gone' })
    await controller.deleteTopic({ topicId })
    const again = await controller.createTopic({ name: 'gone', partitions: 2 })
    assert.notEqual(again.topicId, topicId)
    await controller.createPartitions({ topic: 'orders', count: 4 })
    await controller.changeConfigs('orders', [{ name: 'segment.ms', operation: 'set', value: '5000' }])
    const before = withoutEpochs(controller.image.topics())
    const { nextProducerId } = controller.image
    await controller.allocateProducerIds()
    await close()
    controller = await open()
    assert.deepEqual(withoutEpochs(controller.image.topics()), before)
    assert.deepEqual(
      controller.image.topic('orders')!.partitions.map(({ leaderEpoch }) => leaderEpoch),
      [1, 1, 1, 1],
    )
    assert.equal(controller.image.nextProducerId, nextProducerId + 1000n)
  })

  it('each open is a term of its own, and quorum-state says which', async () => {
    for (const epoch of [1, 2, 3]) {
      await open()
      const state = decodeQuorumState(disk.readText(`${metadataFolder}/quorum-state`)!)
      assert.deepEqual(state, { leaderId: 1, leaderEpoch: epoch, voters: [1] })
      const broker = opened!.controller.image.broker(1)!
      assert.equal(broker.fenced, false)
      assert.equal(broker.brokerEpoch, opened!.controller.brokerEpoch)
      await close()
    }
  })

  it('a term begins above the one that quorum-state knows', async () => {
    await open()
    await close()
    disk.replaceFile(`${metadataFolder}/quorum-state`, '{"leaderId":-1,"leaderEpoch":41,"data_version":0}')
    await open()
    assert.equal(opened!.log.leaderEpoch, 42)
  })

  it('a quorum-state that cannot be read is made anew from the log', async () => {
    await open()
    await close()
    for (const text of [
      '',
      '{',
      'null',
      '{"leaderEpoch":-3,"leaderId":1}',
      '{"leaderId":1,"leaderEpoch":9,"currentVoters":[{}]}',
    ]) {
      disk.replaceFile(`${metadataFolder}/quorum-state`, text)
      await open()
      await close()
    }
    assert.equal(decodeQuorumState(disk.readText(`${metadataFolder}/quorum-state`)!)!.leaderEpoch, 6)
  })

  it('requests are decided one after another, each on what those before it have made', async () => {
    const controller = await open()
    const answers = await Promise.allSettled([
      controller.createTopic({ name: 'orders' }),
      controller.createTopic({ name: 'orders' }),
      controller.createPartitions({ topic: 'orders', count: 3 }),
      controller.deleteTopic({ name: 'orders' }),
      controller.changeConfigs('orders', []),
      controller.createTopic({ name: 'orders', partitions: 2 }),
    ])
    assert.deepEqual(
      answers.map((one) => (one.status === 'fulfilled' ? 'done' : (one.reason as VarveError).code)),
      ['done', 'VARVE_TOPIC_EXISTS', 'done', 'done', 'VARVE_UNKNOWN_TOPIC', 'done'],
    )
    assert.equal(controller.image.partitionCount, 2)
  })

  it('with validateOnly nothing is written, and the answer is the same', async () => {
    const controller = await open()
    const end = opened!.log.logEndOffset
    const { partitionCount } = await controller.createTopic({ name: 'orders', partitions: 3 }, { validateOnly: true })
    assert.equal(partitionCount, 3)
    await assert.rejects(controller.createTopic({ name: '..' }, { validateOnly: true }), {
      code: 'VARVE_INVALID_TOPIC',
    })
    assert.equal(opened!.log.logEndOffset, end)
    assert.equal(controller.image.topicCount, 0)
  })

  it('after a close every request is refused', async () => {
    const controller = await open()
    await close()
    await assert.rejects(controller.createTopic({ name: 'orders' }), { code: 'VARVE_CLOSED' })
  })

  it('a close waits for what was asked before', async () => {
    const controller = await open()
    const creating = ['a', 'b', 'c'].map((name) => controller.createTopic({ name }))
    await close()
    assert.deepEqual(
      (await Promise.all(creating)).map(({ name }) => name),
      ['a', 'b', 'c'],
    )
    assert.equal((await open()).image.topicCount, 3)
  })

  it('a fenced registration is left by a clean close, for whoever is next', async () => {
    await open()
    await close()
    assert.equal((await load()).image.broker(1)!.fenced, true)
  })

  describe('after a power cut', () => {
    it('what was acknowledged is there, and a topic is there whole or not at all', async function () {
      this.timeout(30_000)
      const acknowledged: { operations: number; names: string[] }[] = []
      const controller = await open()
      const names: string[] = []
      for (let i = 0; i < 4; i++) {
        await controller.createTopic({ name: `topic-${i}`, partitions: 3, configs: { 'retention.ms': '1000' } })
        names.push(`topic-${i}`)
        acknowledged.push({ operations: addon().kernelOperations(disk.kernel), names: [...names] })
      }
      const first = acknowledged[0]!.operations
      const end = addon().kernelOperations(disk.kernel)
      for (let at = first; at <= end; at++) {
        for (const mode of [0, 1, 2]) {
          const crashed = new Disk(addon(), addon().kernelCrash(disk.kernel, at, mode, at))
          const after = await OpenedMetadata.open(folder, { disk: crashed, clock, newId })
          const { image } = after.controller
          const certain = acknowledged.filter(({ operations }) => operations <= at).at(-1)!.names
          for (const name of certain) assert.ok(image.topic(name), `${name} is gone, cut at ${at} in mode ${mode}`)
          for (const { partitions, configs } of image.topics()) {
            assert.equal(partitions.length, 3)
            assert.deepEqual([...configs], [['retention.ms', '1000']])
          }
          await after.close()
          addon().kernelClose(crashed.kernel)
        }
      }
    })

    it('nobody has seen what is not there: a topic is in the image only once it is on disk', async () => {
      clock = new LateClock(startMs)
      const controller = await open()
      const creating = controller.createTopic({ name: 'orders' })
      const { image } = controller
      for (let turns = 0; image.topic('orders') === undefined; turns++) {
        assert.ok(turns < 1000, 'the topic does not come')
        await new Promise((resolve) => setImmediate(resolve))
      }
      const at = addon().kernelOperations(disk.kernel)
      await creating
      const crashed = new Disk(addon(), addon().kernelCrash(disk.kernel, at, 0, 0))
      const after = await OpenedMetadata.open(folder, { disk: crashed, clock, newId })
      assert.ok(after.controller.image.topic('orders') !== undefined)
      await after.close()
      addon().kernelClose(crashed.kernel)
    })
  })

  describe('after a flush that failed', () => {
    it('nothing is in the image that may not be on disk, and nothing more is decided until the next open', async () => {
      const native = addon()
      const faulty = native.kernelFaulty(disk.kernel)
      const controller = await open(new Disk(native, faulty))
      await controller.createTopic({ name: 'before' })
      assert.equal(native.kernelArm(faulty, 1, 'EIO', 'fdatasync,fsync,msync', false), 0)
      const answers = await Promise.allSettled(['a', 'b'].map((name) => controller.createTopic({ name })))
      assert.deepEqual(
        answers.map((one) => one.status === 'rejected' && (one.reason as VarveError).code),
        ['VARVE_FAILED', 'VARVE_FAILED'],
      )
      assert.deepEqual(
        [...controller.image.topics()].map(({ name }) => name),
        ['before'],
      )
      await assert.rejects(close(), { code: 'VARVE_FAILED' })
      await open()
      assert.ok(opened!.controller.image.topic('before') !== undefined)
      assert.equal(opened!.controller.image.topic('b'), undefined)
      native.kernelClose(faulty)
    })

    it('a full disk refuses a request, and the next one is served once there is room', async () => {
      const controller = await open()
      await controller.createTopic({ name: 'before' })
      assert.equal(addon().kernelCapacity(disk.kernel, 4096), 0)
      const wide = { name: 'wide', partitions: 10_000 }
      await assert.rejects(controller.createTopic(wide), { code: 'VARVE_NO_SPACE', retriable: true })
      assert.equal(controller.image.topic('wide'), undefined)
      assert.equal(addon().kernelCapacity(disk.kernel, 1 << 30), 0)
      const { logEndOffset } = opened!.log
      await controller.createTopic(wide)
      assert.equal(controller.image.partitionCount, 10_001)
      assert.equal(opened!.log.read(logEndOffset, { maxBytes: 10_000_000 }).batchCount, 1, 'a topic is one batch')
    })
  })

  describe('snapshots', () => {
    const withTopics = async (count: number): Promise<void> => {
      const controller = await open()
      for (let i = controller.image.topicCount; i < count; i++) {
        await controller.createTopic({ name: `t${i}`, partitions: 2, configs: { 'retention.ms': String(i) } })
      }
    }
    const takeSnapshot = async (): Promise<void> => {
      await load((metadata) => metadata.snapshot())
    }

    it('hold what the log before them says', async () => {
      await withTopics(5)
      const before = plain(opened!.controller.image.topics())
      await close()
      await takeSnapshot()
      const [name] = snapshots()
      const id = parseSnapshotName(name!)!
      // Only the snapshot can say it: the log behind it is empty.
      const metadata = await load()
      assert.equal(metadata.nextOffset, id.endOffset)
      assert.deepEqual(plain(metadata.image.topics()), before)
      assert.equal(metadata.image.metadataVersion, 30)
      assert.equal(metadata.image.broker(1)!.fenced, true)
    })

    it('are followed by what the log has behind them, none of it twice', async () => {
      await withTopics(3)
      await close()
      await takeSnapshot()
      await withTopics(5)
      const before = plain(opened!.controller.image.topics())
      await close()
      assert.deepEqual(plain((await load()).image.topics()), before)
    })

    it('may end inside of a batch: what they hold of it counts once', async () => {
      const topic = (letter: string): MetadataRecordInput => ({
        type: 'TopicRecord',
        version: 0,
        value: { name: letter, topicId: idOf(letter) },
      })
      await load(async (metadata) => {
        await metadata.begin()
        await metadata.append([topic('A'), topic('B')])
      })
      const image = new MetadataImage()
      image.applyBytes(encodeMetadataRecord(topic('A')), 0)
      const crc32c = (bytes: Uint8Array): number => disk.addon.crc32c(bytes, 0)
      const facts = { id: { endOffset: 2, epoch: 1 }, lastTimestamp: startMs, nowMs: startMs }
      const bytes = encodeSnapshot({ records: image.records(), control: [] }, facts, crc32c)
      disk.replaceFile(`${metadataFolder}/00000000000000000002-0000000001.checkpoint`, bytes)
      const names = [...(await load()).image.topics()].map(({ name }) => name)
      assert.deepEqual(names, ['A', 'B'])
    })

    it('that are torn or damaged are passed by', async () => {
      await withTopics(3)
      await close()
      await takeSnapshot()
      const before = plain((await load()).image.topics())
      const [name] = snapshots()
      const path = `${metadataFolder}/${name}`
      const whole = Buffer.from(disk.readFile(path)!)
      for (const length of [0, 10, 61, 200, whole.length - 75, whole.length - 1]) {
        disk.replaceFile(path, whole.subarray(0, length))
        assert.deepEqual(plain((await load()).image.topics()), before, `cut to ${length} bytes`)
      }
      for (const at of [70, 200, whole.length - 10]) {
        const flipped = Buffer.from(whole)
        flipped[at]! ^= 1
        disk.replaceFile(path, flipped)
        assert.deepEqual(plain((await load()).image.topics()), before, `bit flipped at ${at}`)
      }
    })

    it('two are kept, and with them the log that leads from the older one to the newer', async () => {
      for (const count of [2, 4, 6]) {
        await withTopics(count)
        await close()
        await load(async (metadata) => {
          await metadata.begin()
          await metadata.snapshot()
        })
      }
      assert.equal(snapshots().length, 2)
      const before = plain((await load()).image.topics())
      disk.replaceFile(`${metadataFolder}/${snapshots()[1]}`, 'torn')
      assert.deepEqual(plain((await load()).image.topics()), before)
    })

    it('let go of the segments that only older ones would need', async () => {
      for (const count of [2, 4, 6]) {
        await withTopics(count)
        opened!.log.roll()
        await close()
        await takeSnapshot()
      }
      const [older] = snapshots()
      const { endOffset } = parseSnapshotName(older!)!
      const bases = disk
        .list(metadataFolder)!
        .map(({ name }) => name)
        .filter((name) => name.endsWith('.log'))
        .map((name) => Number(name.slice(0, 20)))
      assert.ok(bases[0]! > 0 && bases[0]! <= endOffset, `${bases} for ${older}`)
      const before = plain((await load()).image.topics())
      disk.replaceFile(`${metadataFolder}/${snapshots()[1]}`, 'torn')
      assert.deepEqual(plain((await load()).image.topics()), before)
      disk.replaceFile(`${metadataFolder}/${snapshots()[0]}`, 'torn')
      await assert.rejects(load(), { code: 'VARVE_CORRUPT' })
    })

    it('that the log does not reach take its place', async () => {
      await withTopics(3)
      await close()
      const id = { endOffset: 5000, epoch: 9 }
      const image = new MetadataImage()
      image.applyBytes(
        encodeMetadataRecord({ type: 'TopicRecord', version: 0, value: { name: 'kept', topicId: idOf('K') } }),
        0,
      )
      const crc32c = (bytes: Uint8Array): number => disk.addon.crc32c(bytes, 0)
      const facts = { id, lastTimestamp: startMs, nowMs: startMs }
      const bytes = encodeSnapshot({ records: image.records(), control: [] }, facts, crc32c)
      disk.replaceFile(`${metadataFolder}/00000000000000005000-0000000009.checkpoint`, bytes)
      const metadata = await load((one) => one.begin())
      assert.deepEqual(
        [...metadata.image.topics()].map(({ name }) => name),
        ['kept'],
      )
      assert.equal(metadata.leaderEpoch, 10)
      assert.equal(metadata.nextOffset, 5001)
    })

    it('are written as bytes come, and older ones and their segments go', async () => {
      opened = await OpenedMetadata.open(folder, { disk, clock, newId, snapshotBytes: 3000 })
      const { controller } = opened
      for (let i = 0; i < 40; i++) {
        await controller.createTopic({ name: `t${i}`, partitions: 10 })
        clock.advance(60_001)
        await new Promise((resolve) => setImmediate(resolve))
      }
      const before = withoutEpochs(controller.image.topics())
      assert.ok(opened.log.logStartOffset > 0)
      await close()
      assert.equal(snapshots().length, 2)
      const metadata = await load()
      assert.deepEqual(withoutEpochs(metadata.image.topics()), before)
    })

    it('are written at a close when many records came, and not for a few', async () => {
      await withTopics(1)
      await close()
      assert.deepEqual(snapshots(), [])
      const controller = await open()
      await controller.createTopic({ name: 'wide', partitions: 1000 })
      await close()
      assert.equal(snapshots().length, 1)
    })

    it('keep the voters of a quorum that can change', async () => {
      disk.makeFolder(metadataFolder)
      const crc32c = (bytes: Uint8Array): number => disk.addon.crc32c(bytes, 0)
      const control: KeptControl[] = [
        { type: 'KRaftVersion', value: { version: 0, kRaftVersion: 1 } },
        {
          type: 'Voters',
          value: {
            version: 0,
            voters: [
              {
                voterId: 1,
                voterDirectoryId: idOf('D'),
                endpoints: [{ name: 'CONTROLLER', host: 'localhost', port: 9093 }],
                kRaftVersionFeature: { minSupportedVersion: 0, maxSupportedVersion: 1 },
              },
            ],
          },
        },
      ]
      // As Kafka leaves a folder that it has formatted for such a quorum.
      const facts = { id: { endOffset: 0, epoch: 0 }, lastTimestamp: startMs, nowMs: startMs }
      const first = `${metadataFolder}/00000000000000000000-0000000000.checkpoint`
      disk.replaceFile(first, encodeSnapshot({ records: [], control }, facts, crc32c))
      await withTopics(2)
      await close()
      await takeSnapshot()
      const [, newest] = snapshots()
      const snapshot = decodeSnapshot(disk.readFile(`${metadataFolder}/${newest}`)!, crc32c, compressionCodecs)
      assert.deepEqual(snapshot.control, control)
      assert.match(disk.readText(`${metadataFolder}/quorum-state`)!, /"data_version":1/)
    })
  })

  describe('what another writer left', () => {
    const append = async (records: MetadataRecordInput[]): Promise<void> => {
      await load(async (metadata) => {
        await metadata.begin()
        await metadata.append(records)
      })
    }
    const feature = (level: number): MetadataRecordInput => ({
      type: 'FeatureLevelRecord',
      version: 0,
      value: { name: 'metadata.version', featureLevel: level },
    })
    const topic: MetadataRecordInput = { type: 'TopicRecord', version: 0, value: { name: 'half', topicId: idOf('H') } }

    it('a transaction that its leader did not end has no effect, and is ended by the next term', async () => {
      await append([feature(30), { type: 'BeginTransactionRecord', version: 0, value: {} }, topic])
      const controller = await open()
      assert.equal(controller.image.topic('half'), undefined)
      assert.equal(controller.image.inTransaction, false)
      await controller.createTopic({ name: 'whole' })
      await close()
      const { image } = await load()
      assert.deepEqual(
        [...image.topics()].map(({ name }) => name),
        ['whole'],
      )
    })

    it('the metadata of a newer Kafka is refused', async () => {
      await append([feature(31)])
      await assert.rejects(open(), { code: 'VARVE_FORMAT_TOO_NEW' })
    })

    it('the metadata of a cluster with other controllers is refused', async () => {
      await append([feature(30)])
      await assert.rejects(load(undefined, 2), { code: 'VARVE_UNSUPPORTED' })
      disk.replaceFile(
        `${metadataFolder}/quorum-state`,
        '{"leaderId":1,"leaderEpoch":9,"currentVoters":[{"voterId":1},{"voterId":2}],"data_version":0}',
      )
      // The log is newer: what its last leader said counts.
      await load()
    })

    it('records that do not fit are named, and nothing is written', async () => {
      const partition = {
        partitionId: 1,
        topicId: idOf('H'),
        replicas: [1],
        isr: [1],
        removingReplicas: [],
        addingReplicas: [],
      }
      await append([
        feature(30),
        topic,
        { type: 'PartitionRecord', version: 2, value: { ...partition, directories: [] } },
      ])
      await assert.rejects(load(), /topic "half" has no partition 0/)
    })

    it('a folder that Kafka has formatted and never started begins with its levels', async () => {
      disk.makeFolder(folder)
      const crc32c = (bytes: Uint8Array): number => disk.addon.crc32c(bytes, 0)
      const facts = { id: { endOffset: 0, epoch: 0 }, lastTimestamp: 0, nowMs: startMs }
      const records = [encodeMetadataRecord(feature(22))]
      disk.replaceFile(`${folder}/bootstrap.checkpoint`, encodeSnapshot({ records, control: [] }, facts, crc32c))
      const controller = await open()
      assert.deepEqual([...controller.image.features], [['metadata.version', 22]])
      await controller.createTopic({ name: 'orders' })
    })

    it('a record without a value is refused', async () => {
      await append([feature(30)])
      const { root, log } = openMetadataLog(folder, { disk, clock, newId })
      const builder = new BatchBuilder()
      builder.add({ value: null, timestamp: startMs })
      log.append(builder)
      await log.close()
      root.close(true)
      await assert.rejects(load(), { code: 'VARVE_CORRUPT' })
    })
  })
})
