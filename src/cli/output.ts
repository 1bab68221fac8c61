/**
 * Standard output, for commands that may write much: in large pieces, waiting while the other end is slow, and ending
 * quietly when it is gone (`varve dump ... | head`).
 */
import type { Writable } from 'node:stream'

/** The reader of our output has closed it: nothing more is wanted, and nothing went wrong. */
export class OutputClosed extends Error {}

/** Written at once: large enough that the system call costs nothing, small enough for `head` to see it soon. */
const pieceBytes = 64 * 1024

export class Output {
  readonly #stream: Writable
  #pieces: Uint8Array[] = []
  #bytes = 0

  constructor(stream: Writable = process.stdout) {
    this.#stream = stream
    // Told through the callback of each write as well; without a listener it would end the process.
    stream.on('error', () => {})
  }

  /** Adds a line; call `drain` when `isFull`. */
  line(text: string): void {
    this.bytes(Buffer.from(`${text}\n`))
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value, (_, field) => (typeof field === 'bigint' ? String(field) : field)))
  }

  /** Takes the bytes without a copy. */
  bytes(bytes: Uint8Array): void {
    this.#pieces.push(bytes)
    this.#bytes += bytes.length
  }

  get isFull(): boolean {
    return this.#bytes >= pieceBytes
  }

  /** Resolves when the other end has taken everything. @throws OutputClosed, or what the system says. */
  async drain(): Promise<void> {
    if (this.#bytes === 0) return
    const bytes = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces, this.#bytes)
    this.#pieces = []
    this.#bytes = 0
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(bytes, (error) => {
        if (error === null || error === undefined) resolve()
        else if ('code' in error && (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED'))
          reject(new OutputClosed())
        else reject(error)
      })
    })
  }
}
