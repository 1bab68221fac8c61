import assert from 'node:assert/strict'
import { VarveError } from '../../../src/errors.ts'
import { decodeOffsetIndex, decodeTimeIndex } from '../../../src/storage/index-entries.ts'
import {
  decodeLeaderEpochs,
  decodeOffsetCheckpoint,
  encodeLeaderEpochs,
  encodeOffsetCheckpoint,
} from '../../../src/storage/kafka-checkpoint.ts'
import { decodeMetaProperties, encodeMetaProperties } from '../../../src/storage/meta-properties.ts'
import { decodePartitionMetadata, encodePartitionMetadata, isTopicId } from '../../../src/storage/partition-metadata.ts'
import {
  deletedFolderName,
  isTopicName,
  parsePartitionFolderName,
  parseSegmentFileName,
  partitionFolderName,
  segmentFileName,
} from '../../../src/storage/segment-names.ts'

const isCorrupt = (error: unknown) => error instanceof VarveError && error.code === 'VARVE_CORRUPT'

describe('offset checkpoints', () => {
  it('come back as they were written', () => {
    const entries = [
      { topic: 'a.b_c-d', partition: 0, offset: 0 },
      { topic: 'a.b_c-d', partition: 2 ** 31 - 1, offset: Number.MAX_SAFE_INTEGER },
    ]
    assert.deepEqual(decodeOffsetCheckpoint(encodeOffsetCheckpoint(entries)), entries)
    assert.equal(encodeOffsetCheckpoint([]), '0\n0\n')
    assert.deepEqual(decodeOffsetCheckpoint('0\n0\n'), [])
    assert.deepEqual(decodeOffsetCheckpoint(''), [])
  })

  it('are refused when anything is not as Kafka writes it, with the line', () => {
    const cases: [text: string, line: number][] = [
      ['0', 1],
      ['0\n', 2],
      ['\n', 1],
      ['1\n0\n', 1],
      ['0\n1\n', 2],
      ['0\n1\na 0 1', 3],
      ['0\n01\na 0 1\n', 2],
      ['0\n0\na 0 1\n', 2],
      ['0\n2\na 0 1\n', 2],
      ['0\n1\na 0\n', 3],
      ['0\n1\na 0 1 2\n', 3],
      ['0\n1\na  0 1\n', 3],
      ['0\n1\na 0 -1\n', 3],
      ['0\n1\na 0 +1\n', 3],
      ['0\n1\na 0 1e3\n', 3],
      ['0\n1\na 0 0x1\n', 3],
      ['0\n1\na 0 \n', 3],
      ['0\n1\na 00 1\n', 3],
      ['0\n1\na 0 9007199254740992\n', 3],
      ['0\n1\na 2147483648 1\n', 3],
      ['0\n1\na/b 0 1\n', 3],
      ['0\n1\n.. 0 1\n', 3],
      ['0\r\n1\r\na 0 1\r\n', 1],
      ['0\n2\na 0 1\na 0 2\n', 4],
    ]
    for (const [text, line] of cases)
      assert.throws(
        () => decodeOffsetCheckpoint(text),
        (error: unknown) => isCorrupt(error) && (error as VarveError).details.line === line,
        text,
      )
  })
})

describe('leader epoch files', () => {
  it('come back as they were written', () => {
    const entries = [
      { epoch: 0, startOffset: 0 },
      { epoch: 7, startOffset: 20 },
    ]
    assert.equal(encodeLeaderEpochs(entries), '0\n2\n0 0\n7 20\n')
    assert.deepEqual(decodeLeaderEpochs('0\n2\n0 0\n7 20\n'), entries)
  })

  it('are refused when an entry does not rise in both', () => {
    for (const text of ['0\n2\n1 0\n1 5\n', '0\n2\n1 5\n2 5\n', '0\n2\n2 0\n1 5\n', '0\n1\n-1 0\n', '0\n1\n0 0 0\n'])
      assert.throws(() => decodeLeaderEpochs(text), isCorrupt, text)
  })
})

describe('meta.properties', () => {
  it('is written as Java writes it', () => {
    const properties = { nodeId: 3, clusterId: 'a=b', directoryId: 'OzaazVK200KyVt8SfSuA5w' }
    const text = encodeMetaProperties(properties, Date.UTC(2026, 0, 5, 3, 4, 5))
    assert.equal(
      text,
      '#\n#Mon Jan 05 03:04:05 UTC 2026\nnode.id=3\ndirectory.id=OzaazVK200KyVt8SfSuA5w\nversion=1\ncluster.id=a\\=b\n',
    )
    assert.deepEqual(decodeMetaProperties(text), properties)
  })

  it('is read in any order, with spaces, escapes and unknown properties', () => {
    const text = '! note\r\n  cluster.id : x\\u0041\\:y\r\nversion 1\nsome\\ key=v\nnode.id=0\n\n'
    assert.deepEqual(decodeMetaProperties(text), { nodeId: 0, clusterId: 'xA:y', directoryId: undefined })
  })

  it('is refused without what we need', () => {
    const cases = [
      '',
      'version=1\nnode.id=1\n',
      'version=1\ncluster.id=a\n',
      'version=0\nnode.id=1\ncluster.id=a\n',
      'version=1\nnode.id=-1\ncluster.id=a\n',
      'version=1\nnode.id=2147483648\ncluster.id=a\n',
      'version=1\nnode.id=1\nnode.id=1\ncluster.id=a\n',
      'version=1\nnode.id=1\ncluster.id=\n',
      '=1\n',
    ]
    for (const text of cases) assert.throws(() => decodeMetaProperties(text), isCorrupt, text)
  })
})

describe('partition.metadata', () => {
  const id = 'OzaazVK200KyVt8SfSuA5w'

  it('holds exactly the topic id', () => {
    assert.equal(encodePartitionMetadata(id), `version: 0\ntopic_id: ${id}`)
    assert.equal(decodePartitionMetadata(`version: 0\ntopic_id: ${id}`), id)
    assert.equal(decodePartitionMetadata(`version: 0\ntopic_id: ${id}\n`), id)
  })

  it('is refused in any other form', () => {
    for (const text of [
      '',
      `version: 1\ntopic_id: ${id}`,
      `version: 0\ntopic_id: ${id.slice(1)}`,
      `version: 0\ntopic_id: ${id}x`,
      `topic_id: ${id}`,
      `version: 0\ntopic_id: ${id.slice(0, 21)}=`,
      `version: 0\ntopic_id: ${id}\n\n`,
    ])
      assert.throws(() => decodePartitionMetadata(text), isCorrupt, text)
    assert.throws(() => encodePartitionMetadata('short'), /VarveError: "short" is no topic id/)
    // The last character stands for two bits: others would spell the same id twice.
    assert.ok(!isTopicId(`${id.slice(0, 21)}x`))
  })
})

describe('names of files and folders', () => {
  it('of segments are 20 digits, a kind and perhaps a state', () => {
    assert.equal(segmentFileName(42, 'log'), '00000000000000000042.log')
    assert.equal(segmentFileName(42, 'txnindex', 'deleted'), '00000000000000000042.txnindex.deleted')
    assert.deepEqual(parseSegmentFileName('00000000000000000042.timeindex.swap'), {
      baseOffset: 42,
      kind: 'timeindex',
      state: 'swap',
    })
    const largest = segmentFileName(Number.MAX_SAFE_INTEGER, 'snapshot')
    assert.equal(parseSegmentFileName(largest)?.baseOffset, Number.MAX_SAFE_INTEGER)
    for (const name of [
      '42.log',
      '00000000000000000042',
      '00000000000000000042.logs',
      '00000000000000000042.log.gone',
      '00000000000000000042.log.deleted.deleted',
      '-0000000000000000042.log',
      'a00000000000000000042.log',
      '00009007199254740992.log',
      '99999999999999999999.log',
      'leader-epoch-checkpoint',
    ])
      assert.equal(parseSegmentFileName(name), undefined, name)
  })

  it('of topics can never lead out of the data folder', () => {
    for (const name of ['a', 'A.b_c-d', '...', 'x'.repeat(249), '__consumer_offsets'])
      assert.ok(isTopicName(name), name)
    for (const name of ['', '.', '..', 'a/b', '../a', 'a\0', 'a b', 'ä', 'x'.repeat(250), 'a\n']) {
      assert.ok(!isTopicName(name), name)
      assert.throws(() => partitionFolderName(name, 0), /VarveError/)
    }
  })

  it('of partition folders are taken apart at the last dash', () => {
    assert.deepEqual(parsePartitionFolderName('a-1-2'), { topic: 'a-1', partition: 2, deleted: false })
    assert.equal(partitionFolderName('a-1', 2), 'a-1-2')
    for (const name of ['a', 'a-', '-1', 'a-01', 'a-x', 'a-2147483648', 'a-1.', '.lock', 'a-1-delete', '..-1/'])
      assert.equal(parsePartitionFolderName(name), undefined, name)
  })

  it('of folders to be deleted fit 255 characters', () => {
    const unique = '0123456789abcdef'.repeat(2)
    assert.equal(deletedFolderName('orders', 3, unique), `orders-3.${unique}-delete`)
    const long = deletedFolderName('x'.repeat(249), 12, unique)
    assert.equal(long.length, 255)
    assert.equal(parsePartitionFolderName(long)?.deleted, true)
    assert.deepEqual(parsePartitionFolderName(`orders-3.${unique}-delete`), {
      topic: 'orders',
      partition: 3,
      deleted: true,
    })
  })
})

describe('index entries', () => {
  const offsetIndex = (...entries: [number, number][]) => {
    const bytes = Buffer.alloc(entries.length * 8)
    entries.forEach(([offset, position], i) => {
      bytes.writeInt32BE(offset, i * 8)
      bytes.writeInt32BE(position, i * 8 + 4)
    })
    return bytes
  }
  const timeIndex = (...entries: [number, number][]) => {
    const bytes = Buffer.alloc(entries.length * 12)
    entries.forEach(([timestamp, offset], i) => {
      bytes.writeBigInt64BE(BigInt(timestamp), i * 12)
      bytes.writeInt32BE(offset, i * 12 + 8)
    })
    return bytes
  }

  it('are relative to the base of the segment', () => {
    assert.deepEqual(decodeOffsetIndex(offsetIndex([3, 4100], [256, 65_536]), 1000), [
      { offset: 1003, position: 4100 },
      { offset: 1256, position: 65_536 },
    ])
    assert.deepEqual(decodeTimeIndex(timeIndex([1_700_000_000_000, 0], [1_700_000_000_256, 256]), 1000), [
      { timestamp: 1_700_000_000_000, offset: 1000 },
      { timestamp: 1_700_000_000_256, offset: 1256 },
    ])
  })

  it('end where the zeros of a preallocated file begin', () => {
    const tail = Buffer.alloc(8 * 5)
    assert.equal(decodeOffsetIndex(Buffer.concat([offsetIndex([3, 65_536]), tail]), 0).length, 1)
    assert.equal(decodeOffsetIndex(tail, 0).length, 0)
    assert.equal(decodeTimeIndex(Buffer.concat([timeIndex([65_536, 0]), Buffer.alloc(24)]), 0).length, 1)
    assert.equal(decodeTimeIndex(Buffer.alloc(0), 0).length, 0)
  })

  it('are refused when they do not rise, or the end is cut', () => {
    assert.throws(() => decodeOffsetIndex(offsetIndex([3, 10], [3, 20]), 0), isCorrupt)
    assert.throws(() => decodeOffsetIndex(offsetIndex([3, 10], [4, 10]), 0), isCorrupt)
    assert.throws(() => decodeOffsetIndex(offsetIndex([-1, 10]), 0), isCorrupt)
    assert.throws(() => decodeOffsetIndex(offsetIndex([3, 0], [4, 10]), 0), isCorrupt)
    assert.throws(() => decodeOffsetIndex(offsetIndex([3, 10], [4, 17]).subarray(0, 15), 0), isCorrupt)
    assert.throws(() => decodeOffsetIndex(offsetIndex([3, 10], [0, 0], [4, 17]), 0), isCorrupt)
    assert.throws(() => decodeTimeIndex(timeIndex([5, 1], [5, 2]), 0), isCorrupt)
    assert.throws(() => decodeTimeIndex(timeIndex([5, 1], [6, 1]), 0), isCorrupt)
    assert.throws(() => decodeTimeIndex(timeIndex([-1, 1], [6, 1]), 0), isCorrupt)
  })
})
