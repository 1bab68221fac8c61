import { VarveError } from '../errors.ts'
import type { Addon } from './native/addon.ts'
import { failureOf } from './native/failure.ts'
import { addon as loadAddon } from './native/loader.ts'
import { Tickets } from './native/tickets.ts'

export interface FileFacts {
  readonly size: number
  readonly modifiedMs: number
  readonly folder: boolean
  readonly inode: number
  readonly device: number
  /** Bytes of real blocks. */
  readonly allocatedBytes: number
}

export interface FolderEntry {
  readonly name: string
  readonly folder: boolean
}

const kernelOfTheSystem = 0
const ticketsOf = new WeakMap<Addon, Tickets>()

/**
 * A disk: the operating system's, or a simulated one that can be crashed. Everything that varve keeps passes through
 * one, so that the same code runs in production and under a simulated power cut (native/file/kernel.h is the seam).
 *
 * Calls are synchronous but for those named `...Later`, which run on helper threads. They serve small files: checkpoints, snapshots, folders. Records pass through
 * `Segment`. A Disk belongs to the JavaScript thread that made it.
 */
export class Disk {
  readonly addon: Addon
  readonly kernel: number
  readonly tickets: Tickets

  constructor(addon: Addon, kernel: number) {
    this.addon = addon
    this.kernel = kernel
    let tickets = ticketsOf.get(addon)
    if (tickets === undefined) {
      tickets = new Tickets(addon)
      ticketsOf.set(addon, tickets)
    }
    this.tickets = tickets
  }

  /** The operating system's disk. */
  static real(): Disk {
    return new Disk(loadAddon(), kernelOfTheSystem)
  }

  /** True for a simulated disk, whose flushes run at once and on this thread, so that a run can be repeated exactly. */
  get simulated(): boolean {
    return this.kernel !== kernelOfTheSystem
  }

  /** The whole file, or null when there is none. */
  readFile(path: string): Uint8Array | null {
    const bytes = this.addon.readFile(this.kernel, path)
    if (bytes !== undefined) return bytes
    return this.#nullIfMissing(`read ${path}`)
  }

  /** The file as UTF-8 text, or null when there is none. */
  readText(path: string): string | null {
    const bytes = this.readFile(path)
    return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  }

  /** Writes a file anew, so that after a crash either the old or the new content is there, whole. Durable on return. */
  replaceFile(path: string, content: Uint8Array | string): void {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content
    this.#check(this.addon.replaceFile(this.kernel, path, bytes), `write ${path}`)
  }

  /** Overwrites part of a file in place, making it if missing. With `sync` it is durable on return. */
  writeFileAt(path: string, position: number, bytes: Uint8Array, sync: boolean): void {
    this.#check(this.addon.writeFileAt(this.kernel, path, position, bytes, sync), `write ${path}`)
  }

  /** `replaceFile` on a helper thread; resolves when the new content is on disk. */
  replaceFileLater(path: string, bytes: Uint8Array): Promise<void> {
    return this.#later(
      () => this.replaceFile(path, bytes),
      `write ${path}`,
      (ticket) => this.addon.replaceFileLater(this.kernel, path, bytes, ticket),
    )
  }

  /** `writeFileAt` on a helper thread; resolves when the bytes are on disk. */
  writeFileAtLater(path: string, position: number, bytes: Uint8Array): Promise<void> {
    return this.#later(
      () => this.writeFileAt(path, position, bytes, true),
      `write ${path}`,
      (ticket) => this.addon.writeFileAtLater(this.kernel, path, position, bytes, ticket),
    )
  }

  /** Entries of a folder, sorted by name; null when there is no such folder. */
  list(folder: string): FolderEntry[] | null {
    const entries = this.addon.list(this.kernel, folder)
    if (entries === undefined) return this.#nullIfMissing(`list ${folder}`)
    return entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  }

  /** Facts about a file or folder; null when there is none. */
  stat(path: string): FileFacts | null {
    const { addon } = this
    if (addon.stat(this.kernel, path) !== 0) return this.#nullIfMissing(`look at ${path}`)
    const [, size, modifiedMs, folder, inode, device, allocatedBytes] = addon.cells
    return {
      size: size!,
      modifiedMs: modifiedMs!,
      folder: folder === 1,
      inode: inode!,
      device: device!,
      allocatedBytes: allocatedBytes!,
    }
  }

  rename(from: string, to: string): void {
    this.#check(this.addon.rename(this.kernel, from, to), `rename ${from} to ${to}`)
  }

  /** Removes a file; one that is not there is no error. */
  remove(path: string): void {
    if (this.addon.remove(this.kernel, path) !== 0) this.#nullIfMissing(`remove ${path}`)
  }

  /** Makes a folder and its parents, durably; one that is there is no error. */
  makeFolder(path: string): void {
    const status = this.addon.makeFolder(this.kernel, path)
    if (status === 0) {
      this.#keepNewFolder(path)
      return
    }
    const failure = failureOf(this.addon, `make the folder ${path}`)
    if (failure.code === 'VARVE_EXISTS' && this.stat(path)?.folder) return
    if (failure.code === 'VARVE_EXISTS') {
      throw new VarveError(
        'VARVE_NOT_A_FOLDER',
        `${path} is a file. Name a folder, or a path that does not exist yet.`,
        {
          details: { path },
        },
      )
    }
    const parent = path.slice(0, path.lastIndexOf('/'))
    if (failure.code !== 'VARVE_NOT_FOUND' || parent === '' || parent === path) throw failure
    this.makeFolder(parent)
    this.#check(this.addon.makeFolder(this.kernel, path), `make the folder ${path}`)
    this.#keepNewFolder(path)
  }

  #keepNewFolder(path: string): void {
    try {
      this.syncParentFolder(path)
    } catch (failure) {
      // Else the next attempt would find it, and take it for one that is on disk.
      this.addon.removeFolder(this.kernel, path)
      throw failure
    }
  }

  /** Makes a folder's own entry durable: without this a power cut takes a new folder away, with all that was flushed in it. */
  syncParentFolder(path: string): void {
    const slash = path.lastIndexOf('/')
    this.syncFolder(slash < 0 ? '.' : slash === 0 ? '/' : path.slice(0, slash))
  }

  removeFolder(path: string): void {
    if (this.addon.removeFolder(this.kernel, path) !== 0) this.#nullIfMissing(`remove the folder ${path}`)
  }

  /** Makes another name for a file, for snapshots. */
  link(from: string, to: string): void {
    this.#check(this.addon.link(this.kernel, from, to), `link ${from} to ${to}`)
  }

  /** Makes the folder's entries (files made, renamed, removed) durable. */
  syncFolder(path: string): void {
    this.#check(this.addon.syncFolder(this.kernel, path), `flush the folder ${path}`)
  }

  /** Removes files on a helper thread, because freeing a large file takes milliseconds. Missing ones are no error. On a simulated disk it is done at once, so that a run can be repeated exactly. */
  async removeLater(paths: string[]): Promise<void> {
    if (this.simulated) {
      for (const path of paths) this.remove(path)
      return
    }
    return this.runJob(`remove ${paths[0]}`, (ticket) => this.addon.removeFiles(this.kernel, paths, ticket))
  }

  /** Starts a native job that answers through a ticket; resolves when it is done. While it runs the process stays alive. */
  runJob(what: string, start: (ticket: number) => number): Promise<void> {
    return new Promise((resolve, reject) => {
      const ticket = this.tickets.issue((status) => {
        if (status === 0) resolve()
        else reject(failureOf(this.addon, what))
      })
      if (start(ticket) === 0) return
      this.tickets.discard(ticket)
      reject(failureOf(this.addon, what))
    })
  }

  /** The file system's name, such as 'ext4' or 'tmpfs'; 'unknown' where the system does not tell. */
  fileSystem(path: string): string {
    return this.addon.fileSystem(this.kernel, path) ?? 'unknown'
  }

  /** Bytes that an unprivileged user may still write; 0 when unknown. */
  freeBytes(path: string): number {
    return this.addon.freeBytes(this.kernel, path)
  }

  /** On a simulated disk everything happens at once, on this thread, so that a run can be repeated exactly. */
  async #later(now: () => void, what: string, start: (ticket: number) => number): Promise<void> {
    if (this.simulated) now()
    else await this.runJob(what, start)
  }

  #check(status: number, what: string): void {
    if (status !== 0) throw failureOf(this.addon, what)
  }

  #nullIfMissing(what: string): null {
    const failure = failureOf(this.addon, what)
    if (failure.code === 'VARVE_NOT_FOUND') return null
    throw failure
  }
}
