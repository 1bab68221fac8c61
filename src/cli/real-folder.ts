/** The files of a folder on the real disk, opened for reading only. */
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { InspectedFile, InspectedFolder } from '../doors/inspect.ts'
import { VarveError } from '../doors/record.ts'

class RealFile implements InspectedFile {
  readonly name: string
  readonly size: number
  readonly #path: string
  readonly #descriptor: number

  constructor(path: string, name: string) {
    this.name = name
    this.#path = path
    this.#descriptor = openSync(path, 'r')
    this.size = fstatSync(this.#descriptor).size
  }

  read(position: number, into: Uint8Array): number {
    try {
      return readSync(this.#descriptor, into, 0, into.length, position)
    } catch (cause) {
      const message = `${this.#path} cannot be read at position ${position}: ${messageOf(cause)}`
      throw new VarveError('VARVE_IO', message, { details: { path: this.#path, position }, cause })
    }
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

export class RealFolder implements InspectedFolder {
  readonly path: string

  /** @throws VARVE_NOT_FOUND, VARVE_NOT_A_FOLDER, VARVE_PERMISSION. */
  constructor(path: string) {
    this.path = resolve(path)
    if (!statOf(this.path).isDirectory()) {
      const message = `${this.path} is a file. Name the folder that it is in.`
      throw new VarveError('VARVE_NOT_A_FOLDER', message, { details: { path: this.path } })
    }
  }

  list(): { name: string; folder: boolean }[] {
    const entries = refused(this.path, () => readdirSync(this.path, { withFileTypes: true }))
    return entries
      .map((entry) => ({ name: entry.name, folder: entry.isDirectory() }))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  }

  open(name: string): RealFile | null {
    const path = join(this.path, name)
    try {
      return refused(path, () => new RealFile(path, name))
    } catch (failure) {
      if (failure instanceof VarveError && failure.code === 'VARVE_NOT_FOUND') return null
      throw failure
    }
  }

  child(name: string): RealFolder {
    return new RealFolder(join(this.path, name))
  }

  parent(): RealFolder {
    return new RealFolder(dirname(this.path))
  }
}

/** @throws VARVE_NOT_FOUND, VARVE_PERMISSION */
export function statOf(path: string): ReturnType<typeof statSync> & object {
  return refused(path, () => statSync(path))!
}

/** Runs a call to the system; what it refuses becomes an error that says what to do. */
function refused<T>(path: string, call: () => T): T {
  try {
    return call()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    const details = { path }
    if (code === 'ENOENT')
      throw new VarveError('VARVE_NOT_FOUND', `there is no ${path}: check the path`, { details, cause })
    if (code === 'EACCES' || code === 'EPERM')
      throw new VarveError('VARVE_PERMISSION', `${path} may not be read: run as a user who may`, { details, cause })
    throw new VarveError('VARVE_IO', `${path}: ${messageOf(cause)}`, { details, cause })
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
