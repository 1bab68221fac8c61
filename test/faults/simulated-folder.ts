import { BatchBuilder } from '../../src/doors/record.ts'
import type { Log } from '../../src/log/log.ts'
import { encodeTransactionMarker } from '../../src/record/control-record.ts'
import { Disk } from '../../src/storage/disk.ts'
import { addon } from '../../src/storage/native/loader.ts'
import { startMs } from './workload.ts'

/** The files of a folder, by name: an image that is put on as many simulated disks as there are cases. */
export type FolderImage = ReadonlyMap<string, Uint8Array>

export function newDisk(): Disk {
  return new Disk(addon(), addon().kernelMemory())
}

export function freeDisk(disk: Disk): void {
  addon().kernelClose(disk.kernel)
}

export function readImage(disk: Disk, folder: string): FolderImage {
  const image = new Map<string, Uint8Array>()
  for (const { name } of disk.list(folder) ?? []) image.set(name, disk.readFile(`${folder}/${name}`)!)
  return image
}

/** A simulated disk that holds an image, all of it flushed. */
export function diskOf(image: FolderImage, folder: string): Disk {
  const disk = newDisk()
  disk.makeFolder(folder)
  for (const [name, bytes] of image) disk.writeFileAt(`${folder}/${name}`, 0, bytes, false)
  return disk
}

/** One batch with a record for each value. */
export function batchOf(values: readonly string[], timestamp = startMs): BatchBuilder {
  const builder = new BatchBuilder()
  for (const value of values) builder.add({ key: 'k', value, timestamp })
  return builder
}

/** Appends a transaction of one record and the marker that ends it. */
export function appendTransaction(log: Log, producerId: bigint, sequence: number, type: 'abort' | 'commit'): void {
  const batch = batchOf([`transaction ${producerId} ${sequence}`], startMs + 5)
  batch.setProducer({ producerId, producerEpoch: 0, baseSequence: sequence, transactional: true })
  log.append(batch)
  const marker = new BatchBuilder()
  marker.add({ ...encodeTransactionMarker({ type, coordinatorEpoch: 1 }), timestamp: startMs + 5 })
  marker.setProducer({ producerId, producerEpoch: 0, baseSequence: -1, transactional: true })
  log.append(marker.build({ control: true }), 'coordinator')
}
