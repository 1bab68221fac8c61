/**
 * The folders that Apache Kafka 4.3.0 wrote (see kafka-4.3/README.md), for tests that read them.
 *
 * The originals are only ever read. A test that opens a folder for writing takes a copy with `copyGolden`.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Compiled tests run from dist/test/golden; the data stays in the source tree. */
export const goldenRoot = fileURLToPath(new URL('../../../test/golden/kafka-4.3/', import.meta.url))

/** A data directory: closed cleanly, left by `kill -9`, and the same after Kafka recovered and closed it. */
export type GoldenState = 'clean' | 'killed' | 'recovered'
export const goldenStates: readonly GoldenState[] = ['clean', 'killed', 'recovered']

export function goldenPath(state: GoldenState, ...parts: string[]): string {
  return join(goldenRoot, state, ...parts)
}

/** What Kafka keeps for itself: see kafka-4.3-metadata/README.md. */
export function goldenMetadataPath(...parts: string[]): string {
  return join(goldenRoot, '../kafka-4.3-metadata', ...parts)
}

/** Names of the partition folders of one data directory, sorted. */
export function goldenPartitions(state: GoldenState): string[] {
  return readdirSync(goldenPath(state), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
}

/** File names in a partition folder that end in `suffix`, sorted (so by base offset, for segment files). */
export function goldenFiles(state: GoldenState, partition: string, suffix = ''): string[] {
  return readdirSync(goldenPath(state, partition))
    .filter((name) => name.endsWith(suffix))
    .sort()
}

/** Bytes of one file, or undefined when there is none. */
export function goldenBytes(state: GoldenState, ...parts: string[]): Buffer | undefined {
  try {
    return readFileSync(goldenPath(state, ...parts))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

export interface GoldenCopy {
  readonly path: string
  /** Removes the copy. */
  remove(): void
}

/** Copies a data directory with one partition of it, and the files beside the partitions, to a new temporary folder. */
export function copyGoldenData(state: GoldenState, partition: string): GoldenCopy {
  const path = mkdtempSync(join(tmpdir(), 'varve-golden-'))
  for (const { name } of readdirSync(goldenPath(state), { withFileTypes: true })) {
    if (name === partition || !goldenPartitions(state).includes(name)) {
      cpSync(goldenPath(state, name), join(path, name), { recursive: true })
    }
  }
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Copies a whole data directory, or one partition of it, to a new temporary folder. */
export function copyGolden(state: GoldenState, partition?: string): GoldenCopy {
  const root = mkdtempSync(join(tmpdir(), 'varve-golden-'))
  const path = join(root, partition ?? state)
  cpSync(partition === undefined ? goldenPath(state) : goldenPath(state, partition), path, { recursive: true })
  return { path, remove: () => rmSync(root, { recursive: true, force: true }) }
}

/** One batch on disk, as Kafka's dump tool printed it. -1 stands for no producer and no sequence. */
export interface ExpectedBatch {
  segment: number
  position: number
  size: number
  baseOffset: number
  lastOffset: number
  recordCount: number
  codec: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  producerId: number
  producerEpoch: number
  baseSequence: number
  leaderEpoch: number
  transactional: boolean
  control: boolean
  maxTimestamp: number
  crc: number
}

/** Text where the bytes are printable UTF-8, else hexadecimal; null is null. */
export type ExpectedBytes = string | { hex: string } | null

export interface ExpectedRecord {
  offset: number
  timestamp: number
  key: ExpectedBytes
  value: ExpectedBytes
  headers?: [string, ExpectedBytes][]
  /** Of an aborted transaction. */
  aborted?: boolean
  /** Of a transaction that is still open. */
  open?: boolean
  /** Above the last stable offset, but of no transaction. */
  unstable?: boolean
}

export interface ExpectedControl {
  offset: number
  type: 'commit' | 'abort'
  [name: string]: unknown
}

export interface Expected {
  partition: string
  timestampType: 'CreateTime' | 'LogAppendTime'
  logStartOffset: number
  logEndOffset: number
  lastStableOffset: number
  batches: ExpectedBatch[]
  control: ExpectedControl[]
  records: ExpectedRecord[]
}

/**
 * What Kafka's own consumer and dump tool said about a partition. `recovered` also describes `killed`, but for the
 * tail of `torn-0`.
 */
export function readExpected(state: 'clean' | 'recovered', partition: string): Expected {
  const json = JSON.parse(readFileSync(join(goldenRoot, 'expected', state, `${partition}.json`), 'utf8')) as Omit<
    Expected,
    'batches'
  > & { batchColumns: string[]; batches: unknown[][] }
  const { batchColumns, batches, ...rest } = json
  return {
    ...rest,
    batches: batches.map(
      (row) => Object.fromEntries(batchColumns.map((column, i) => [column, row[i]])) as unknown as ExpectedBatch,
    ),
  }
}
