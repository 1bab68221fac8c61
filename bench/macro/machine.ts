/** What the figures were measured on. Every row carries these facts, because a figure without them says nothing. */
import { readFileSync, realpathSync, statfsSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { basename } from 'node:path'

export interface MachineFacts {
  fileSystem: string
  device: string
  kernel: string
  cpu: string
  node: string
  memoryBytes: number
  /** Dirty page cache above this many bytes makes the kernel write in the background, and slows whoever writes. 0 when unknown. */
  dirtyBackgroundBytes: number
  /** `/sys/block/<name>/stat` of the disk below, or '' where there is none. */
  blockStatPath: string
}

/** Linux magic numbers of file systems that live in memory: a benchmark there measures no disk. */
const memoryFileSystems = new Map([
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
])

/** Name of the memory file system that `folder` lies on, or undefined for a real one. */
export function memoryFileSystem(folder: string): string | undefined {
  return memoryFileSystems.get(Number(statfsSync(folder).type))
}

export function machineFacts(folder: string): MachineFacts {
  const mount = mountOf(realpathSync(folder))
  const processors = cpus()
  return {
    fileSystem: mount?.fileSystem ?? 'unknown',
    device: mount ? describeDevice(mount) : 'unknown',
    kernel: `${process.platform} ${release()}`,
    cpu: `${processors.length} x ${processors[0]?.model.trim() ?? process.arch}`,
    node: process.version,
    memoryBytes: totalmem(),
    dirtyBackgroundBytes: dirtyBackgroundBytes(),
    blockStatPath: mount ? blockStatPath(mount.number) : '',
  }
}

export interface Mount {
  /** `major:minor` */
  number: string
  point: string
  fileSystem: string
  source: string
}

/** Lines of `/proc/self/mountinfo` (proc(5)): `id parent major:minor root point options... - type source super-options`. */
export function parseMountInfo(text: string): Mount[] {
  const mounts: Mount[] = []
  for (const line of text.split('\n')) {
    const [before, after] = line.split(' - ', 2)
    const left = before?.split(' ') ?? []
    const right = after?.split(' ') ?? []
    if (left.length < 5 || right.length < 2) continue
    mounts.push({ number: left[2]!, point: unescapeMount(left[4]!), fileSystem: right[0]!, source: right[1]! })
  }
  return mounts
}

/** The mount that holds `path`: the longest mount point above it, the latest of equals (it hides the earlier ones). */
export function findMount(mounts: Mount[], path: string): Mount | undefined {
  let best: Mount | undefined
  for (const mount of mounts) {
    const above = mount.point === '/' || path === mount.point || path.startsWith(`${mount.point}/`)
    if (above && (best === undefined || mount.point.length >= best.point.length)) best = mount
  }
  return best
}

function mountOf(path: string): Mount | undefined {
  const text = readOrEmpty('/proc/self/mountinfo')
  return findMount(parseMountInfo(text), path)
}

/** Blanks and tabs in mount points are written as octal escapes. */
const unescapeMount = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

function describeDevice(mount: Mount): string {
  const disk = diskFolder(mount.number)
  if (!disk) return mount.source
  const model = readOrEmpty(`${disk}/device/model`).trim()
  // Only disks with a model say truly whether they rotate: virtual ones claim it by default.
  if (!model) return mount.source
  const rotates = readOrEmpty(`${disk}/queue/rotational`).trim() === '1'
  return `${mount.source} (${model}${rotates ? ', rotating' : ''})`
}

/** The folder of a whole disk in sysfs; a partition's folder lies inside its disk's. */
function diskFolder(number: string): string {
  try {
    const folder = realpathSync(`/sys/dev/block/${number}`)
    return readOrEmpty(`${folder}/partition`) === '' ? folder : folder.slice(0, -basename(folder).length - 1)
  } catch {
    return ''
  }
}

function blockStatPath(number: string): string {
  const disk = diskFolder(number)
  return disk && readOrEmpty(`${disk}/stat`) !== '' ? `${disk}/stat` : ''
}

/** Bytes written to a disk since it was attached: the seventh field of its stat file counts sectors of 512 bytes. */
export function diskBytesWritten(statPath: string): number {
  if (statPath === '') return Number.NaN
  const fields = readOrEmpty(statPath).trim().split(/\s+/)
  return Number(fields[6]) * 512
}

/** The kernel's rule: a fixed number of bytes if one is set, else a share of the memory that is available. */
function dirtyBackgroundBytes(): number {
  const bytes = Number(readOrEmpty('/proc/sys/vm/dirty_background_bytes'))
  if (bytes > 0) return bytes
  const share = Number(readOrEmpty('/proc/sys/vm/dirty_background_ratio'))
  const available = /^MemAvailable:\s+(\d+) kB/m.exec(readOrEmpty('/proc/meminfo'))
  return available ? Math.round((Number(available[1]) * 1024 * share) / 100) : 0
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
