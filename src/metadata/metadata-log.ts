import { check } from '../base/check.ts'
import type { Clock } from '../env/clock.ts'
import type { CompressionCodecs } from '../env/codecs.ts'
import type { Logger } from '../env/logger.ts'
import { VarveError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import { encodeMetadataRecord, type MetadataRecordInput } from '../protocol/metadata-log/metadata-records.ts'
import { decodeQuorumRecord, encodeQuorumRecord } from '../protocol/quorum-log/quorum-records.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import type { RecordBatch } from '../record/record-batch.ts'
import type { LogSettings } from '../settings/log-settings.ts'
import { parseLogSettings } from '../settings/parse-log-settings.ts'
import type { Disk } from '../storage/disk.ts'
import { checkMetadataVersion } from './bootstrap.ts'
import { MetadataImage } from './metadata-image.ts'
import { decodeQuorumState, encodeQuorumState, quorumStateName } from './quorum-state.ts'
import {
  decodeSnapshot,
  encodeSnapshot,
  type KeptControl,
  parseSnapshotName,
  type Snapshot,
  type SnapshotId,
  snapshotName,
} from './snapshot-file.ts'

/** The topic id that Kafka writes into `partition.metadata` of its metadata log. */
export const metadataTopicId = 'AAAAAAAAAAAAAAAAAAAAAQ'

/** How the log of the metadata is opened: nothing of it goes but by snapshots, and a decision always fits. */
export const metadataLogSettings: LogSettings = parseLogSettings({
  retentionMs: -1,
  retentionBytes: -1,
  maxMessageBytes: 16 * 1024 * 1024,
  durability: 'synced',
})

/** As Kafka's `metadata.log.max.record.bytes.between.snapshots`. */
const defaultSnapshotBytes = 20 * 1024 * 1024

/** With fewer new records a snapshot at the close costs more than reading them again: 1,000 take about a millisecond. */
const recordsForLastSnapshot = 1000

/** Records in one batch: a topic of 10,000 partitions, itself and all its settings are one. */
const recordsPerBatchMax = 11_000

/** Largest batch, as with Kafka's Raft: ten times what so many partitions take. */
const batchBytesMax = 8 * 1024 * 1024

/** The newest snapshot, and the one before for the case that the newest is damaged. */
const snapshotsKept = 2

const readBytes = 1024 * 1024

export interface MetadataLogParts {
  readonly disk: Disk
  /** Of `__cluster_metadata-0`, opened with `metadataLogSettings`. Owned from here on: closed with the metadata. */
  readonly log: Log
  readonly clock: Clock
  readonly logger: Logger
  readonly codecs: CompressionCodecs
  /** Id of this node, which is the only voter. */
  readonly nodeId: number
  /** Bytes of records after which a snapshot is written. Default 20 MiB. */
  readonly snapshotBytes?: number | undefined
}

/**
 * The metadata log of a store, and the image that follows from it: `load` reads the newest snapshot and what stands
 * behind it, `begin` starts a term of this node, `append` writes what was decided, and from time to time a snapshot takes
 * the place of older records.
 *
 * The bytes are Kafka's: control batches at the start of each term, one batch per decision, `.checkpoint` snapshots and
 * `quorum-state` beside the segments. One owner, the controller, which calls one method after another. It decides nothing.
 */
export class MetadataLog {
  readonly image = new MetadataImage()
  readonly #parts: MetadataLogParts
  readonly #builder: BatchBuilder
  #kraftVersion = 0
  /** Control records that snapshots repeat. */
  #control: readonly KeptControl[] = []
  /** Voters as the last leader named them; null where none is known. */
  #voters: readonly number[] | null = null
  /** Of the last batch that is in the image. */
  #lastEpoch = 0
  #lastTimestamp = 0
  #bytesSinceSnapshot = 0
  #recordsSinceSnapshot = 0
  #snapshotting: Promise<void> | null = null

  private constructor(parts: MetadataLogParts) {
    this.#parts = parts
    this.#builder = new BatchBuilder({ crc32c: this.#crc32c, maxBytes: batchBytesMax })
  }

  /**
   * Reads what there is; writes nothing, unless the log has lost what a snapshot holds.
   * @throws VARVE_CORRUPT for records that do not fit each other, and when records are gone that no snapshot holds;
   * VARVE_FORMAT_TOO_NEW, VARVE_UNSUPPORTED_VERSION for the metadata of a newer Kafka; VARVE_UNSUPPORTED for that of a
   * cluster of several nodes.
   * Cost: two to three microseconds for each record behind the snapshot and each partition in it.
   */
  static async load(parts: MetadataLogParts): Promise<MetadataLog> {
    const metadata = new MetadataLog(parts)
    await metadata.#load()
    return metadata
  }

  /** Offset that the next record will get. */
  get nextOffset(): number {
    return this.#parts.log.logEndOffset
  }

  get leaderEpoch(): number {
    return this.#lastEpoch
  }

  // ---- loading

  async #load(): Promise<void> {
    const { log } = this.#parts
    const quorumState = this.#quorumState()
    if (quorumState !== undefined && quorumState.voters.length > 0) this.#voters = quorumState.voters
    const found = this.#newestSnapshot()
    let offset = 0
    if (found !== null) {
      const { id, snapshot } = found
      for (const [index, value] of snapshot.records.entries()) this.image.applyBytes(value, index)
      for (const record of snapshot.control) this.#foldControl(record)
      this.#lastEpoch = id.epoch
      offset = id.endOffset
      if (log.logEndOffset < offset) {
        this.#parts.logger.warn('the metadata log ends before its snapshot, which serves', { ...id })
        await log.truncateFully(offset)
      }
    }
    if (log.logStartOffset > offset) {
      throw new VarveError(
        'VARVE_CORRUPT',
        `The metadata log in ${log.folder} starts at offset ${log.logStartOffset}, and no snapshot of what was before can be read.`,
        { details: { path: log.folder, logStartOffset: log.logStartOffset } },
      )
    }
    this.#readLog(offset)
    checkMetadataVersion(this.image.metadataVersion)
    this.#checkAlone()
    const fault = this.image.fault()
    if (fault !== undefined) throw this.#corrupt(fault)
  }

  #readLog(from: number): void {
    const { log } = this.#parts
    for (let offset = from; offset < log.logEndOffset; ) {
      const run = log.read(offset, { maxBytes: readBytes, control: true })
      if (run.nextOffset <= offset) throw this.#corrupt(`nothing can be read at offset ${offset}`)
      for (const batch of run) this.#foldBatch(batch, from)
      offset = run.nextOffset
    }
  }

  #foldBatch(batch: RecordBatch, from: number): void {
    for (const { offset, key, value } of batch) {
      if (offset < from) continue
      if (batch.isControl) {
        const record = decodeQuorumRecord(key, value)
        if (record?.type === 'LeaderChange') this.#voters = record.value.voters.map(({ voterId }) => voterId)
        else if (record?.type === 'KRaftVersion' || record?.type === 'Voters') this.#foldControl(record)
      } else if (value === null) throw this.#corrupt(`the record at offset ${offset} has no value`)
      else this.image.applyBytes(value, offset)
      this.#recordsSinceSnapshot++
    }
    this.#bytesSinceSnapshot += batch.byteLength
    this.#lastEpoch = batch.leaderEpoch
    this.#lastTimestamp = batch.maxTimestamp
  }

  #foldControl(record: KeptControl): void {
    this.#control = [...this.#control.filter(({ type }) => type !== record.type), record]
    if (record.type === 'KRaftVersion') this.#kraftVersion = record.value.kRaftVersion
    else this.#voters = record.value.voters.map(({ voterId }) => voterId)
  }

  /** A node that went on alone with the metadata of several would split their cluster in two. */
  #checkAlone(): void {
    const { nodeId, log } = this.#parts
    const others = (this.#voters ?? []).filter((voter) => voter !== nodeId)
    if (others.length === 0) return
    throw new VarveError(
      'VARVE_UNSUPPORTED',
      `The metadata in ${log.folder} belongs to a cluster with controllers ${this.#voters!.join(', ')}; this is node ${nodeId} alone.`,
      { details: { path: log.folder, voters: this.#voters, nodeId } },
    )
  }

  /** The newest that is whole; damaged ones are passed by. */
  #newestSnapshot(): { id: SnapshotId; snapshot: Snapshot } | null {
    const { disk, log, codecs, logger } = this.#parts
    for (const id of this.#snapshotIds()) {
      const path = `${log.folder}/${snapshotName(id)}`
      const bytes = disk.readFile(path)
      if (bytes === null) continue
      try {
        return { id, snapshot: decodeSnapshot(bytes, this.#crc32c, codecs) }
      } catch (failure) {
        if (!(failure instanceof VarveError)) throw failure
        logger.warn('a snapshot of the metadata is damaged; an older one serves, or the log itself', { path, failure })
      }
    }
    return null
  }

  /** Newest first. */
  #snapshotIds(): SnapshotId[] {
    const { disk, log } = this.#parts
    const ids: SnapshotId[] = []
    for (const { name } of disk.list(log.folder) ?? []) {
      const id = parseSnapshotName(name)
      if (id !== undefined) ids.push(id)
    }
    return ids.sort((a, b) => b.endOffset - a.endOffset || b.epoch - a.epoch)
  }

  #quorumState() {
    const text = this.#parts.disk.readText(`${this.#parts.log.folder}/${quorumStateName}`)
    return text === null ? undefined : decodeQuorumState(text)
  }

  // ---- writing

  /**
   * Begins a term of this node, higher than all before: its first record says so, and a transaction that the last term
   * left open ends without effect. Durable on return.
   * @throws As `Log.append`.
   */
  async begin(): Promise<void> {
    const { clock, disk, log, nodeId } = this.#parts
    const epoch = Math.max(log.leaderEpoch, this.#lastEpoch, this.#quorumState()?.leaderEpoch ?? 0) + 1
    const voters = [{ voterId: nodeId }]
    // Version 0 also where voters have directories: Kafka reads no other.
    const value = { version: 0, leaderId: nodeId, voters, grantingVoters: voters }
    const timestamp = clock.wallMs()
    this.#builder.reset()
    this.#builder.add({ ...encodeQuorumRecord({ type: 'LeaderChange', value }), timestamp })
    const batch = this.#builder.build({ baseOffset: log.logEndOffset, leaderEpoch: epoch, control: true })
    this.#appendBatches([batch], epoch, timestamp)
    await log.reach(log.logEndOffset, 'synced')
    this.#recordsSinceSnapshot++
    this.#voters = [nodeId]
    const state = { leaderId: nodeId, leaderEpoch: epoch, voters: [nodeId] }
    disk.replaceFile(`${log.folder}/${quorumStateName}`, encodeQuorumState(state, this.#kraftVersion))
    if (this.image.inTransaction) {
      await this.append([{ type: 'AbortTransactionRecord', version: 0, value: { reason: 'a new leader' } }])
    }
  }

  /**
   * Writes records and folds them into the image: up to 11,000 are one batch, there after a crash together or not at all.
   * On return they are on disk, and only then in the image: nobody acts on what a power cut could take back.
   * @throws As `Log.append`; VARVE_FAILED when the flush fails: whether they are on disk is then unknown until the store
   * is opened anew. VARVE_RECORD_TOO_LARGE: nothing was written.
   */
  async append(records: readonly MetadataRecordInput[]): Promise<void> {
    if (records.length === 0) return
    const { clock, log } = this.#parts
    const timestamp = clock.wallMs()
    const values = records.map(encodeMetadataRecord)
    const baseOffset = log.logEndOffset
    const batches: Buffer[] = []
    for (let start = 0; start < values.length; start += recordsPerBatchMax) {
      this.#builder.reset()
      for (const value of values.slice(start, start + recordsPerBatchMax)) this.#builder.add({ value, timestamp })
      batches.push(this.#builder.build({ baseOffset: baseOffset + start, leaderEpoch: this.#lastEpoch }))
    }
    this.#appendBatches(batches, this.#lastEpoch, timestamp)
    await log.reach(log.logEndOffset, 'synced')
    for (const [index, value] of values.entries()) this.image.applyBytes(value, baseOffset + index)
    this.#recordsSinceSnapshot += values.length
    const { snapshotBytes = defaultSnapshotBytes } = this.#parts
    if (this.#bytesSinceSnapshot >= snapshotBytes && !this.image.inTransaction) this.#snapshotSoon()
  }

  /** All of them or none, as what a leader's log holds: with the offsets and the term that they were given here. */
  #appendBatches(batches: readonly Buffer[], leaderEpoch: number, timestamp: number): void {
    this.#parts.log.append(batches, 'replica')
    this.#lastEpoch = leaderEpoch
    this.#lastTimestamp = timestamp
    for (const batch of batches) this.#bytesSinceSnapshot += batch.byteLength
  }

  // ---- snapshots

  /** Writes a snapshot of the image as it is now. Durable on return; older snapshots, and segments below them, go. */
  async snapshot(): Promise<void> {
    await this.#snapshotting
    await this.#writeSnapshot(false)
  }

  /** Beside what goes on. A failure leaves the older ones, and is tried again with the next records. */
  #snapshotSoon(): void {
    if (this.#snapshotting !== null) return
    this.#snapshotting = this.#writeSnapshot(true)
      .catch((failure: unknown) => {
        this.#parts.logger.warn('a snapshot of the metadata could not be written', { failure })
      })
      .finally(() => {
        this.#snapshotting = null
      })
  }

  /** @param roll So that the segments before the snapshot can go one day. */
  async #writeSnapshot(roll: boolean): Promise<void> {
    const { clock, disk, log } = this.#parts
    check(!this.image.inTransaction, 'a snapshot holds no transaction in part')
    if (roll) log.roll()
    const id = { endOffset: log.logEndOffset, epoch: this.#lastEpoch }
    const facts = { id, lastTimestamp: this.#lastTimestamp, nowMs: clock.wallMs() }
    const bytes = encodeSnapshot({ records: this.image.records(), control: this.#control }, facts, this.#crc32c)
    const [bytesBefore, recordsBefore] = [this.#bytesSinceSnapshot, this.#recordsSinceSnapshot]
    await disk.replaceFileLater(`${log.folder}/${snapshotName(id)}`, bytes)
    this.#bytesSinceSnapshot -= bytesBefore
    this.#recordsSinceSnapshot -= recordsBefore
    const ids = this.#snapshotIds()
    for (const old of ids.slice(snapshotsKept)) disk.remove(`${log.folder}/${snapshotName(old)}`)
    const oldest = ids[Math.min(ids.length, snapshotsKept) - 1]!
    // A single segment stays whole whatever the log start, so that is not moved for it.
    if (ids.length >= snapshotsKept && log.stats().segmentCount > 1) log.deleteBefore(oldest.endOffset)
  }

  // ---- closing

  /**
   * Writes a snapshot if enough came since the last one, and closes the log.
   * @throws As `Log.close`.
   */
  async close(): Promise<void> {
    const { log, logger } = this.#parts
    try {
      await this.#snapshotting
      if (!this.image.inTransaction && this.#recordsSinceSnapshot >= recordsForLastSnapshot)
        await this.#writeSnapshot(false)
    } catch (failure) {
      logger.warn('the last snapshot of the metadata could not be written; the next open reads the log', { failure })
    } finally {
      await log.close()
    }
  }

  readonly #crc32c = (bytes: Uint8Array): number => this.#parts.disk.addon.crc32c(bytes, 0)

  #corrupt(reason: string): VarveError {
    const { folder } = this.#parts.log
    return new VarveError('VARVE_CORRUPT', `The metadata in ${folder} cannot be used: ${reason}.`, {
      details: { path: folder, reason },
    })
  }
}
