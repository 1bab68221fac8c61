/**
 * How lines of text stand in a log: one record each, its value the line without the newline, no key. The last line of a
 * file that does not end in a newline carries a header that says so; everything else follows from that, so that
 * exporting what was imported gives the same bytes.
 */
import { closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { BatchBuilder, type Log, openLog, VarveError, type WriteOptions } from '../doors/log.ts'
import type { RecordBatch } from '../doors/record.ts'
import { RecordCursor } from '../doors/record.ts'
import { LineSplitter } from './line-splitter.ts'

/** Header of a record whose line had no newline. */
const lineEndHeader = 'varve.line-end'
const noNewline = 'none'
/** The same as it is stored: two texts, each after the zigzag varint of its length, which for these is twice it. */
const storedHeader = Buffer.concat(
  [lineEndHeader, noNewline].flatMap((text) => [Buffer.of(2 * text.length), Buffer.from(text)]),
)

/** A line of more is refused: whoever reads it back must hold it in memory. */
export const lineBytesMax = 64 * 1024 * 1024
/** What a batch takes beside the value of a lone record: 61 bytes of header, up to 7 numbers, the header above. */
const batchOverheadBytes = 200
/** One batch of lines: what one read of a log answers by default, so that a reader decodes nothing in vain. */
const batchBytes = 64 * 1024
/** Read from a file at a time. */
const chunkBytes = 256 * 1024
/** Appended before the event loop gets a turn, for the flushes and checkpoints that run beside. */
const turnBytes = 4 * 1024 * 1024

/** Opens a log to import into: it takes long lines, and deletes nothing that is old. */
export function openForImport(folder: string, options: WriteOptions = {}): Promise<Log> {
  return openLog(folder, { maxMessageBytes: lineBytesMax + batchOverheadBytes, retentionMs: -1, ...options })
}

/** Appends lines to a log, in batches. One owner; `finish` when there is no more. */
export class LineAppender {
  readonly #log: Log
  readonly #builder: BatchBuilder
  readonly #splitter: LineSplitter
  /** Records that are in the log. */
  recordCount = 0
  #turnBytes = 0

  constructor(log: Log, compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd' = 'none') {
    this.#log = log
    this.#builder = new BatchBuilder({ maxBytes: lineBytesMax + batchOverheadBytes, compression })
    this.#splitter = new LineSplitter(lineBytesMax, (bytes, start, end, terminated) =>
      this.#line(bytes.subarray(start, end), terminated),
    )
  }

  /**
   * Appends the lines of a file, or of standard input for '-'.
   * @param onBytes Told how much was read, piece by piece.
   * @throws What the log or the system says; `recordCount` records are in the log then.
   */
  async file(path: string, onBytes: (bytes: number) => void): Promise<void> {
    try {
      if (path === '-') for await (const chunk of process.stdin) await this.#chunk(chunk as Buffer, onBytes)
      else if (statSync(path).isFile()) await this.#regularFile(path, onBytes)
      else for await (const chunk of createReadStream(path)) await this.#chunk(chunk as Buffer, onBytes)
      this.#splitter.end()
    } catch (failure) {
      if (!(failure instanceof VarveError) || failure.code !== 'VARVE_RECORD_TOO_LARGE') throw failure
      const name = path === '-' ? 'standard input' : path
      throw new VarveError(failure.code, `${name}: ${failure.message}; such a line cannot be imported as one record`, {
        details: { ...failure.details, path },
        cause: failure,
      })
    }
  }

  /** Appends what is not appended yet. */
  finish(): void {
    if (this.#builder.recordCount === 0) return
    this.#log.append(this.#builder)
    this.recordCount += this.#builder.recordCount
    this.#builder.reset()
  }

  /** Twice as fast as a stream. */
  async #regularFile(path: string, onBytes: (bytes: number) => void): Promise<void> {
    const descriptor = openSync(path, 'r')
    try {
      for (;;) {
        const length = readSync(descriptor, fileChunk, 0, chunkBytes, null)
        if (length === 0) return
        // Lines are copied out of it before the event loop turns, and nobody else reads meanwhile.
        await this.#chunk(fileChunk.subarray(0, length), onBytes)
      }
    } finally {
      closeSync(descriptor)
    }
  }

  async #chunk(chunk: Buffer, onBytes: (bytes: number) => void): Promise<void> {
    this.#splitter.push(chunk)
    onBytes(chunk.length)
    this.#turnBytes += chunk.length
    if (this.#turnBytes < turnBytes) return
    this.#turnBytes = 0
    await nextTurn()
  }

  #line(line: Buffer, terminated: boolean): void {
    const builder = this.#builder
    if (builder.recordCount > 0 && builder.byteLength + line.length > batchBytes) this.finish()
    if (terminated) builder.addKeyValue(null, line)
    else builder.add({ value: line, headers: [[lineEndHeader, noNewline]] })
  }
}

const fileChunk = Buffer.allocUnsafeSlow(chunkBytes)

/** Writes the values of records as lines, the other way round. */
export class LineWriter {
  readonly #cursor = new RecordCursor()
  #buffer = Buffer.allocUnsafeSlow(chunkBytes)
  #length = 0

  /** Adds the records of `[from, to)` that are in the batch; a null value is an empty line. @returns how many. */
  add(batch: RecordBatch, from: number, to: number): number {
    const cursor = batch.walk(this.#cursor)
    let count = 0
    while (cursor.next()) {
      if (cursor.offset < from) continue
      if (cursor.offset >= to) break
      const { valueStart, valueEnd } = cursor
      const length = valueEnd - valueStart
      if (this.#length + length + 1 > this.#buffer.length) this.#grow(length + 1)
      if (length > 0) {
        this.#buffer.set(cursor.bytes.subarray(valueStart, valueEnd), this.#length)
        this.#length += length
      }
      if (cursor.headerCount !== 1 || !lacksNewline(cursor)) {
        this.#buffer[this.#length] = 0x0a
        this.#length += 1
      }
      count += 1
    }
    return count
  }

  get byteLength(): number {
    return this.#length
  }

  /** What was added since the last call; valid until the next `add`. */
  take(): Buffer {
    const bytes = this.#buffer.subarray(0, this.#length)
    this.#length = 0
    return bytes
  }

  #grow(bytes: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#buffer.length, this.#length + bytes))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }
}

function lacksNewline({ bytes, headersStart }: RecordCursor): boolean {
  return storedHeader.equals(bytes.subarray(headersStart, headersStart + storedHeader.length))
}
