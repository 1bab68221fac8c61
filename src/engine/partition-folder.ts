/** The folder of a partition, which belongs to one topic id: made when the partition is first used. */
import { VarveError } from '../errors.ts'
import type { Disk } from '../storage/disk.ts'
import type { LogRoot } from '../storage/log-root.ts'
import {
  decodePartitionMetadata,
  encodePartitionMetadata,
  partitionMetadataName,
} from '../storage/partition-metadata.ts'
import { deletedFolderName, parsePartitionFolderName, partitionFolderName } from '../storage/segment-names.ts'

export interface PartitionIdentity {
  readonly topic: string
  readonly topicId: string
  readonly index: number
}

/**
 * Sees to it that a partition's folder is there and is this topic's. One that an earlier topic of the name left, because
 * the process ended before it was renamed, is put aside for deletion now.
 * @throws VARVE_CORRUPT when the folder is gone though records of it were on disk once: nothing is made in its place.
 */
export function preparePartitionFolder(root: LogRoot, { topic, topicId, index }: PartitionIdentity): string {
  const { disk } = root
  const name = partitionFolderName(topic, index)
  const folder = `${root.folder}/${name}`
  const metadata = encodePartitionMetadata(topicId)
  if (disk.stat(folder) !== null) {
    const stored = disk.readText(`${folder}/${partitionMetadataName}`)
    if (stored !== null && decodePartitionMetadata(stored) === topicId) return folder
    if (stored === null) {
      disk.replaceFile(`${folder}/${partitionMetadataName}`, metadata)
      return folder
    }
    putAside(root, { topic, topicId: decodePartitionMetadata(stored), index })
  } else if (root.hasRecordsOf(name, disk.addon.crc32c(Buffer.from(metadata), 0))) {
    throw new VarveError(
      'VARVE_CORRUPT',
      `The folder ${folder} is gone, though records of it were on disk. Put it back, or delete the topic "${topic}".`,
      { details: { path: folder, topic, partition: index } },
    )
  }
  disk.makeFolder(folder)
  disk.replaceFile(`${folder}/${partitionMetadataName}`, metadata)
  return folder
}

/** Renames the folder of a deleted topic's partition, so that its files go later; one that is not there is no error. */
export function putAside(root: LogRoot, { topic, topicId, index }: PartitionIdentity): void {
  const { disk } = root
  const name = partitionFolderName(topic, index)
  const folder = `${root.folder}/${name}`
  root.forget(name)
  if (disk.stat(folder) === null) return
  // Sixteen bytes that no other topic has: the id.
  const unique = Buffer.from(topicId, 'base64url').toString('hex')
  disk.rename(folder, `${root.folder}/${deletedFolderName(topic, index, unique)}`)
  disk.syncFolder(root.folder)
}

/** Folders that wait for their deletion. */
export function foldersPutAside(root: LogRoot): string[] {
  const entries = root.disk.list(root.folder) ?? []
  return entries
    .filter(({ name, folder }) => folder && parsePartitionFolderName(name)?.deleted === true)
    .map(({ name }) => `${root.folder}/${name}`)
}

/** Removes a folder of files, the files on a helper thread. */
export async function removeFolderLater(disk: Disk, folder: string): Promise<void> {
  const names = (disk.list(folder) ?? []).map(({ name }) => `${folder}/${name}`)
  if (names.length > 0) await disk.removeLater(names)
  disk.removeFolder(folder)
}
