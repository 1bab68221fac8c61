/**
 * The `.txnindex` file of a segment: the aborted transactions whose abort marker lies in that segment, in the order of
 * the markers. 34 bytes each, big-endian:
 *
 * | Bytes | Field |
 * |---|---|
 * | 2 | version, 0 |
 * | 8 | producer id |
 * | 8 | first offset of the transaction |
 * | 8 | last offset: that of the abort marker |
 * | 8 | last stable offset once this transaction no longer holds it back |
 *
 * There is no checksum; the file is derived from the log and can be made anew. Pure: the caller does the I/O.
 */
import { readInt64, writeInt64 } from '../base/int64.ts'
import { VarveError } from '../errors.ts'
import type { AbortedTransaction } from '../record/aborted-transactions.ts'

export interface TransactionIndexEntry extends AbortedTransaction {
  /** Inclusive: the offset of the abort marker. */
  readonly lastOffset: number
  readonly lastStableOffset: number
}

export const transactionIndexVersion = 0
export const transactionIndexEntryBytes = 34

export function encodeTransactionIndex(entries: readonly TransactionIndexEntry[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * transactionIndexEntryBytes)
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const entry of entries) {
    view.setInt16(at, transactionIndexVersion)
    view.setBigInt64(at + 2, entry.producerId)
    writeInt64(view, at + 10, entry.firstOffset)
    writeInt64(view, at + 18, entry.lastOffset)
    writeInt64(view, at + 26, entry.lastStableOffset)
    at += transactionIndexEntryBytes
  }
  return bytes
}

/**
 * The entries of a transaction index.
 *
 * Throws `VARVE_CORRUPT`, with the position, for a cut entry, another version, or offsets that contradict each other:
 * the caller makes the file anew from the segment.
 */
export function decodeTransactionIndex(bytes: Uint8Array): TransactionIndexEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: TransactionIndexEntry[] = []
  let lastMarker = -1
  for (let at = 0; at < bytes.length; at += transactionIndexEntryBytes) {
    if (bytes.length - at < transactionIndexEntryBytes) throw corrupt(at, 'the last entry is cut')
    const version = view.getInt16(at)
    if (version !== transactionIndexVersion) throw corrupt(at, `version ${version} is not known`)
    const entry: TransactionIndexEntry = {
      producerId: view.getBigInt64(at + 2),
      firstOffset: readInt64(view, at + 10),
      lastOffset: readInt64(view, at + 18),
      lastStableOffset: readInt64(view, at + 26),
    }
    const { firstOffset, lastOffset, lastStableOffset } = entry
    // The stable offset is at most the one after the marker; an older open transaction may hold it below our first.
    const plausible =
      entry.producerId >= 0n &&
      Number.isSafeInteger(lastOffset) &&
      firstOffset >= 0 &&
      firstOffset < lastOffset &&
      lastOffset > lastMarker &&
      lastStableOffset >= 0 &&
      lastStableOffset <= lastOffset + 1
    if (!plausible) throw corrupt(at, 'its offsets contradict each other')
    lastMarker = lastOffset
    entries.push(entry)
  }
  return entries
}

export interface OffsetBounds {
  startOffset: number
  /** Exclusive. */
  endOffset: number
}

/**
 * Adds to `into` the aborted transactions that a reader of `[startOffset, endOffset)` must leave out.
 *
 * Call it for the segment that holds `startOffset` and then for each later one, until it answers true: an entry says
 * that everything below `endOffset` was decided by its marker, so no later segment can hold more.
 */
export function collectAborted(
  entries: readonly TransactionIndexEntry[],
  bounds: OffsetBounds,
  into: TransactionIndexEntry[],
): boolean {
  for (const entry of entries) {
    if (entry.lastOffset >= bounds.startOffset && entry.firstOffset < bounds.endOffset) into.push(entry)
    if (entry.lastStableOffset >= bounds.endOffset) return true
  }
  return false
}

function corrupt(position: number, reason: string): VarveError {
  return new VarveError('VARVE_CORRUPT', `A transaction index is damaged at position ${position}: ${reason}.`, {
    details: { position },
  })
}
