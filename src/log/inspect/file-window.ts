import type { InspectedFile } from './inspected-folder.ts'

const windowBytes = 1024 * 1024

/**
 * The bytes of a file, a mebibyte at a time. What `look` answers is valid until the next call.
 */
export class FileWindow {
  readonly #file: InspectedFile
  #bytes = Buffer.allocUnsafeSlow(windowBytes)
  /** Position in the file of the first byte held. */
  #start = 0
  /** Bytes held. */
  #length = 0

  constructor(file: InspectedFile) {
    this.#file = file
  }

  get size(): number {
    return this.#file.size
  }

  /** The bytes `[position, position + length)`, fewer where the file ends. Takes memory for bytes that are there. */
  look(position: number, length: number): Buffer {
    const wanted = Math.max(0, Math.min(length, this.#file.size - position))
    if (position < this.#start || position + wanted > this.#start + this.#length) this.#fill(position, wanted)
    const from = position - this.#start
    return this.#bytes.subarray(from, Math.min(from + wanted, this.#length))
  }

  #fill(position: number, wanted: number): void {
    if (this.#bytes.length < wanted) this.#bytes = Buffer.allocUnsafeSlow(wanted)
    // After a large batch the next ones need no such window.
    else if (this.#bytes.length > windowBytes && wanted <= windowBytes)
      this.#bytes = Buffer.allocUnsafeSlow(windowBytes)
    this.#start = position
    this.#length = 0
    const end = Math.min(this.#bytes.length, Math.max(0, this.#file.size - position))
    while (this.#length < end) {
      const read = this.#file.read(position + this.#length, this.#bytes.subarray(this.#length, end))
      if (read === 0) break
      this.#length += read
    }
  }
}
