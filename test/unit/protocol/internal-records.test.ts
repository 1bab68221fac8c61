import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { ErrorCode } from '../../../src/errors.ts'
import { VarveError } from '../../../src/errors.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../../src/protocol/consumer-protocol/consumer-protocol.ts'
import { groupRecords } from '../../../src/protocol/group-log/group-records.ts'
import { decodeInternalRecord, internalTopicOf, internalTopics } from '../../../src/protocol/internal-record.ts'
import { decodeMetadataRecord, encodeMetadataRecord } from '../../../src/protocol/metadata-log/metadata-records.ts'
import { decodeQuorumRecord, encodeQuorumRecord } from '../../../src/protocol/quorum-log/quorum-records.ts'

function fails(action: () => unknown, code: ErrorCode, message: RegExp): void {
  assert.throws(action, (error) => {
    assert.ok(error instanceof VarveError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  })
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('a metadata record', () => {
  const topicId = 'N-soVF1LRRm9u7vkjdrzzw'

  it('stands in a frame of three numbers', () => {
    const bytes = encodeMetadataRecord({ type: 'TopicRecord', version: 0, value: { name: 'a', topicId } })
    assert.deepEqual(bytes, hex('01 02 00 02 61 37eb28545d4b4519bdbbbbe48ddaf3cf 00'))
    assert.deepEqual(decodeMetadataRecord(bytes), { type: 'TopicRecord', version: 0, value: { name: 'a', topicId } })
  })

  it('is refused when its frame, its type or its version is not known', () => {
    fails(() => decodeMetadataRecord(hex('02 02 00')), 'VARVE_UNSUPPORTED_VERSION', /frame version 2; 1 is known/)
    fails(() => decodeMetadataRecord(hex('01 63 00')), 'VARVE_UNSUPPORTED_VERSION', /type 99/)
    fails(() => decodeMetadataRecord(hex('01 06 00')), 'VARVE_UNSUPPORTED_VERSION', /type 6/)
    fails(
      () => decodeMetadataRecord(hex('01 02 05')),
      'VARVE_UNSUPPORTED_VERSION',
      /TopicRecord has no version 5; version 0 is/,
    )
    fails(() => decodeMetadataRecord(hex('')), 'VARVE_INVALID_MESSAGE', /frame .* at byte 0/)
    fails(
      () => decodeMetadataRecord(hex('01 14 00 00 00')),
      'VARVE_INVALID_MESSAGE',
      /NoOpRecord .* 1 bytes are left over/,
    )
  })
})

describe('a record of a group', () => {
  const key = { group: 'g', topic: 't', partition: 3 }

  it('has its type before the key and its version before the value', () => {
    const keyBytes = groupRecords.encodeKey('OffsetCommit', key)
    assert.deepEqual(keyBytes, hex('0001 0001 67 0001 74 00000003'))
    const value = { offset: 9, metadata: 'm', commitTimestamp: 5 }
    const valueBytes = groupRecords.encodeValue('OffsetCommit', value, 3)
    assert.deepEqual(valueBytes, hex('0003 0000000000000009 ffffffff 0001 6d 0000000000000005'))
    assert.deepEqual(groupRecords.decode(keyBytes, valueBytes), {
      type: 'OffsetCommit',
      keyVersion: 1,
      key,
      valueVersion: 3,
      value: { ...value, leaderEpoch: -1, expireTimestamp: -1, topicId: 'AAAAAAAAAAAAAAAAAAAAAA' },
    })
  })

  it('has the same key in version 0, of old', () => {
    const bytes = groupRecords.encodeKey('OffsetCommit', key, 0)
    assert.equal(groupRecords.decode(bytes, null)?.type, 'OffsetCommit')
    assert.equal(groupRecords.decode(bytes, null)?.keyVersion, 0)
  })

  it('is a tombstone when its value is null', () => {
    const record = groupRecords.decode(groupRecords.encodeKey('GroupMetadata', { group: 'g' }), null)
    assert.deepEqual(record, {
      type: 'GroupMetadata',
      keyVersion: 2,
      key: { group: 'g' },
      valueVersion: null,
      value: null,
    })
  })

  it('is passed by when its type is not known', () => {
    assert.equal(groupRecords.decode(hex('000b 0001 67'), null), undefined)
    assert.equal(groupRecords.decode(hex('7fff'), Buffer.alloc(0)), undefined)
  })

  it('is refused without a version, or with one that is not known', () => {
    const keyBytes = groupRecords.encodeKey('OffsetCommit', key)
    fails(() => groupRecords.decode(null, null), 'VARVE_INVALID_MESSAGE', /its key is null/)
    fails(() => groupRecords.decode(hex('00'), null), 'VARVE_INVALID_MESSAGE', /its key has no version/)
    fails(() => groupRecords.decode(hex('ffff'), null), 'VARVE_INVALID_MESSAGE', /the version of its key is -1/)
    fails(() => groupRecords.decode(keyBytes, hex('')), 'VARVE_INVALID_MESSAGE', /its value has no version/)
    fails(
      () => groupRecords.decode(keyBytes, hex('0009')),
      'VARVE_UNSUPPORTED_VERSION',
      /no version 9; versions 0 to 4/,
    )
    fails(() => groupRecords.encodeValue('OffsetCommit', {} as never, 5), 'VARVE_UNSUPPORTED_VERSION', /version 5/)
    fails(() => groupRecords.encodeKey('OffsetCommit', key, 2), 'VARVE_UNSUPPORTED_VERSION', /version 2/)
  })
})

describe('what consumers tell each other', () => {
  it('begins with its version', () => {
    const bytes = encodeSubscription({ topics: ['t'] }, 0)
    assert.deepEqual(bytes, hex('0000 00000001 0001 74 ffffffff'))
    assert.equal(decodeSubscription(bytes).version, 0)
    const assignment = encodeAssignment({ assignedPartitions: [{ topic: 't', partitions: [0, 2] }] })
    assert.deepEqual(assignment, hex('0003 00000001 0001 74 00000002 00000000 00000002 ffffffff'))
    assert.deepEqual(decodeAssignment(assignment).assignedPartitions, [{ topic: 't', partitions: [0, 2] }])
  })

  it('is read as the highest known version when a newer consumer wrote it', () => {
    const bytes = Buffer.concat([encodeSubscription({ topics: ['t'], generationId: 4, rackId: 'r' }), hex('abcdef')])
    bytes.writeInt16BE(9)
    const { version, topics, generationId, rackId } = decodeSubscription(bytes)
    assert.deepEqual(
      { version, topics, generationId, rackId },
      { version: 9, topics: ['t'], generationId: 4, rackId: 'r' },
    )
  })

  it('is refused without a version', () => {
    for (const bytes of ['', '00', 'ffff'])
      fails(() => decodeAssignment(hex(bytes)), 'VARVE_INVALID_MESSAGE', /ConsumerProtocolAssignment cannot be read/)
  })
})

describe('a control record of the metadata log', () => {
  it('is known by its key; its value begins with its version', () => {
    const { key, value } = encodeQuorumRecord({
      type: 'SnapshotHeader',
      value: { version: 0, lastContainedLogTimestamp: 7 },
    })
    assert.deepEqual([key, value], [hex('0000 0003'), hex('0000 0000000000000007 00')])
    assert.deepEqual(decodeQuorumRecord(key, value), {
      type: 'SnapshotHeader',
      value: { version: 0, lastContainedLogTimestamp: 7 },
    })
  })

  it('is none of ours for a transaction marker', () => {
    assert.equal(decodeQuorumRecord(hex('0000 0001'), hex('0000 00000000')), undefined)
  })

  it('is refused without a type or a version', () => {
    fails(() => decodeQuorumRecord(null, null), 'VARVE_INVALID_MESSAGE', /its key/)
    fails(() => decodeQuorumRecord(hex('0000'), null), 'VARVE_INVALID_MESSAGE', /its key/)
    fails(() => decodeQuorumRecord(hex('00000002'), null), 'VARVE_INVALID_MESSAGE', /its value/)
    fails(() => decodeQuorumRecord(hex('00000002'), hex('0007')), 'VARVE_UNSUPPORTED_VERSION', /version 7/)
  })
})

describe('records of internal topics', () => {
  it('are known by the name of the folder', () => {
    assert.equal(internalTopicOf('__consumer_offsets-49'), '__consumer_offsets')
    for (const name of ['__consumer_offsets', '__consumer_offsets-x', '__consumer_offsets2-0', 'orders-0'])
      assert.equal(internalTopicOf(name), undefined)
  })

  it('keep the bytes of members that cannot be read', () => {
    const member = { memberId: 'm', clientId: 'c', clientHost: 'h', sessionTimeout: 1 }
    const odd = { ...member, subscription: hex('00'), assignment: encodeAssignment({ assignedPartitions: [] }) }
    const group = { protocolType: 'consumer', generation: 1, protocol: null, leader: null, members: [odd] }
    const key = groupRecords.encodeKey('GroupMetadata', { group: 'g' })
    const value = groupRecords.encodeValue('GroupMetadata', group, 3)
    const read = decodeInternalRecord('__consumer_offsets', { key, value }, false)
    assert.ok(read !== undefined)
    const { members } = read.value as { members: { subscription: unknown; assignment: { version: number } }[] }
    assert.deepEqual(members[0]?.subscription, hex('00'))
    assert.equal(members[0]?.assignment.version, 3)
  })

  it('of any bytes are read or refused, nothing else', () => {
    const bytes = fc.option(fc.uint8Array({ maxLength: 80 }))
    fc.assert(
      fc.property(fc.constantFrom(...internalTopics), bytes, bytes, fc.boolean(), (topic, key, value, isControl) => {
        try {
          decodeInternalRecord(topic, { key, value }, isControl)
        } catch (error) {
          assert.ok(error instanceof VarveError, String(error))
          assert.match(error.code, /^VARVE_(?:INVALID_MESSAGE|UNSUPPORTED_VERSION)$/)
        }
      }),
      { numRuns: 500 },
    )
  })
})
