import type { LogLocation } from '../storage/log-location.ts'
import type { LogRoot } from '../storage/log-root.ts'
import type { Segment, SegmentStats } from '../storage/segment.ts'
import { segmentFileName } from '../storage/segment-names.ts'
import { untrustedFrom } from '../storage/varve-checkpoint.ts'
import { indexEntryBytes, timeIndexEntryBytes } from './roll.ts'

/** A checksum of a file's first bytes that is carried on as the file grows, so that each checkpoint reads what is new. */
interface PrefixCrc {
  bytes: number
  crc: number
}

export interface ProducerSnapshotFile {
  readonly path: string
  readonly content: Uint8Array
}

export interface CheckpointMark {
  /** The active segment at the mark. */
  readonly segment: Segment
  readonly stats: SegmentStats
  /** The log end at the mark. */
  readonly recoveryPoint: number
  /** The snapshot of the producers as they were at the mark; an existing file of that name is the same. Null while the log is empty. */
  readonly producers: ProducerSnapshotFile | null
}

/**
 * Moves a log's recovery point: what bounds the work of the next opening after a crash.
 *
 * A recovery point is entered only after the flush that it speaks of, together with what makes the segment usable
 * without reading it: a snapshot of the producers, and the length and checksum of both indexes. One job runs at a time;
 * a request that comes meanwhile runs after it, and of several waiting only the last counts.
 */
export class LogCheckpoints {
  readonly #root: LogRoot
  readonly #location: LogLocation
  #running: Promise<void> | null = null
  #next: (() => Promise<void>) | null = null
  /** One per roll since the last write. */
  readonly #snapshots: ProducerSnapshotFile[] = []
  /** Segment that the checksums below speak of. */
  #crcBase = -1
  #index: PrefixCrc = { bytes: 0, crc: 0 }
  #timeIndex: PrefixCrc = { bytes: 0, crc: 0 }

  constructor(root: LogRoot, location: LogLocation) {
    this.#root = root
    this.#location = location
  }

  /** Runs a job, or keeps it for when the running one is done. */
  run(job: () => Promise<void>): Promise<void> {
    if (this.#running !== null) {
      this.#next = job
      return this.#running
    }
    this.#running = this.#loop(job).finally(() => {
      this.#running = null
    })
    return this.#running
  }

  /** Resolves when no job runs or waits. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running.catch(() => {})
  }

  /** Keeps a snapshot for the next write: a roll's is needed even when a later recovery point takes the roll's place. */
  keep(snapshot: ProducerSnapshotFile): void {
    this.#snapshots.push(snapshot)
  }

  /** Enters that everything below the mark is on disk, the indexes of its segment included. */
  async write(mark: CheckpointMark, logStartOffset: number): Promise<void> {
    const { segment, stats, recoveryPoint } = mark
    if (segment.baseOffset !== this.#crcBase) {
      this.#crcBase = segment.baseOffset
      this.#index = { bytes: 0, crc: 0 }
      this.#timeIndex = { bytes: 0, crc: 0 }
    }
    if (mark.producers !== null) this.keep(mark.producers)
    for (const snapshot of this.#snapshots.splice(0)) {
      if (this.#root.disk.stat(snapshot.path) === null) {
        await this.#root.disk.replaceFileLater(snapshot.path, snapshot.content)
      }
    }
    this.#root.put({
      name: this.#location.logName,
      recoveryPoint,
      segmentBaseOffset: segment.baseOffset,
      segmentPosition: stats.endPosition,
      logStartOffset,
      highWatermark: recoveryPoint,
      maxTimestamp: stats.maxTimestamp,
      maxTimestampOffset: stats.maxTimestampOffset,
      indexEntries: stats.indexEntries,
      indexCrc: this.#extend(this.#index, segment, 'index', stats.indexEntries * indexEntryBytes),
      timeIndexEntries: stats.timeIndexEntries,
      timeIndexCrc: this.#extend(this.#timeIndex, segment, 'timeindex', stats.timeIndexEntries * timeIndexEntryBytes),
    })
    await this.#root.write()
  }

  /** Enters, durably, that nothing from `offset` on may be trusted any more: its segment is about to be exchanged. */
  async rewind(offset: number, logStartOffset: number): Promise<void> {
    this.#snapshots.length = 0
    this.#crcBase = -1
    this.#root.put(untrustedFrom(this.#location.logName, offset, logStartOffset))
    await this.#root.write()
  }

  #extend(prefix: PrefixCrc, segment: Segment, kind: 'index' | 'timeindex', bytes: number): number {
    if (bytes > prefix.bytes) {
      const path = `${this.#location.folder}/${segmentFileName(segment.baseOffset, kind)}`
      const content = this.#root.disk.readFile(path) ?? Buffer.alloc(0)
      prefix.crc = this.#root.disk.addon.crc32c(content.subarray(prefix.bytes, bytes), prefix.crc)
      prefix.bytes = bytes
    }
    return prefix.crc
  }

  async #loop(first: () => Promise<void>): Promise<void> {
    let job: (() => Promise<void>) | null = first
    while (job !== null) {
      await job()
      job = this.#next
      this.#next = null
    }
  }
}
