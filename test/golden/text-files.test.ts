import assert from 'node:assert/strict'
import {
  cleanerCheckpointName,
  decodeOffsetCheckpoint,
  encodeOffsetCheckpoint,
  logStartCheckpointName,
  recoveryPointCheckpointName,
  replicationCheckpointName,
} from '../../src/storage/kafka-checkpoint.ts'
import { decodeMetaProperties, encodeMetaProperties } from '../../src/storage/meta-properties.ts'
import { decodePartitionMetadata, encodePartitionMetadata } from '../../src/storage/partition-metadata.ts'
import { parsePartitionFolderName, parseSegmentFileName, partitionFolderName } from '../../src/storage/segment-names.ts'
import { goldenBytes, goldenFiles, goldenPartitions, goldenStates, readExpected } from './golden-folders.ts'

describe("Kafka's text files", () => {
  for (const state of goldenStates) {
    it(`${state}: offset checkpoints encode to the same bytes`, () => {
      const names = [
        recoveryPointCheckpointName,
        replicationCheckpointName,
        logStartCheckpointName,
        cleanerCheckpointName,
      ]
      for (const name of names) {
        const text = goldenBytes(state, name)!.toString()
        const entries = decodeOffsetCheckpoint(text)
        if (text !== '') assert.equal(encodeOffsetCheckpoint(entries), text, name)
        for (const { topic, partition } of entries)
          assert.ok(goldenPartitions(state).includes(partitionFolderName(topic, partition)))
      }
    })

    it(`${state}: meta.properties and partition.metadata encode to the same bytes`, () => {
      const text = goldenBytes(state, 'meta.properties')!.toString()
      const written = Date.parse(/^#(\w.*)$/m.exec(text)![1]!)
      assert.equal(encodeMetaProperties(decodeMetaProperties(text), written), text)
      for (const partition of goldenPartitions(state)) {
        const metadata = goldenBytes(state, partition, 'partition.metadata')!
        assert.equal(metadata.length, 43)
        assert.equal(encodePartitionMetadata(decodePartitionMetadata(metadata.toString())), metadata.toString())
      }
    })

    it(`${state}: every name in a data folder is known`, () => {
      for (const partition of goldenPartitions(state)) {
        assert.equal(parsePartitionFolderName(partition)?.deleted, false)
        for (const name of goldenFiles(state, partition))
          assert.ok(
            ['leader-epoch-checkpoint', 'partition.metadata'].includes(name) || parseSegmentFileName(name),
            name,
          )
      }
    })
  }

  it('one topic has one id in all its partitions', () => {
    const idOf = (partition: string) =>
      decodePartitionMetadata(goldenBytes('clean', partition, 'partition.metadata')!.toString())
    assert.equal(idOf('idempotent-0'), idOf('idempotent-1'))
    assert.notEqual(idOf('idempotent-0'), idOf('txn-0'))
  })

  it('after a clean close the recovery point of every partition is its log end', () => {
    const points = decodeOffsetCheckpoint(goldenBytes('clean', recoveryPointCheckpointName)!.toString())
    for (const { topic, partition, offset } of points)
      assert.equal(offset, readExpected('clean', partitionFolderName(topic, partition)).logEndOffset)
  })
})
