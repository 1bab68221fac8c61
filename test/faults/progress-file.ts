/**
 * What a process that will be killed says of its progress: three offsets at the start of a file, written with one
 * system call each time. The page cache keeps them whatever happens to the process.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'

export interface Progress {
  /** No append beyond this offset was begun. */
  attemptedEnd: number
  /** Every append below this offset has returned. */
  appendedEnd: number
  /** Every record below this offset was acknowledged as synced. */
  syncedEnd: number
}

export class ProgressFile implements Progress {
  readonly #fd: number
  readonly #offsets = new Float64Array(3)
  readonly #bytes = new Uint8Array(this.#offsets.buffer)

  /** Begins with a log that ends at an offset, and of which `syncedEnd` is known to be on disk. */
  constructor(path: string, logEndOffset: number, syncedEnd: number) {
    this.#fd = openSync(path, 'w')
    this.#offsets.set([logEndOffset, logEndOffset, syncedEnd])
    this.#write()
  }

  get attemptedEnd(): number {
    return this.#offsets[0]!
  }

  get appendedEnd(): number {
    return this.#offsets[1]!
  }

  get syncedEnd(): number {
    return this.#offsets[2]!
  }

  attempt(end: number): void {
    this.#offsets[0] = end
    this.#write()
  }

  appended(end: number): void {
    this.#offsets[1] = end
    this.#write()
  }

  synced(end: number): void {
    if (end <= this.syncedEnd) return
    this.#offsets[2] = end
    this.#write()
  }

  close(): void {
    closeSync(this.#fd)
  }

  #write(): void {
    writeSync(this.#fd, this.#bytes, 0, this.#bytes.byteLength, 0)
  }
}

/** Null when the writer never came so far as to say anything. */
export function readProgress(path: string): Progress | null {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch {
    return null
  }
  if (bytes.byteLength < 24) return null
  return { attemptedEnd: bytes.readDoubleLE(0), appendedEnd: bytes.readDoubleLE(8), syncedEnd: bytes.readDoubleLE(16) }
}
