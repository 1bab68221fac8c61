import { decodeProducerSnapshot } from '../../src/log/producer-snapshot.ts'
import { Disk } from '../../src/storage/disk.ts'
import { decodeLeaderEpochs, leaderEpochCheckpointName } from '../../src/storage/kafka-checkpoint.ts'
import { addon } from '../../src/storage/native/loader.ts'
import { parseSegmentFileName, segmentFileName } from '../../src/storage/segment-names.ts'
import { openLog, type WriteOptions } from '../../src/store/open-log.ts'

/** What a closed log's folder says beside its records: producers, leader epochs, aborted transactions. */
export interface DerivedFiles {
  readonly bases: readonly number[]
  readonly producers: readonly string[]
  readonly epochs: readonly string[]
  readonly aborted: readonly string[]
}

const asText = (value: unknown): string => JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}n` : v))

function segmentBases(disk: Disk, folder: string): number[] {
  return (disk.list(folder) ?? [])
    .map(({ name }) => parseSegmentFileName(name))
    .filter((file) => file?.kind === 'log' && file.state === undefined)
    .map((file) => file!.baseOffset)
}

export function derivedFilesOf(disk: Disk, folder: string, logEndOffset: number): DerivedFiles {
  const bases = segmentBases(disk, folder)
  const snapshot = disk.readFile(`${folder}/${segmentFileName(logEndOffset, 'snapshot')}`)
  const epochs = disk.readText(`${folder}/${leaderEpochCheckpointName}`)
  return {
    bases,
    producers: snapshot === null ? [] : decodeProducerSnapshot(snapshot).map(asText).sort(),
    // An epoch that begins at the log end has no batch that could tell of it.
    epochs: (epochs === null ? [] : decodeLeaderEpochs(epochs)).filter((e) => e.startOffset < logEndOffset).map(asText),
    aborted: bases.map((base) => {
      const bytes = disk.readFile(`${folder}/${segmentFileName(base, 'txnindex')}`)
      return bytes === null ? '' : Buffer.from(bytes).toString('hex')
    }),
  }
}

/**
 * Compares what a closed log keeps beside its records with what an opening makes of the records alone. For logs that
 * hold everything that was ever in them: what was deleted cannot be derived any more.
 * @returns the difference, or null.
 */
export async function derivedDifference(
  disk: Disk,
  folder: string,
  logEndOffset: number,
  options: WriteOptions,
): Promise<string | null> {
  const kept = derivedFilesOf(disk, folder, logEndOffset)
  const kernel = addon().kernelMemory()
  const fresh = new Disk(addon(), kernel)
  fresh.makeFolder(folder)
  for (const base of kept.bases) {
    const name = segmentFileName(base, 'log')
    fresh.replaceFile(`${folder}/${name}`, disk.readFile(`${folder}/${name}`)!)
  }
  const log = await openLog(folder, { ...options, disk: fresh })
  const rebuiltEnd = log.logEndOffset
  await log.close()
  const rebuilt = derivedFilesOf(fresh, folder, logEndOffset)
  addon().kernelClose(kernel)
  if (rebuiltEnd !== logEndOffset) return `the records alone end at ${rebuiltEnd}, with the files at ${logEndOffset}`
  for (const key of ['producers', 'epochs', 'aborted'] as const) {
    const [have, want] = [kept[key].join('\n'), rebuilt[key].join('\n')]
    if (have !== want) return `${key} differ. On disk:\n${have}\nmade anew from the records:\n${want}`
  }
  return null
}
