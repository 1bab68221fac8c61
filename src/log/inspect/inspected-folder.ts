/**
 * What an inspection looks at: a folder's files, for reading only. The caller brings the real ones (or a test's).
 *
 * Reading is synchronous. An inspection asks for at most a mebibyte at a time, unless a batch is larger, so that a file
 * of any size costs little memory.
 */
export interface InspectedFile {
  readonly name: string
  /** Bytes, as of the opening. */
  readonly size: number
  /** Fills `into` from `position` on. @returns Bytes read, fewer where the file ends. Throws what the system says. */
  read(position: number, into: Uint8Array): number
  close(): void
}

export interface InspectedFolder {
  readonly path: string
  /** Names of files and folders, sorted. */
  list(): readonly { readonly name: string; readonly folder: boolean }[]
  /** Null when there is no such file. */
  open(name: string): InspectedFile | null
  /** A folder in this one. */
  child(name: string): InspectedFolder
  /** The folder that this one is in. */
  parent(): InspectedFolder
}

/** Indexes take 10 MiB by default; a file that should be small and is not is damage, and costs no memory. */
export const smallFileBytesMax = 256 * 1024 * 1024

/** A whole small file; null when there is none; undefined when it is larger than any such file. */
export function readSmallFile(folder: InspectedFolder, name: string): Buffer | null | undefined {
  const file = folder.open(name)
  if (file === null) return null
  try {
    if (file.size > smallFileBytesMax) return undefined
    const bytes = Buffer.alloc(file.size)
    return bytes.subarray(0, file.read(0, bytes))
  } finally {
    file.close()
  }
}
