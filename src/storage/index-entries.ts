/**
 * The entries of `.index` and `.timeindex` files, for tools and tests. (The engine reads and writes them natively.)
 *
 * `.index`: 8 bytes an entry, int32 offset minus the segment's base, int32 position. `.timeindex`: 12 bytes, int64
 * timestamp, int32 offset minus base. Big-endian, strictly rising in every field. The files of an active segment, and
 * those that a crash left behind, end in zeros: an all-zero entry is no entry, since position 0 is never entered and a
 * time entry for offset 0 has a timestamp. Pure.
 */
import { readInt64 } from '../base/int64.ts'
import { VarveError } from '../errors.ts'

export interface OffsetIndexEntry {
  /** Last offset of the batch. */
  offset: number
  /** Where that batch starts. */
  position: number
}

export interface TimeIndexEntry {
  /** Largest timestamp so far. */
  timestamp: number
  /** Last offset of the first batch that had it. */
  offset: number
}

/** Throws `VARVE_CORRUPT`, with the entry's number, where entries do not rise or the end is neither whole nor zero. */
export function decodeOffsetIndex(bytes: Uint8Array, segmentBaseOffset: number): OffsetIndexEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: OffsetIndexEntry[] = []
  const end = endOfEntries(bytes, 8)
  for (let at = 0; at < end; at += 8) {
    const entry = { offset: segmentBaseOffset + view.getInt32(at), position: view.getInt32(at + 4) }
    const before = entries.at(-1) ?? { offset: segmentBaseOffset - 1, position: 0 }
    if (entry.offset <= before.offset || entry.position <= before.position) throw corrupt('offset', entries.length)
    entries.push(entry)
  }
  return entries
}

/** The same for a time index. */
export function decodeTimeIndex(bytes: Uint8Array, segmentBaseOffset: number): TimeIndexEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: TimeIndexEntry[] = []
  const end = endOfEntries(bytes, 12)
  for (let at = 0; at < end; at += 12) {
    const entry = { timestamp: readInt64(view, at), offset: segmentBaseOffset + view.getInt32(at + 8) }
    const before = entries.at(-1) ?? { timestamp: -1, offset: segmentBaseOffset - 1 }
    const rises = entry.timestamp > before.timestamp && entry.offset > before.offset
    if (!rises) throw corrupt('time', entries.length)
    entries.push(entry)
  }
  return entries
}

/** Where the entries end and the zero tail begins. */
function endOfEntries(bytes: Uint8Array, entryBytes: number): number {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end -= 1
  // The last entry may itself end in zero bytes.
  end = Math.ceil(end / entryBytes) * entryBytes
  if (end > bytes.length)
    throw new VarveError('VARVE_CORRUPT', `An index of ${bytes.length} bytes ends inside an entry.`)
  return end
}

function corrupt(which: string, entry: number): VarveError {
  return new VarveError('VARVE_CORRUPT', `Entry ${entry} of a ${which} index does not rise.`, { details: { entry } })
}
