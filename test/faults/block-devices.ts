/**
 * Small ext4 file systems of a row's own, in image files: one that can run full, one whose disk has a write cache that
 * a power cut empties. Both need root.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from './moments.ts'
import { NotRun } from './row.ts'

function command(program: string, ...args: string[]): string {
  return execFileSync(program, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' }).trim()
}

/** @throws NotRun naming what is missing. */
export function requireRootAnd(packages: Readonly<Record<string, string>>): void {
  if (process.getuid?.() !== 0) throw new NotRun('needs root: loop devices')
  if (!existsSync('/dev/loop-control')) throw new NotRun('needs root with loop devices: there is no /dev/loop-control')
  const missing = Object.entries(packages).filter(([program]) => !isInstalled(program))
  if (missing.length > 0) {
    const names = missing.map(([program, name]) => `${program} (Debian: ${name})`)
    throw new NotRun(`not installed: ${names.join(', ')}`)
  }
}

function isInstalled(program: string): boolean {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']
  return folders.some((folder) => folder !== '' && existsSync(join(folder, program)))
}

/** An ext4 file system in a file. Lifecycle: `mount`, `unmount`, again and again. One owner. */
export class ImageDisk {
  readonly image: string
  /** Where it is mounted. */
  readonly folder: string
  #mounted = false

  /** @param place A folder for the image and the mount point. */
  constructor(place: string, sizeBytes: number) {
    this.image = join(place, 'disk.img')
    this.folder = join(place, 'mounted')
    mkdirSync(this.folder, { recursive: true })
    rmSync(this.image, { force: true })
    writeFileSync(this.image, '')
    truncateSync(this.image, sizeBytes)
    // No blocks kept for root: who runs this row is root, and must meet the full disk too.
    command('mkfs.ext4', '-q', '-F', '-m', '0', '-b', '4096', '-E', 'lazy_itable_init=0', this.image)
  }

  /** Mounts the image. @throws NotRun where this machine does not allow it. */
  mount(): void {
    try {
      command('mount', '-o', 'loop', this.image, this.folder)
    } catch (failure) {
      throw new NotRun(`needs root with loop devices: ${String((failure as { stderr?: string }).stderr ?? failure)}`)
    }
    this.#mounted = true
  }

  unmount(): void {
    if (!this.#mounted) return
    command('umount', this.folder)
    this.#mounted = false
  }
}

/**
 * The same file system behind a disk with a volatile write cache: what was written is in a process's memory until it is
 * flushed, and gone when that process is killed.
 */
export class VolatileDisk {
  readonly image: ImageDisk
  readonly #place: string
  #server: ChildProcess | null = null
  #client: ChildProcess | null = null
  #loop = ''
  #mounted = false

  constructor(place: string, sizeBytes: number) {
    this.#place = place
    this.image = new ImageDisk(place, sizeBytes)
  }

  get folder(): string {
    return this.image.folder
  }

  async powerOn(): Promise<void> {
    const socket = join(this.#place, 'socket')
    const device = join(this.#place, 'device')
    rmSync(socket, { force: true })
    writeFileSync(device, '')
    const server = ['-f', '-U', socket, '--filter=cache', 'file', this.image.image, 'cache=writeback']
    this.#server = spawn('nbdkit', server, { stdio: 'ignore' })
    await until('nbdkit serves', () => existsSync(socket))
    this.#client = spawn('nbdfuse', [device, '--unix', socket], { stdio: 'ignore' })
    await until('nbdfuse is mounted', () => statSync(device).size > 0)
    this.#loop = command('losetup', '--find', '--show', '--direct-io=on', device)
    command('mount', this.#loop, this.folder)
    this.#mounted = true
  }

  /** Takes the disk away, with what it had not flushed. Whoever works on it gets errors. */
  cutPower(): void {
    this.#server?.kill('SIGKILL')
  }

  /** Takes down what is left after `cutPower`; nobody may have files open there. The image can be mounted then. */
  async remove(): Promise<void> {
    if (this.#mounted) command('umount', '--lazy', this.folder)
    this.#mounted = false
    if (this.#loop !== '') command('losetup', '--detach', this.#loop)
    this.#loop = ''
    // It ends by itself when its server is gone, and may have done so.
    const client = this.#client
    if (client !== null && client.exitCode === null && client.signalCode === null) {
      const gone = once(client, 'exit')
      try {
        command('fusermount3', '-u', '-z', join(this.#place, 'device'))
      } catch {}
      client.kill('SIGKILL')
      await gone
    }
    try {
      command('fusermount3', '-u', '-z', join(this.#place, 'device'))
    } catch {}
    const server = this.#server
    if (server !== null && server.exitCode === null && server.signalCode === null) {
      const gone = once(server, 'exit')
      server.kill('SIGKILL')
      await gone
    }
    this.#client = this.#server = null
  }
}
