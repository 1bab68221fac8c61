import { VarveError } from '../doors/record.ts'

const newline = 0x0a

/** Gets one line: `bytes[start, end)`, without its newline; `terminated` is false for a last line that has none. */
export type LineSink = (bytes: Buffer, start: number, end: number, terminated: boolean) => void

/**
 * Cuts a stream of bytes into lines. Only `\n` ends a line: whatever else is in it, `\r` too, belongs to it.
 *
 * Holds the beginning of a line whose end has not come yet, and no more than `lineBytesMax` of it.
 */
export class LineSplitter {
  readonly #sink: LineSink
  readonly #lineBytesMax: number
  #begun: Buffer[] = []
  #begunBytes = 0
  /** Lines handed on since the last `end`. */
  lineCount = 0

  constructor(lineBytesMax: number, sink: LineSink) {
    this.#lineBytesMax = lineBytesMax
    this.#sink = sink
  }

  /**
   * The chunk may be reused by the caller afterwards.
   * @throws VARVE_RECORD_TOO_LARGE for a line of more than `lineBytesMax`; the lines before it were handed on.
   */
  push(chunk: Buffer): void {
    let start = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      this.#check(this.#begunBytes + end - start)
      if (this.#begunBytes === 0) this.#line(chunk, start, end, true)
      else this.#finish(chunk.subarray(start, end), true)
      start = end + 1
    }
    if (start === chunk.length) return
    this.#begunBytes += chunk.length - start
    this.#check(this.#begunBytes)
    this.#begun.push(Buffer.from(chunk.subarray(start)))
  }

  /** The stream has ended; the next `push` begins another one. */
  end(): void {
    if (this.#begunBytes > 0) this.#finish(Buffer.alloc(0), false)
    this.lineCount = 0
  }

  #finish(rest: Buffer, terminated: boolean): void {
    const line = Buffer.concat([...this.#begun, rest])
    this.#begun = []
    this.#begunBytes = 0
    this.#line(line, 0, line.length, terminated)
  }

  #line(bytes: Buffer, start: number, end: number, terminated: boolean): void {
    this.lineCount += 1
    this.#sink(bytes, start, end, terminated)
  }

  #check(bytes: number): void {
    if (bytes <= this.#lineBytesMax) return
    const message = `line ${this.lineCount + 1} has more than ${this.#lineBytesMax} bytes`
    throw new VarveError('VARVE_RECORD_TOO_LARGE', message, { details: { line: this.lineCount + 1 } })
  }
}
