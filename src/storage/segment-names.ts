/**
 * Names of files and folders: what stands in a data folder and in a partition folder, and how a name says so.
 */
import { VarveError } from '../errors.ts'

/** The kinds of file that belong to a segment, or (`snapshot`) to the offset that names it. */
export const segmentFileKinds = ['log', 'index', 'timeindex', 'txnindex', 'snapshot'] as const
export type SegmentFileKind = (typeof segmentFileKinds)[number]

/**
 * What a suffix after the kind says. `deleted`: to be unlinked. `cleaned`: being written by a compaction, worthless
 * after a crash. `swap`: finished by one, to replace the plain names.
 */
export const segmentFileStates = ['deleted', 'cleaned', 'swap'] as const
export type SegmentFileState = (typeof segmentFileStates)[number]

export interface SegmentFileName {
  baseOffset: number
  kind: SegmentFileKind
  /** Undefined for a file in use. */
  state: SegmentFileState | undefined
}

/** The next segment's file, made ahead of time by a helper thread (native/segment). A leftover does no harm. */
export const preparedSegmentName = 'varve.next'

const segmentFilePattern = new RegExp(
  `^([0-9]{20})\\.(${segmentFileKinds.join('|')})(?:\\.(${segmentFileStates.join('|')}))?$`,
)

/** `00000000000000000042.log` */
export function segmentFileName(baseOffset: number, kind: SegmentFileKind, state?: SegmentFileState): string {
  const name = `${segmentStem(baseOffset)}.${kind}`
  return state === undefined ? name : `${name}.${state}`
}

/** The 20 digits that the files of a segment share. */
export function segmentStem(baseOffset: number): string {
  return String(baseOffset).padStart(20, '0')
}

/** What a file name of a partition folder says; undefined when it is none of a segment's (or past 2^53). */
export function parseSegmentFileName(name: string): SegmentFileName | undefined {
  const match = segmentFilePattern.exec(name)
  if (match === null) return undefined
  const baseOffset = Number(match[1])
  if (!Number.isSafeInteger(baseOffset)) return undefined
  return { baseOffset, kind: match[2] as SegmentFileKind, state: match[3] as SegmentFileState | undefined }
}

/** Kafka's rule: 1 to 249 of letters, digits, `.`, `_`, `-`, and neither `.` nor `..`. No path can be made of it. */
export function isTopicName(name: string): boolean {
  return /^[a-zA-Z0-9._-]{1,249}$/.test(name) && name !== '.' && name !== '..'
}

export interface PartitionFolderName {
  topic: string
  partition: number
  /** Renamed for deletion; then the topic may be cut short. */
  deleted: boolean
}

/** Kafka's limit of a file name, which a `-delete` folder's topic is cut to fit. */
const fileNameMax = 255

/** `<topic>-<partition>`; throws `VARVE_INVALID_ARGUMENT` for a topic that is no name. */
export function partitionFolderName(topic: string, partition: number): string {
  if (!isTopicName(topic))
    throw new VarveError(
      'VARVE_INVALID_ARGUMENT',
      `"${topic}" is no topic name: use 1 to 249 letters, digits, ".", "_" or "-", and not "." or "..".`,
      { details: { topic } },
    )
  return `${topic}-${partition}`
}

/**
 * The name under which a partition's folder waits for its deletion: `<topic>-<partition>.<unique>-delete`.
 * @param unique 32 hexadecimal digits that no other folder has.
 */
export function deletedFolderName(topic: string, partition: number, unique: string): string {
  const tail = `-${partition}.${unique}-delete`
  return topic.slice(0, fileNameMax - tail.length) + tail
}

/** What a folder name in a data folder says; undefined when it is no partition's. */
export function parsePartitionFolderName(name: string): PartitionFolderName | undefined {
  const match = /^(.+)-(0|[1-9][0-9]{0,9})(\.[0-9a-f]{32}-delete)?$/.exec(name)
  if (match === null) return undefined
  const partition = Number(match[2])
  if (!isTopicName(match[1]!) || partition > 0x7fff_ffff) return undefined
  return { topic: match[1]!, partition, deleted: match[3] !== undefined }
}
