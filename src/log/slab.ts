/** How far a read may go. */
export interface ReadBounds {
  /** Lowest offset that may be read. */
  readonly logStartOffset: number
  /** Exclusive: batches that start at or past it are left out. */
  readonly endOffset: number
  /** Base offset of the active segment. */
  readonly activeBaseOffset: number
  /** Bytes of the active segment that are published, exclusive; -1 when nobody says, then all that is whole counts. */
  readonly activeEndPosition: number
}

/** Whole batches, one after another, in memory that belongs to the caller. */
export interface Slab {
  readonly bytes: Uint8Array
  readonly batchCount: number
  /** Offset after the last record; where the next read starts. Equal to the offset asked for when there is nothing yet. */
  readonly nextOffset: number
}
