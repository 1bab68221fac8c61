/**
 * Every parser of bytes that come from a disk, fed with valid files that were damaged: changed, cut, stretched, pieced
 * together anew, and with their checksums mended, so that what lies behind those is reached too.
 *
 * What must hold: a parser answers with a value or with an error of ours, in bounded time; and a value that it answers
 * is one that its writer can write and the parser reads back the same.
 *
 * `VARVE_FUZZ_SECONDS` (as `npm run fuzz parsers 600` sets it) runs each for so long, on new seeds.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { crc32c } from '../../src/base/crc32c.ts'
import { compressionCodecs } from '../../src/env/node/codecs/index.ts'
import { type ErrorCode, VarveError } from '../../src/errors.ts'
import { decodeProducerSnapshot, encodeProducerSnapshot } from '../../src/log/producer-snapshot.ts'
import { type ProducerEntry, ProducerStates } from '../../src/log/producer-states.ts'
import {
  decodeTransactionIndex,
  encodeTransactionIndex,
  type TransactionIndexEntry,
} from '../../src/log/transaction-index.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { crcStart, HeaderField, headerBytes, lengthOverhead } from '../../src/record/batch-header.ts'
import { decodeTransactionMarker, encodeTransactionMarker } from '../../src/record/control-record.ts'
import { readBatches } from '../../src/record/read-batches.ts'
import { decodeOffsetIndex, decodeTimeIndex } from '../../src/storage/index-entries.ts'
import {
  decodeLeaderEpochs,
  decodeOffsetCheckpoint,
  encodeLeaderEpochs,
  encodeOffsetCheckpoint,
} from '../../src/storage/kafka-checkpoint.ts'
import { decodeMetaProperties, encodeMetaProperties } from '../../src/storage/meta-properties.ts'
import { decodePartitionMetadata, encodePartitionMetadata } from '../../src/storage/partition-metadata.ts'
import { type Checkpoint, planCheckpointWrite, readCheckpoint } from '../../src/storage/varve-checkpoint.ts'

const longSeconds = Number(process.env.VARVE_FUZZ_SECONDS ?? 0)

interface Format {
  readonly name: string
  /** Whole files as we write them. */
  readonly files: readonly Uint8Array[]
  /** Makes the checksums right again, where there are any; must take any bytes. */
  readonly mend?: (bytes: Uint8Array) => void
  readonly decode: (bytes: Uint8Array) => unknown
  /** The file that holds a decoded value; left out where there is no writer in TypeScript. */
  readonly encode?: (value: never) => Uint8Array
  /** Besides VARVE_CORRUPT. */
  readonly alsoRefusedAs?: readonly ErrorCode[]
}

// ---- damage

type Damage = (bytes: Uint8Array) => Uint8Array

const joined = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

/** A place in a file of any length. */
const place = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
const at = (bytes: Uint8Array, share: number): number => Math.floor(share * bytes.length)

const interesting = fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x30, 0x39, 0x0a, 0x20, 0x2d)
const setByte = fc.tuple(place, fc.oneof(interesting, fc.nat(255))).map(
  ([where, value]): Damage =>
    (bytes) => {
      const changed = bytes.slice()
      if (changed.length > 0) changed[at(changed, where)] = value
      return changed
    },
)
const flipBit = fc.tuple(place, fc.nat(7)).map(
  ([where, bit]): Damage =>
    (bytes) => {
      const changed = bytes.slice()
      if (changed.length > 0) changed[at(changed, where)]! ^= 1 << bit
      return changed
    },
)
const extremes = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff, 0x1_0000, 0x0020_0000]
const setWord = fc.tuple(place, fc.constantFrom(...extremes)).map(
  ([where, value]): Damage =>
    (bytes) => {
      const changed = bytes.slice()
      if (changed.length >= 4)
        new DataView(changed.buffer).setUint32(Math.min(at(changed, where), changed.length - 4), value)
      return changed
    },
)
const cut = place.map(
  (where): Damage =>
    (bytes) =>
      bytes.slice(0, at(bytes, where)),
)
const insert = fc.tuple(place, fc.uint8Array({ maxLength: 40 })).map(
  ([where, more]): Damage =>
    (bytes) => {
      const middle = at(bytes, where)
      return joined(bytes.subarray(0, middle), more, bytes.subarray(middle))
    },
)
const remove = fc.tuple(place, fc.nat(60)).map(
  ([where, count]): Damage =>
    (bytes) => {
      const from = at(bytes, where)
      return joined(bytes.subarray(0, from), bytes.subarray(from + count))
    },
)
const repeat = fc.tuple(place, place).map(
  ([from, to]): Damage =>
    (bytes) => {
      const [first, last] = [at(bytes, Math.min(from, to)), at(bytes, Math.max(from, to))]
      return joined(bytes.subarray(0, last), bytes.subarray(first))
    },
)
const damages = fc.array(fc.oneof(setByte, flipBit, setWord, cut, insert, remove, repeat), { maxLength: 6 })

// ---- the formats

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const asText = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

const entry: ProducerEntry = {
  producerId: 7n,
  producerEpoch: 1,
  lastSequence: 41,
  lastOffset: 99,
  offsetDelta: 3,
  timestamp: 1_700_000_000_000,
  coordinatorEpoch: -1,
  transactionFirstOffset: 90,
}
const aborted: TransactionIndexEntry[] = [
  { producerId: 7n, firstOffset: 3, lastOffset: 9, lastStableOffset: 10 },
  { producerId: 8n, firstOffset: 5, lastOffset: 20, lastStableOffset: 15 },
]
const checkpoint: Checkpoint = {
  kafkaFiles: [{ name: 'recovery-point-offset-checkpoint', crc: 0xdead_beef }],
  logs: ['orders-0', 'größe-1'].map((name) => ({
    name,
    recoveryPoint: 1000,
    segmentBaseOffset: 900,
    segmentPosition: 4096,
    logStartOffset: 10,
    highWatermark: 1000,
    maxTimestamp: 1_700_000_000_000,
    maxTimestampOffset: 950,
    indexEntries: 3,
    indexCrc: 0xffff_ffff,
    timeIndexEntries: 2,
    timeIndexCrc: 0x8000_0001,
    topicCrc: 0xdead_0001,
  })),
}

function checkpointFile(): Uint8Array {
  const first = planCheckpointWrite(checkpoint, undefined)
  const second = planCheckpointWrite({ ...checkpoint, logs: checkpoint.logs.slice(1) }, first.file)
  const bytes = first.bytes.slice()
  bytes.set(second.bytes, second.position)
  return bytes
}

function mendCheckpoint(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (const slot of [0, bytes.length >= 20 ? view.getUint32(16) : 0, Math.floor(bytes.length / 2)]) {
    if (slot + 36 > bytes.length) continue
    view.setUint32(slot + 12, crc32c(bytes.subarray(slot, slot + 12)))
    const payload = bytes.subarray(slot + 36, slot + 36 + view.getUint32(slot + 20))
    view.setUint32(slot + 32, crc32c(payload, crc32c(bytes.subarray(slot + 16, slot + 32))))
  }
}

function batches(codec: number): Uint8Array {
  const builder = new BatchBuilder({ crc32c, codec: compressionCodecs[codec] })
  for (let i = 0; i < 5; i += 1) {
    builder.add({
      key: i % 2 === 0 ? null : `k${i}`,
      value: 'v'.repeat(40 * i),
      timestamp: i,
      headers: { h: 'x', n: null },
    })
  }
  const first = builder.build({ baseOffset: 100 })
  builder.reset()
  builder.setProducer({ producerId: 9n, producerEpoch: 2, baseSequence: 5, transactional: true })
  builder.add({ ...encodeTransactionMarker({ type: 'abort', coordinatorEpoch: 3 }), timestamp: 9 })
  return joined(first, builder.build({ baseOffset: 105, control: true }))
}

function mendBatches(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let position = 0; position + headerBytes <= bytes.length; ) {
    const left = bytes.length - position
    let size = view.getInt32(position + HeaderField.length) + lengthOverhead
    if (size < headerBytes || size > left) {
      size = left
      view.setInt32(position + HeaderField.length, size - lengthOverhead)
    }
    view.setUint32(position + HeaderField.crc, crc32c(bytes.subarray(position + crcStart, position + size)))
    position += size
  }
}

function decodeBatches(bytes: Uint8Array): unknown {
  const found: unknown[] = []
  for (const batch of readBatches(bytes, { crc32c, codecs: compressionCodecs })) {
    for (const record of batch) {
      assert.ok(record.offset >= batch.baseOffset && record.offset <= batch.lastOffset, 'an offset of its batch')
      found.push(record.key?.length, record.value?.length, record.headers)
      if (batch.isControl) decodeTransactionMarker(record)
    }
  }
  return found
}

const formats: Format[] = [
  {
    name: 'varve-checkpoint',
    files: [checkpointFile(), planCheckpointWrite({ kafkaFiles: [], logs: [] }, undefined).bytes],
    mend: mendCheckpoint,
    decode: (bytes) => readCheckpoint(bytes).checkpoint,
    encode: (value: Checkpoint) => planCheckpointWrite(value, undefined).bytes,
    alsoRefusedAs: ['VARVE_FORMAT_TOO_NEW'],
  },
  {
    name: 'recovery-point-offset-checkpoint',
    files: [
      text(encodeOffsetCheckpoint([])),
      text(
        encodeOffsetCheckpoint([
          { topic: 'orders', partition: 0, offset: 12 },
          { topic: 'a.b_c-d', partition: 7, offset: Number.MAX_SAFE_INTEGER },
        ]),
      ),
    ],
    decode: (bytes) => decodeOffsetCheckpoint(asText(bytes)),
    encode: (value: Parameters<typeof encodeOffsetCheckpoint>[0]) => text(encodeOffsetCheckpoint(value)),
  },
  {
    name: 'leader-epoch-checkpoint',
    files: [
      text(
        encodeLeaderEpochs([
          { epoch: 0, startOffset: 0 },
          { epoch: 5, startOffset: 1000 },
        ]),
      ),
    ],
    decode: (bytes) => decodeLeaderEpochs(asText(bytes)),
    encode: (value: Parameters<typeof encodeLeaderEpochs>[0]) => text(encodeLeaderEpochs(value)),
  },
  {
    name: 'producer snapshot',
    files: [
      encodeProducerSnapshot([]),
      encodeProducerSnapshot([entry, { ...entry, producerId: 8n, transactionFirstOffset: -1 }]),
    ],
    mend: (bytes) => {
      if (bytes.length >= 6) new DataView(bytes.buffer, bytes.byteOffset).setUint32(2, crc32c(bytes.subarray(6)))
    },
    decode: (bytes) => {
      const entries = decodeProducerSnapshot(bytes)
      new ProducerStates(entries).lastStableOffset(Number.MAX_SAFE_INTEGER)
      return entries
    },
    encode: encodeProducerSnapshot,
  },
  {
    name: 'transaction index',
    files: [encodeTransactionIndex(aborted)],
    decode: decodeTransactionIndex,
    encode: encodeTransactionIndex,
  },
  {
    name: 'offset index',
    files: [Uint8Array.of(0, 0, 0, 69, 0, 0, 0x10, 0x32, 0, 0, 0, 99, 0, 0, 0x20, 0x32)],
    decode: (bytes) => decodeOffsetIndex(bytes, 1000),
  },
  {
    name: 'time index',
    files: [
      Uint8Array.of(0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0, 0, 0, 0, 69, 0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 9, 0, 0, 0, 99),
    ],
    decode: (bytes) => decodeTimeIndex(bytes, 1000),
  },
  {
    name: 'meta.properties',
    files: [text(encodeMetaProperties({ nodeId: 3, clusterId: 'a=b:c', directoryId: 'x'.repeat(22) }, 0))],
    decode: (bytes) => decodeMetaProperties(asText(bytes)),
  },
  {
    name: 'partition.metadata',
    files: [text(encodePartitionMetadata(`${'a'.repeat(21)}A`))],
    decode: (bytes) => decodePartitionMetadata(asText(bytes)),
    encode: (value: string) => text(encodePartitionMetadata(value)),
  },
  ...compressionCodecs
    .filter(({ id }) => id === 0 || id === 1 || id === 2 || id === 3)
    .map(
      ({ id, name }): Format => ({
        name: `record batches, ${name}`,
        files: [batches(id)],
        mend: mendBatches,
        decode: decodeBatches,
        alsoRefusedAs: ['VARVE_UNSUPPORTED'],
      }),
    ),
]

describe('damaged files', () => {
  for (const { name, files, mend, decode, encode, alsoRefusedAs = [] } of formats) {
    it(`of ${name} are refused or read, never more`, function () {
      this.timeout(longSeconds > 0 ? longSeconds * 1000 + 60_000 : 20_000)
      let refused = 0
      let taken = 0
      const property = fc.property(fc.nat(files.length - 1), damages, fc.boolean(), (index, list, mended) => {
        let bytes = files[index]!
        for (const damage of list) bytes = damage(bytes)
        bytes = bytes.slice()
        if (mended) mend?.(bytes)
        let value: unknown
        try {
          value = decode(bytes)
        } catch (error) {
          if (!(error instanceof VarveError)) throw error
          assert.ok(error.code === 'VARVE_CORRUPT' || alsoRefusedAs.includes(error.code), error.message)
          refused += 1
          return
        }
        taken += 1
        if (encode !== undefined) assert.deepEqual(decode(encode(value as never)), value)
      })
      fc.assert(
        property,
        longSeconds > 0
          ? { numRuns: Number.POSITIVE_INFINITY, interruptAfterTimeLimit: longSeconds * 1000 }
          : { numRuns: 2000, interruptAfterTimeLimit: 2000, seed: 20_260_101 },
      )
      if (longSeconds > 0) console.log(`      ${refused + taken} files: ${refused} refused, ${taken} read`)
      assert.ok(refused > 0, 'some damage was found')
      assert.ok(taken > 0, 'some files were still good')
    })
  }
})
