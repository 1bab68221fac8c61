/**
 * A `.checkpoint` file: the records of a metadata image in one file, named by the offset that it reaches to and the term
 * of the last record in it. Control batches with a header and a footer stand around the records; a file without its
 * footer is torn. Offsets inside begin at 0. Pure.
 */

import type { CompressionCodecs } from '../env/codecs.ts'
import { VarveError } from '../errors.ts'
import { decodeQuorumRecord, encodeQuorumRecord, type QuorumRecord } from '../protocol/quorum-log/quorum-records.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import { readBatches } from '../record/read-batches.ts'
import type { Crc32c } from '../record/record-types.ts'

/** What a snapshot covers. */
export interface SnapshotId {
  /** Exclusive: the first offset of the log that the snapshot does not hold. */
  readonly endOffset: number
  /** Leader epoch of the last record that it holds. */
  readonly epoch: number
}

/** Control records that a snapshot repeats, of a quorum whose voters can change (KIP-853). */
export type KeptControl = Extract<QuorumRecord, { type: 'KRaftVersion' | 'Voters' }>

export interface Snapshot {
  /** Values of the metadata records. */
  readonly records: readonly Uint8Array[]
  readonly control: readonly KeptControl[]
}

/** A batch of a snapshot: small enough that a reader holds it easily. */
const snapshotBatchBytes = 1024 * 1024

/** `00000000000000000102-0000000002.checkpoint` */
export function snapshotName({ endOffset, epoch }: SnapshotId): string {
  return `${String(endOffset).padStart(20, '0')}-${String(epoch).padStart(10, '0')}.checkpoint`
}

/** What a file name says; undefined when it is none of a snapshot. */
export function parseSnapshotName(name: string): SnapshotId | undefined {
  const match = /^([0-9]{20})-([0-9]{10})\.checkpoint$/.exec(name)
  if (match === null) return undefined
  const [endOffset, epoch] = [Number(match[1]), Number(match[2])]
  return Number.isSafeInteger(endOffset) && epoch <= 0x7fff_ffff ? { endOffset, epoch } : undefined
}

export interface SnapshotFacts {
  readonly id: SnapshotId
  /** Of the last batch that it covers. */
  readonly lastTimestamp: number
  readonly nowMs: number
}

/** The file's bytes. */
export function encodeSnapshot(
  { records, control }: { records: Iterable<Uint8Array>; control: readonly KeptControl[] },
  { id, lastTimestamp, nowMs }: SnapshotFacts,
  crc32c: Crc32c,
): Buffer {
  const batches: Buffer[] = []
  const builder = new BatchBuilder({ crc32c, maxBytes: snapshotBatchBytes * 2 })
  let nextOffset = 0
  const flush = (isControl: boolean): void => {
    const { recordCount } = builder
    if (recordCount === 0) return
    batches.push(builder.build({ baseOffset: nextOffset, leaderEpoch: id.epoch, control: isControl }))
    nextOffset += recordCount
    builder.reset()
  }
  const header = { version: 0, lastContainedLogTimestamp: lastTimestamp }
  builder.add({ ...encodeQuorumRecord({ type: 'SnapshotHeader', value: header }), timestamp: nowMs })
  for (const record of control) builder.add({ ...encodeQuorumRecord(record), timestamp: nowMs })
  flush(true)
  for (const value of records) {
    const record = { value, timestamp: nowMs }
    if (builder.byteLength + builder.sizeOf(record) > snapshotBatchBytes) flush(false)
    builder.add(record)
  }
  flush(false)
  builder.add({ ...encodeQuorumRecord({ type: 'SnapshotFooter', value: { version: 0 } }), timestamp: nowMs })
  flush(true)
  return Buffer.concat(batches)
}

/**
 * What a file holds, every checksum verified.
 * @throws VARVE_CORRUPT for one that is torn or damaged, VARVE_INVALID_MESSAGE.
 */
export function decodeSnapshot(bytes: Uint8Array, crc32c: Crc32c, codecs: CompressionCodecs): Snapshot {
  const records: Uint8Array[] = []
  const control: KeptControl[] = []
  let begun = false
  let ended = false
  for (const batch of readBatches(bytes, { crc32c, codecs })) {
    for (const { key, value } of batch) {
      if (ended) throw torn('something stands behind its footer')
      if (!batch.isControl) {
        if (!begun) throw torn('it begins without a header')
        if (value === null) throw torn('a record of it has no value')
        records.push(value)
        continue
      }
      const record = decodeQuorumRecord(key, value)
      if (record?.type === 'SnapshotHeader') begun = true
      else if (record?.type === 'SnapshotFooter') ended = begun
      else if (record?.type === 'KRaftVersion' || record?.type === 'Voters') control.push(record)
    }
  }
  if (!ended) throw torn('its footer is missing')
  return { records, control }
}

function torn(reason: string): VarveError {
  return new VarveError('VARVE_CORRUPT', `A snapshot of the metadata cannot be used: ${reason}.`, {
    details: { reason },
  })
}
