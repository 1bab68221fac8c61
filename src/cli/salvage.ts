/** Copies what passes its checks out of a log's folder: the work of `varve repair`. */
import { closeSync, copyFileSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import {
  encodePlaceholderBatch,
  type InspectedLog,
  leaderEpochCheckpointName,
  partitionMetadataName,
  placeholderOffsetsMax,
  scanSegment,
  segmentBases,
  segmentFileName,
} from '../doors/inspect.ts'
import type { RecordBatch } from '../doors/record.ts'
import type { RealFolder } from './real-folder.ts'

export interface SalvageOptions {
  readonly compacted: boolean
  readonly onProgress: (bytes: number) => void
}

export interface LostOffsets {
  readonly from: number
  /** Exclusive; null for damage at the end of the log, where nothing tells how many there were. */
  readonly to: number | null
  readonly reason: string
}

export interface Salvaged {
  readonly batches: number
  readonly records: number
  /** Offsets that are gone, in order. */
  readonly lost: readonly LostOffsets[]
  /** Base offsets of batches whose leader epoch, which no checksum covers, contradicted its neighbours. */
  readonly epochsCorrected: readonly number[]
  /** What the copy must not give out again ends here. */
  readonly endOffset: number
}

/** Where the leader epoch stands in a batch. */
const leaderEpochPosition = 12
const writeBytes = 1024 * 1024

/**
 * Copies the good batches of every segment, byte for byte and at their offsets, into files of the same names in
 * `target`, an empty folder. Where offsets are lost a batch without records keeps their place. Indexes and the like are
 * not copied: whoever opens the copy makes them anew.
 *
 * @param inspected Of the same folder.
 */
export function salvage(
  source: RealFolder,
  target: string,
  inspected: InspectedLog,
  options: SalvageOptions,
): Salvaged {
  return new Salvage(source, target, inspected, options).run()
}

class Salvage {
  readonly #source: RealFolder
  readonly #target: string
  readonly #inspected: InspectedLog
  readonly #options: SalvageOptions
  readonly #lost: LostOffsets[] = []
  /** Why the log ends where it does, when that is damage. */
  #tailReason: string | null = null
  readonly #epochsCorrected: number[] = []
  #batches = 0
  #records = 0
  #nextOffset = 0
  #epoch = -1
  #file: SegmentWriter | null = null
  /** A batch is written when the one after it is known: only then can its leader epoch be judged. */
  #held: { bytes: Buffer; baseOffset: number; leaderEpoch: number } | null = null

  constructor(source: RealFolder, target: string, inspected: InspectedLog, options: SalvageOptions) {
    this.#source = source
    this.#target = target
    this.#inspected = inspected
    this.#options = options
  }

  run(): Salvaged {
    const bases = segmentBases(this.#source)
    this.#nextOffset = bases[0] ?? 0
    try {
      for (const [i, baseOffset] of bases.entries()) this.#segment(baseOffset, bases[i + 1])
      this.#fillTo(this.#inspected.report.recoveryPoint ?? 0, 'the checkpoint says that they were on disk')
      if (this.#tailReason !== null) this.#lost.push({ from: this.#nextOffset, to: null, reason: this.#tailReason })
      this.#release(null)
    } finally {
      this.#file?.close()
    }
    this.#copySmallFiles(bases[0] ?? 0)
    return {
      batches: this.#batches,
      records: this.#records,
      lost: this.#lost,
      epochsCorrected: this.#epochsCorrected,
      endOffset: this.#nextOffset,
    }
  }

  #segment(baseOffset: number, endOffset: number | undefined): void {
    const name = segmentFileName(baseOffset, 'log')
    const file = this.#source.open(name)
    if (file === null) return
    try {
      // A place that could not be kept ends the file before it; then offsets were left out between two segments.
      this.#fillTo(baseOffset, 'no segment has them', this.#options.compacted)
      this.#begin(baseOffset)
      const { compacted } = this.#options
      const range = { baseOffset, allowGaps: compacted, ...(endOffset === undefined ? {} : { endOffset }) }
      let reason: string | undefined
      for (const event of scanSegment(file, range)) {
        if (event.kind === 'batch') {
          this.#fillTo(event.batch.baseOffset, reason ?? '', reason === undefined)
          reason = undefined
          this.#batch(event.batch)
          this.#options.onProgress(event.batch.byteLength)
        } else if (event.kind === 'damage') {
          reason = event.reason
          if (event.nextOffset !== null) continue
          if (endOffset === undefined) this.#tailReason = event.reason
          else this.#fillTo(endOffset, event.reason)
        }
      }
    } finally {
      file.close()
    }
  }

  /** Keeps the place of the offsets before `offset`, if there are any. @param natural They were compacted away. */
  #fillTo(offset: number, reason: string, natural = false): void {
    const from = this.#nextOffset
    if (offset <= from) return
    this.#nextOffset = offset
    if (natural) return
    this.#lost.push({ from, to: offset, reason })
    this.#release(this.#held?.leaderEpoch ?? null)
    const epoch = Math.max(this.#epoch, 0)
    if (this.#file === null) this.#begin(from)
    if (offset - from <= placeholderOffsetsMax && offset - this.#file!.baseOffset <= placeholderOffsetsMax)
      this.#file!.write(encodePlaceholderBatch(from, offset, epoch))
    else this.#begin(offset)
  }

  #begin(baseOffset: number): void {
    if (this.#file?.baseOffset === baseOffset) return
    this.#release(this.#held?.leaderEpoch ?? null)
    this.#file?.close()
    this.#file = new SegmentWriter(this.#target, baseOffset)
  }

  #batch(batch: RecordBatch): void {
    const { baseOffset, leaderEpoch } = batch
    this.#release(leaderEpoch)
    this.#held = { bytes: Buffer.from(batch.bytes), baseOffset, leaderEpoch }
    this.#batches += 1
    this.#records += batch.recordCount
    this.#nextOffset = batch.nextOffset
  }

  /** Writes the batch that is held. Epochs never fall: one that is above the next, or below the last, is damaged. */
  #release(nextEpoch: number | null): void {
    const held = this.#held
    if (held === null) return
    this.#held = null
    let epoch = held.leaderEpoch
    if (nextEpoch !== null && epoch > nextEpoch) epoch = this.#epoch >= 0 ? Math.min(this.#epoch, nextEpoch) : nextEpoch
    epoch = Math.max(epoch, this.#epoch)
    if (epoch !== held.leaderEpoch) {
      held.bytes.writeInt32BE(epoch, leaderEpochPosition)
      this.#epochsCorrected.push(held.baseOffset)
    }
    this.#epoch = epoch
    this.#file!.write(held.bytes)
  }

  /** What tells more than the batches do, where it passes its checks. */
  #copySmallFiles(firstOffset: number): void {
    const damaged = new Set(this.#inspected.findings.filter(({ level }) => level === 'damage').map(({ file }) => file))
    // Producers of before the first batch are known from its snapshot alone.
    for (const name of [leaderEpochCheckpointName, partitionMetadataName, segmentFileName(firstOffset, 'snapshot')]) {
      const file = this.#source.open(name)
      file?.close()
      if (file !== null && !damaged.has(name)) copyFileSync(join(this.#source.path, name), join(this.#target, name))
    }
  }
}

/** Writes a new file in large pieces. */
class SegmentWriter {
  readonly baseOffset: number
  readonly #descriptor: number
  #pieces: Buffer[] = []
  #bytes = 0

  constructor(folder: string, baseOffset: number) {
    this.baseOffset = baseOffset
    this.#descriptor = openSync(join(folder, segmentFileName(baseOffset, 'log')), 'wx')
  }

  write(bytes: Buffer): void {
    this.#pieces.push(bytes)
    this.#bytes += bytes.length
    if (this.#bytes >= writeBytes) this.#flush()
  }

  close(): void {
    try {
      this.#flush()
      fsyncSync(this.#descriptor)
    } finally {
      closeSync(this.#descriptor)
    }
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#pieces, this.#bytes)
    this.#pieces = []
    this.#bytes = 0
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#descriptor, bytes, at)
  }
}
