/**
 * The addon's face: every function that `native/binding/` exports, and the shared cells that hot calls use.
 *
 * Conventions, all of them measured (a plain call costs 10-20 ns, every converted argument 5-30 ns more, an object
 * result 500 ns):
 * - Hot calls take their numbers from `cells` and leave their results there. `cells[0]` is always the answer: 0 for
 *   success, else a positive status (index into `statusNames`), which the call also returns.
 * - Handles are small positive integers, checked on every call; a wrong or closed one answers `VARVE_CLOSED`.
 * - A call that fails leaves its details for `lastError()`, until the next failure on this thread.
 * - Calls that wait take a `ticket` (any positive integer of the caller's) and answer through the completion handler:
 *   exactly once when the call itself answered 0, never when it answered a status (or when the thread ends before). The
 *   handler has to be set before the first such call. While it runs for a failure, `lastError()` is that failure's.
 * - Nothing here throws for bad data: a value that makes no sense (NaN, a negative size, a detached buffer) answers
 *   `VARVE_INVALID_ARGUMENT`. A wrong argument *type* is a programmer error and throws a TypeError.
 *
 * One instance per JavaScript thread (main or worker); none of the handles can be passed to another thread.
 */

/** The contract's number: raised with every change of this file that an older binary would not understand. */
export const addonAbi = 1

export interface Addon {
  /** `addonAbi` of the sources that it was built from; the loader refuses any other. */
  readonly abi: number
  /** What this build and machine can do. */
  readonly features: AddonFeatures
  /** Arguments in, results out: see the `Cell` tables. 32 doubles, alive as long as the thread. */
  readonly cells: Float64Array
  /** Rows of `segmentScan`: `ScanColumn.count` doubles a row, `scanRowsMax` rows. */
  readonly rows: Float64Array
  /** Status number to public error code: `statusNames[3] === 'VARVE_IO'` and so on. */
  readonly statusNames: readonly string[]

  lastError(): NativeErrorDetails
  /** Called as `handler(ticket, status)` for every finished ticket, on this thread, in order of completion. What it throws is an uncaught exception. While a ticket is open the event loop stays alive, except for `tailWatch`. */
  setCompletionHandler(handler: (ticket: number, status: number) => void): void

  /** CRC-32C of bytes, continuing from `seed` (0 to start). */
  crc32c(bytes: Uint8Array, seed: number): number

  // ---- Kernels (native/file/kernel.h): 0 is the operating system itself.
  /** A simulated disk. */
  kernelMemory(): number
  /** A layer over another kernel that counts calls and makes chosen ones fail. */
  kernelFaulty(under: number): number
  /** Arms a faulty kernel: fail call number `at` (1-based from now; 0 = never), and all later ones too when `forGood`. `kind`: errno name such as 'EIO', 'ENOSPC', or 'short', 'interrupt'. `calls`: comma list of call names that count ('fdatasync,pwrite'), or '' for all. */
  kernelArm(kernel: number, at: number, kind: string, calls: string, forGood: boolean): number
  /** Calls counted since the last arm. */
  kernelCalls(kernel: number): number
  /** A memory kernel's recorded mutating operations so far. */
  kernelOperations(kernel: number): number
  /** One line about a recorded operation, for the report of a failed test. */
  kernelDescribe(kernel: number, operation: number): string | undefined
  /** A new memory kernel that holds one legal state after a power cut just before operation `at`: see native/file/memory_kernel.h. `mode` 0 = everything unsynced lost, 1 = everything kept, 2 = sampled by `seed`. */
  kernelCrash(kernel: number, at: number, mode: number, seed: number): number
  /** Sets the size of a memory kernel's disk, in bytes (whole pages of 4 KiB); it may be below what is in use: nothing more fits then. */
  kernelCapacity(kernel: number, bytes: number): number
  kernelClose(kernel: number): number

  // ---- Small files. All paths are strings; failing answers `undefined` (or a status) and lastError().
  /** At most 256 MiB. */
  readFile(kernel: number, path: string): Uint8Array | undefined
  /** Whole file anew: `<path>.tmp`, write, flush, rename, flush the folder. */
  replaceFile(kernel: number, path: string, bytes: Uint8Array): number
  /** Writes into an existing or new file in place; with `sync` also flushes it (and the folder when the file is new). */
  writeFileAt(kernel: number, path: string, position: number, bytes: Uint8Array, sync: boolean): number
  /** `replaceFile` on a helper thread; the bytes are copied before it returns. */
  replaceFileLater(kernel: number, path: string, bytes: Uint8Array, ticket: number): number
  /** `writeFileAt` with `sync`, on a helper thread; the bytes are copied before it returns. */
  writeFileAtLater(kernel: number, path: string, position: number, bytes: Uint8Array, ticket: number): number
  list(kernel: number, path: string): { name: string; folder: boolean }[] | undefined
  /** cells out: 1 size, 2 modified ms, 3 folder (0/1), 4 inode, 5 device, 6 allocated bytes. */
  stat(kernel: number, path: string): number
  rename(kernel: number, from: string, to: string): number
  remove(kernel: number, path: string): number
  makeFolder(kernel: number, path: string): number
  removeFolder(kernel: number, path: string): number
  link(kernel: number, from: string, to: string): number
  syncFolder(kernel: number, path: string): number
  /** Unlinks on a helper thread: a large file's unlink takes milliseconds. A file that is gone already counts as removed. */
  removeFiles(kernel: number, paths: string[], ticket: number): number
  /** Name of the file system, such as 'ext4'. */
  fileSystem(kernel: number, path: string): string | undefined
  freeBytes(kernel: number, path: string): number
  /** Takes the writer's lock on a file (made if missing, never removed) and writes `note` into it. Answers a handle, or 0; when held, lastError().message is the holder's note. */
  lock(kernel: number, path: string, note: string): number
  unlock(lock: number): number

  // ---- Segments
  /** Answers a handle, or 0. */
  segmentOpen(kernel: number, options: NativeSegmentOptions): number
  /** Frees the handle. The file stays as it is; nothing is flushed. */
  segmentClose(segment: number): number
  /** Appends the batches in `bytes` (one, or several back to back). */
  segmentAppend(bytes: Uint8Array): number
  /** The same for the scratch buffer set with `setScratch`, of which cells name the range: saves an argument's conversion. */
  segmentAppendScratch(): number
  /** The same for a list of fragments that together are whole batches. */
  segmentAppendFragments(fragments: Uint8Array[]): number
  /** Registers the buffer that `segmentAppendScratch` reads from; held until replaced. Offsets, epoch and CRC are stamped into it in place (unless it is shared memory, which is only read). Resizable buffers are refused; one that was detached meanwhile makes the append fail. */
  setScratch(bytes: Uint8Array): number
  /** Fills `into` with whole batches, each checked. */
  segmentRead(into: Uint8Array): number
  segmentLocateTimestamp(): number
  /** Validates batches from a position on and reports a row for each. */
  segmentScan(): number
  /** Sets the valid end after a scan: what lies behind becomes zero (in place) and both indexes are cut to it. */
  segmentSetEnd(): number
  /** Copies the log and index up to a position to another file name stem in the same folder, flushed: see truncation. */
  segmentCopyPrefix(segment: number, position: number, toStem: string, ticket: number): number
  /** The same on this thread, for recovery and for simulated disks. */
  segmentCopyPrefixNow(segment: number, position: number, toStem: string): number
  /** cells in: 1 segment, 2 position, 3 length (at most 1 GiB; 256 MiB where external buffers are refused). A private mapping of sealed bytes, checked to be readable; undefined on failure. */
  segmentWindow(): ArrayBuffer | undefined
  /** Asks the helper to allocate and touch pages ahead of the tail and to prepare the next segment's file. Nobody is told of the outcome; on a simulated disk it is done before this returns. */
  segmentPrepareNext(segment: number): number
  /** cells out: see `StatCell`. */
  segmentStats(segment: number): number

  /** Flushes on helper threads, all as one round; the ticket completes when every one is on disk. `flags`: see `FlushFlag`. */
  flush(segments: Uint32Array, flags: number, ticket: number): number
  /** The same on this thread, for simulated disks and for closing. */
  flushNow(segments: Uint32Array, flags: number): number

  // ---- Table of tails (native/tail/tail_table.h)
  /** Answers a handle, or 0. A writer (take the store's lock first) is refused with `VARVE_LOCKED` while another one has it open. A reader that finds none gets `VARVE_NOT_FOUND`. */
  tailsOpen(kernel: number, path: string, write: boolean): number
  tailsClose(tails: number): number
  /** Slot of a log by name, claimed if new (writers) or found (readers); -1 when there is none. */
  tailsSlot(tails: number, name: string): number
  /** Publishes the log-level fields from cells (`TailCell`). The segment's own end is published by the append itself. */
  tailPublish(tails: number, slot: number): number
  /** Leaves a consistent copy of a slot in cells (`TailCell`). `VARVE_FAILED` when the writer stopped in the middle of writing it: only `version` is then filled in, to be watched until the next writer changes it. */
  tailRead(tails: number, slot: number): number
  /** Wakes everyone who watches this slot: once per turn of the event loop after appends or `tailPublish`. Costs a system call only when somebody watches. */
  tailWake(tails: number, slot: number): number
  /** Completes the ticket with 0 when the slot's version differs from `version`, with `VARVE_TIMED_OUT` after `timeoutMs` (at most a day; then look at the writer and the epoch), with `VARVE_CLOSED` when taken back or the table is closed. Does not keep the process alive. */
  tailWatch(tails: number, slot: number, version: number, timeoutMs: number, ticket: number): number
  /** Completes a watch with `VARVE_CLOSED`. `VARVE_NOT_FOUND` when it has been completed already, even if the handler has not seen that yet. */
  tailUnwatch(ticket: number): number
  /** True while a writer in any process has this table open. */
  tailWriterAlive(tails: number): boolean
}

export interface AddonFeatures {
  /** Such as 'linux-glibc-x64'. */
  readonly platform: string
  readonly crc32c: 'pclmul' | 'sse4.2' | 'armv8' | 'portable'
  readonly populateWrite: boolean
  readonly futexWaitv: boolean
  readonly externalBuffers: boolean
  /** 'address', 'thread' or ''. */
  readonly sanitizer: string
}

export interface NativeErrorDetails {
  code: string
  errno: number
  /** Symbolic name such as 'EIO', or ''. */
  errnoName: string
  call: string
  path: string
  /** -1 when none. */
  position: number
  message: string
}

export interface NativeSegmentOptions {
  folder: string
  baseOffset: number
  /** File name without extension; without it, or '', the base offset in 20 digits. */
  stem?: string
  /** 'create' a new one, 'write' an existing one, 'read' it. */
  mode: 'create' | 'write' | 'read'
  backend: 'mapped' | 'pwrite'
  /** `segment.bytes`: the log file never grows past it, but for a single larger batch. */
  segmentBytes: number
  indexIntervalBytes: number
  /** `segment.index.bytes` */
  indexMaxBytes: number
  /** Free bytes of the disk that the log leaves alone when it allocates; left out: 0. */
  diskReserveBytes?: number
  /** The tail slot that appends publish to (writers), or 0 and -1. */
  tails: number
  slot: number
}

/** segmentAppend*: in 1 segment, 2 first base offset, 3 leader epoch, 4 flags (`AppendFlag`), 5 append timestamp or -1, 6 max batch bytes, 7 scratch offset, 8 scratch length. */
export const AppendIn = {
  segment: 1,
  baseOffset: 2,
  leaderEpoch: 3,
  flags: 4,
  appendTimestamp: 5,
  maxBatchBytes: 6,
  scratchOffset: 7,
  scratchLength: 8,
} as const
/** out: 1 last offset, 2 batches, 3 end position, 4 max timestamp of these batches, 5 last offset of the first batch that had it, 6 watchers to wake (0 = nobody), 7 bytes, 8 position of the first batch, 9 position of the faulty batch in the input on failure. */
export const AppendOut = {
  lastOffset: 1,
  batches: 2,
  endPosition: 3,
  maxTimestamp: 4,
  maxTimestampOffset: 5,
  watchers: 6,
  bytes: 7,
  position: 8,
  faultAt: 9,
} as const
export const AppendFlag = {
  /** The input's CRC is not yet set: compute it on the copy (our own builder). Otherwise it is verified on the copy. */
  setCrc: 1,
  /** Keep base offsets and leader epochs as they are (a replica); they must rise. Gaps are allowed. */
  keepOffsets: 2,
  /** Walk the records of uncompressed batches: lengths, varints and count must fit exactly. */
  checkRecords: 4,
} as const

/** segmentRead: in 1 segment, 2 offset to start from, 3 position hint (start of a batch at or below it) or -1, 4 max bytes, 5 end position (exclusive, of published bytes) or -1 for all, 6 end offset (exclusive: stop before batches that start at or past it) or -1, 7 flags (`ReadFlag`). */
export const ReadIn = {
  segment: 1,
  offset: 2,
  positionHint: 3,
  maxBytes: 4,
  endPosition: 5,
  endOffset: 6,
  flags: 7,
} as const
export const ReadFlag = {
  /** The log was never compacted: a batch that does not follow the one before is damage. Base offsets are outside the CRC, so nothing else finds a flipped bit in one. */
  contiguous: 1,
} as const
/** out: 1 bytes, 2 batches, 3 position of the first, 4 position after the last, 5 base offset of the first, 6 next offset, 7 bytes needed when the buffer was too small. On VARVE_CORRUPT: 3 position of the damage, 6 offset expected there. */
export const ReadOut = {
  bytes: 1,
  batches: 2,
  position: 3,
  nextPosition: 4,
  baseOffset: 5,
  nextOffset: 6,
  neededBytes: 7,
} as const

/** segmentLocateTimestamp: in 1 segment, 2 timestamp, 3 end position or -1. out: 1 found (0/1), 2 position of the first batch whose max timestamp is at or above it, 3 its base offset, 4 its size. */
export const TimestampCell = {
  segment: 1,
  timestamp: 2,
  endPosition: 3,
  found: 1,
  position: 2,
  baseOffset: 3,
  size: 4,
} as const

/** segmentScan: in 1 segment, 2 position, 3 expected offset (lowest allowed base offset), 4 flags (`ScanFlag`), 5 end position or -1 for the file's size. out: 1 rows, 2 position after the last good batch, 3 next offset, 4 stop (`ScanStop`), 5 end of the bytes looked at. */
export const ScanIn = { segment: 1, position: 2, expectedOffset: 3, flags: 4, endPosition: 5 } as const
export const ScanOut = { rows: 1, position: 2, nextOffset: 3, stop: 4, endPosition: 5 } as const
export const ScanFlag = {
  /** Make both indexes anew while scanning: entries at or past the start position are dropped first. */
  rebuildIndexes: 1,
  /** Base offsets may jump (compacted logs); otherwise each batch must follow the one before. */
  allowGaps: 2,
  checkRecords: 4,
  /** `position` is that of damage: begin at the next whole batch behind it, and report that one only. Needs `allowGaps`. */
  findNext: 8,
} as const
/** Why a scan returned: 0 more to come (rows full), 1 end of the range exactly, 2 zero length (preallocated tail), 3 damage. */
export const ScanStop = { rowsFull: 0, end: 1, zeroTail: 2, damage: 3 } as const
/** Columns of a scan row. Producer id as two unsigned halves. */
export const ScanColumn = {
  baseOffset: 0,
  lastOffset: 1,
  position: 2,
  size: 3,
  leaderEpoch: 4,
  attributes: 5,
  baseTimestamp: 6,
  maxTimestamp: 7,
  producerIdHigh: 8,
  producerIdLow: 9,
  producerEpoch: 10,
  baseSequence: 11,
  recordCount: 12,
  crc: 13,
  count: 14,
} as const
export const scanRowsMax = 1024

/** segmentSetEnd: in 1 segment, 2 end position, 3 next offset. */
export const SetEndCell = { segment: 1, endPosition: 2, nextOffset: 3 } as const

/** segmentStats out: 1 end position, 2 next offset, 3 max timestamp (-1 none), 4 offset of it, 5 offset index entries, 6 time index entries, 7 flushed end position, 8 file size, 9 allocated bytes, 10 first batch's max timestamp (-1 none), 11 stalls (appends that had to populate pages themselves), 12 mapped bytes, 13 index damaged (0/1: entries did not match the log; both are ignored until rebuilt). */
export const StatCell = {
  endPosition: 1,
  nextOffset: 2,
  maxTimestamp: 3,
  maxTimestampOffset: 4,
  indexEntries: 5,
  timeIndexEntries: 6,
  flushedPosition: 7,
  fileSize: 8,
  allocatedBytes: 9,
  firstMaxTimestamp: 10,
  stalls: 11,
  mappedBytes: 12,
  indexDamaged: 13,
} as const

export const FlushFlag = {
  /** Also write and flush the index files up to what the log holds. */
  indexes: 1,
  /** Seal: last time index entry, cut all three files to their contents, flush them. No append may follow. */
  seal: 2,
  /** Also flush the folder (a file was made or renamed). The first flush of a new segment does so by itself. */
  folder: 4,
} as const

/** tailPublish in / tailRead out. `version` rises with every change; `epoch` with every new writer; `generation` with every change of files (roll, truncation, retention). */
export const TailCell = {
  version: 1,
  epoch: 2,
  generation: 3,
  segmentBaseOffset: 4,
  endPosition: 5,
  logStartOffset: 6,
  logEndOffset: 7,
  highWatermark: 8,
  lastStableOffset: 9,
  flushedOffset: 10,
  leaderEpoch: 11,
} as const
