/** What Kafka wrote into its own topics reads as Kafka's dump tool says, and is written again to the same bytes. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { readBatches } from '../../src/doors/record.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../src/protocol/consumer-protocol/consumer-protocol.ts'
import { type GroupRecord, groupRecords } from '../../src/protocol/group-log/group-records.ts'
import {
  decodeMetadataRecord,
  encodeMetadataRecord,
  type MetadataRecord,
} from '../../src/protocol/metadata-log/metadata-records.ts'
import { decodeQuorumRecord, encodeQuorumRecord } from '../../src/protocol/quorum-log/quorum-records.ts'
import { transactionRecords } from '../../src/protocol/transaction-log/transaction-records.ts'
import { assertSame } from './assert-same.ts'
import { goldenMetadataPath, goldenPath } from './golden-folders.ts'

const logName = '00000000000000000000.log'

interface Raw {
  readonly key: Buffer | null
  readonly value: Buffer | null
}

function recordsOf(path: string): { data: Raw[]; control: Raw[] } {
  const data: Raw[] = []
  const control: Raw[] = []
  for (const batch of readBatches(readFileSync(path))) {
    for (const { key, value } of batch) (batch.isControl ? control : data).push({ key, value })
  }
  return { data, control }
}

function expectedOf<T>(name: string): T[] {
  return readFileSync(goldenMetadataPath('expected', name), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
}

describe('records of __cluster_metadata-0 that Kafka wrote', () => {
  const files = [
    ['__cluster_metadata-0/00000000000000000000.log', '__cluster_metadata-0.jsonl', ['LeaderChange', 'LeaderChange']],
    [
      '__cluster_metadata-0/00000000000000000102-0000000002.checkpoint',
      'checkpoint.jsonl',
      ['SnapshotHeader', 'SnapshotFooter'],
    ],
    ['bootstrap.checkpoint', 'bootstrap.jsonl', ['SnapshotHeader', 'SnapshotFooter']],
  ] as const

  for (const [path, expectedName, controlTypes] of files) {
    it(`${path}: read as the dump tool reads them, written to the same bytes`, () => {
      const { data, control } = recordsOf(goldenMetadataPath(path))
      const expected = expectedOf<{ type: string; version: number; data: unknown }>(expectedName)
      assert.equal(data.length, expected.length)
      for (const [i, { key, value }] of data.entries()) {
        assert.equal(key, null)
        const record: MetadataRecord = decodeMetadataRecord(value!)
        const { type, version, data: fields } = expected[i]!
        assert.equal(
          record.type,
          type.toLowerCase().replace(/(?:^|_)(.)/g, (_, letter: string) => letter.toUpperCase()),
        )
        assert.equal(record.version, version)
        assertSame(record.value, fields, `${type} ${i}`)
        assert.deepEqual(encodeMetadataRecord(record), value)
      }
      const read = control.map(({ key, value }) => decodeQuorumRecord(key, value)!)
      assert.deepEqual(
        read.map(({ type }) => type),
        controlTypes,
      )
      for (const [i, record] of read.entries()) assert.deepEqual(encodeQuorumRecord(record), control[i])
    })
  }

  it('the leader of a node alone is itself, by its own vote', () => {
    const { control } = recordsOf(goldenMetadataPath(files[0][0]))
    const record = decodeQuorumRecord(control[0]!.key, control[0]!.value)
    assert.equal(record?.type, 'LeaderChange')
    assert.equal(record.value.leaderId, 1)
    assert.deepEqual(
      record.value.voters.map(({ voterId }) => voterId),
      [1],
    )
    assert.deepEqual(record.value.grantingVoters, record.value.voters)
  })
})

interface ExpectedKeyed {
  readonly key: { readonly type: string; readonly data: unknown }
  readonly payload: { readonly version: string; readonly data: Record<string, unknown> } | null
}

describe('records of __consumer_offsets that Kafka wrote', () => {
  const files = [
    ['kafka-4.3', goldenPath('clean', '__consumer_offsets-0', logName), 'kafka-4.3-__consumer_offsets-0.jsonl'],
    ['kafka-4.3-metadata', goldenMetadataPath('__consumer_offsets-0', logName), '__consumer_offsets-0.jsonl'],
  ] as const
  for (const [name, path, expectedName] of files) {
    it(`${name}: read as the dump tool reads them, written to the same bytes`, () => {
      const { data } = recordsOf(path)
      const expected = expectedOf<ExpectedKeyed>(expectedName)
      assert.equal(data.length, expected.length)
      for (const [i, { key, value }] of data.entries()) {
        const record = groupRecords.decode(key, value)
        assert.ok(record !== undefined)
        const { key: expectedKey, payload } = expected[i]!
        assert.equal(record.keyVersion, Number(expectedKey.type))
        assertSame(record.key, expectedKey.data, `${record.type} key ${i}`)
        assert.deepEqual(groupRecords.encodeKey(record.type, record.key as never, record.keyVersion), key)
        if (payload === null) {
          assert.equal(record.value, null)
          continue
        }
        assert.equal(record.valueVersion, Number(payload.version))
        assertSame(withMembersRead(record), payload.data, `${record.type} value ${i}`)
        assert.deepEqual(groupRecords.encodeValue(record.type, record.value as never, record.valueVersion!), value)
      }
    })
  }
})

/** The dump tool also reads what the members of a classic group said. Written again, that is the same too. */
function withMembersRead(record: GroupRecord): unknown {
  if (record.type !== 'GroupMetadata' || record.value === null) return record.value
  const members = record.value.members.map((member) => {
    const subscription = decodeSubscription(member.subscription)
    const assignment = decodeAssignment(member.assignment)
    assert.deepEqual(encodeSubscription(subscription, subscription.version), member.subscription)
    assert.deepEqual(encodeAssignment(assignment, assignment.version), member.assignment)
    return { ...member, subscription, assignment }
  })
  return { ...record.value, members }
}

describe('records of __transaction_state that Kafka wrote', () => {
  it('are read as the dump tool reads them, written to the same bytes', () => {
    const { data } = recordsOf(goldenPath('clean', '__transaction_state-0', logName))
    const expected = expectedOf<ExpectedKeyed>('kafka-4.3-__transaction_state-0.jsonl')
    assert.equal(data.length, expected.length)
    for (const [i, { key, value }] of data.entries()) {
      const record = transactionRecords.decode(key, value)
      assert.ok(record !== undefined && record.value !== null)
      const { key: expectedKey, payload } = expected[i]!
      assertSame(record.key, expectedKey.data, `key ${i}`)
      assertSame(record.value, payload!.data, `value ${i}`)
      assert.equal(record.valueVersion, Number(payload!.version))
      assert.deepEqual(transactionRecords.encodeKey('Transaction', record.key), key)
      assert.deepEqual(transactionRecords.encodeValue('Transaction', record.value, record.valueVersion), value)
    }
  })
})
