/** A folder in memory, for inspections of bytes that a test has damaged. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32c } from '../../../../src/base/crc32c.ts'
import { compressionCodecs } from '../../../../src/env/node/codecs/index.ts'
import { type FolderReport, inspectFolder } from '../../../../src/log/inspect/inspect-folder.ts'
import type { InspectedFile, InspectedFolder } from '../../../../src/log/inspect/inspected-folder.ts'

export class MemoryFile implements InspectedFile {
  readonly name: string
  readonly #bytes: Uint8Array

  constructor(name: string, bytes: Uint8Array) {
    this.name = name
    this.#bytes = bytes
  }

  get size(): number {
    return this.#bytes.length
  }

  read(position: number, into: Uint8Array): number {
    const part = this.#bytes.subarray(position, position + into.length)
    into.set(part)
    return part.length
  }

  close(): void {}
}

export class MemoryFolder implements InspectedFolder {
  readonly path: string
  readonly files: Map<string, Buffer>
  readonly #parent: MemoryFolder | null

  constructor(path: string, files: Iterable<readonly [string, Buffer]>, parent: MemoryFolder | null = null) {
    this.path = path
    this.files = new Map(files)
    this.#parent = parent
  }

  /** The files of a real folder; of its sub-folders nothing. */
  static read(path: string, parent: MemoryFolder | null = null): MemoryFolder {
    const names = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isFile())
    return new MemoryFolder(
      path,
      names.map(({ name }) => [name, readFileSync(join(path, name))] as const),
      parent,
    )
  }

  /** The same with some files changed; null takes one away. */
  with(changes: Record<string, Buffer | null>): MemoryFolder {
    const files = new Map(this.files)
    for (const [name, bytes] of Object.entries(changes)) {
      if (bytes === null) files.delete(name)
      else files.set(name, bytes)
    }
    return new MemoryFolder(this.path, files, this.#parent)
  }

  list(): { name: string; folder: boolean }[] {
    return [...this.files.keys()].sort().map((name) => ({ name, folder: false }))
  }

  open(name: string): MemoryFile | null {
    const bytes = this.files.get(name)
    return bytes === undefined ? null : new MemoryFile(name, bytes)
  }

  child(): InspectedFolder {
    throw new Error('there are no folders in it')
  }

  parent(): InspectedFolder {
    return this.#parent ?? this
  }
}

export function inspect(folder: InspectedFolder, compacted = false): FolderReport {
  return inspectFolder(folder, { crc32c, codecs: compressionCodecs, compacted })
}

/** A copy with one bit flipped. */
export function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[bit >> 3]! ^= 1 << (bit & 7)
  return copy
}
