/** Ways to fill a log, each with a feature of the format that Kafka's readers must agree with. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type LogSettingOptions, openLog, type WriteOptions } from '../../src/doors/log.ts'
import { BatchBuilder, compressionCodecs, type RecordInput, readBatches } from '../../src/doors/record.ts'
import { systemClock } from '../../src/env/node/clock.ts'
import { goldenBytes, readExpected } from '../golden/golden-folders.ts'
import { LogScribe, WritingProducer } from './log-scribe.ts'

export const t0 = 1_700_000_000_000
/** Time by the clock of all workloads: old, so that nothing that Kafka does by today's clock comes by chance. */
const nowMs = t0 + 3_600_000

export type Backend = 'mapped' | 'pwrite'

export interface WrittenFolder {
  readonly scribe: LogScribe
  readonly logStartOffset: number
  readonly logEndOffset: number
}

export interface Workload {
  readonly name: string
  readonly settings?: LogSettingOptions
  /** The log was closed on the way, which leaves marks in its indexes that a rebuild does not make. */
  readonly restarts?: true
  readonly write: (scribe: LogScribe, folder: WritingFolder) => Promise<void> | void
}

/** What a workload may do with its folder beside writing to the log. */
interface WritingFolder {
  readonly path: string
  /** Closes the log and opens it again. */
  reopen(): Promise<void>
}

/** Records whose contents follow from their numbers alone. */
export function plainInputs(from: number, count: number): RecordInput[] {
  return Array.from({ length: count }, (_, i) => {
    const n = from + i
    return { key: `key-${n % 17}`, value: `value ${n} ${'abcdefghij'.repeat(n % 9)}`, timestamp: t0 + 10 * n }
  })
}

function writePlain(scribe: LogScribe, count: number, perBatch: number, options = {}): void {
  const from = scribe.log.logEndOffset
  for (let n = from; n < from + count; n += perBatch) {
    scribe.append(plainInputs(n, Math.min(perBatch, from + count - n)), options)
  }
}

/** Null, empty and long; names that repeat or are empty; text beyond ASCII. */
const oddInputs: readonly RecordInput[] = [
  { key: null, value: null, timestamp: t0 },
  { key: '', value: '', timestamp: t0 + 5 },
  { key: 'k', value: null, timestamp: t0 + 1, headers: [['h', null]] },
  { key: null, value: 'v', timestamp: t0 + 3, headers: [['', ''], ['twice', '1'], ['twice', '2']] }, // biome-ignore format: one record a line
  { key: 'schlüssel', value: 'größe', timestamp: 0, headers: { naïve: 'ünï' } },
  { key: 'K'.repeat(5000), value: 'V'.repeat(5000), timestamp: 1 },
  { key: 'many', value: 'headers', timestamp: t0 + 2, headers: Array.from({ length: 70 }, (_, i) => [`h${i}`, `${i}`] as const) }, // biome-ignore format: one record a line
]

/** Does not compress. */
function noise(bytes: number, seed: number): Buffer {
  let state = seed
  return Buffer.from(
    Uint8Array.from({ length: bytes }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
      return state >>> 16
    }),
  )
}

const perCodec: readonly Workload[] = compressionCodecs
  .filter(({ canCompress }) => canCompress)
  .flatMap(({ name: compression }): Workload[] => [
    {
      name: `${compression}`,
      write: (scribe) => {
        writePlain(scribe, 300, 20, { compression })
        for (const input of oddInputs) scribe.append([input], { compression })
        scribe.append(oddInputs, { compression })
      },
    },
    {
      // More than one block of every codec: 64 KiB of lz4, 32 KiB of snappy's framing.
      name: `${compression}-large`,
      write: (scribe) => {
        scribe.append([{ key: 'zeros', value: Buffer.alloc(700_000), timestamp: t0 }], { compression })
        scribe.append([{ key: 'noise', value: noise(200_000, 1), timestamp: t0 + 1 }], { compression })
        const mixed = Array.from({ length: 40 }, (_, i) => ({
          key: `${i}`,
          value: i % 2 === 0 ? noise(9000, i) : 'x'.repeat(9000),
          timestamp: t0 + 2 + i,
        }))
        scribe.append(mixed, { compression })
      },
    },
  ])

const others: readonly Workload[] = [
  { name: 'empty', write: () => {} },
  {
    name: 'one-record',
    write: (scribe) => scribe.append([{ key: 'only', value: 'one', timestamp: t0 }]),
  },
  {
    name: 'no-timestamps',
    write: (scribe) => scribe.append([{ value: 'a', timestamp: -1 }, { value: 'b', timestamp: -1 }]), // biome-ignore format: short
  },
  {
    // This Node may be unable to compress so; whole batches from elsewhere are stored as they come.
    name: 'zstd-as-it-came',
    settings: { indexIntervalBytes: 512 },
    write: (scribe) => {
      const bytes = goldenBytes('clean', 'codec-zstd-0', '00000000000000000000.log')!
      const records = readExpected('clean', 'codec-zstd-0').records
      for (const batch of readBatches(bytes)) {
        scribe.log.append(batch.bytes)
        const { producerId, baseSequence, baseOffset, recordCount } = batch
        const producer = scribe.producers.get(Number(producerId)) ?? new WritingProducer(Number(producerId))
        scribe.producers.set(producer.id, producer)
        for (let i = 0; i < recordCount; i++) {
          const { offset, timestamp, key, value } = records[baseOffset + i]!
          scribe.enter(
            offset,
            { key: key as string | null, value: value as string | null, timestamp },
            { codec: 'zstd', producerId: producer.id, sequence: baseSequence + i, state: 'visible' },
          )
        }
        producer.epoch = batch.producerEpoch
        producer.lastSequence = batch.lastSequence
        producer.lastOffset = batch.lastOffset
      }
    },
  },
  {
    name: 'producers',
    settings: { internalSegmentBytes: 4096, indexIntervalBytes: 300 },
    write: (scribe) => {
      // The second one's numbers wrap around at 2^31.
      const producers = [new WritingProducer(7), new WritingProducer(2 ** 40, 3, 2 ** 31 - 12), new WritingProducer(9)]
      for (let n = 0; n < 300; n += 5) {
        scribe.append(plainInputs(n, 5), { producer: producers[(n / 5) % 3]!, compression: n % 2 ? 'lz4' : 'none' })
      }
      const raised = new WritingProducer(9, 1)
      scribe.append(plainInputs(300, 5), { producer: raised })
      writePlain(scribe, 20, 5)
    },
  },
  {
    name: 'transactions',
    settings: { internalSegmentBytes: 3000, indexIntervalBytes: 300 },
    write: (scribe) => {
      const [a, b, c] = [new WritingProducer(100), new WritingProducer(200), new WritingProducer(300)]
      for (let round = 0; round < 12; round++) {
        const at = t0 + round * 1000
        scribe.append(plainInputs(round * 40, 5), { producer: a, transactional: true })
        scribe.append(plainInputs(round * 40 + 5, 5), { producer: b, transactional: true, compression: 'snappy' })
        scribe.append(plainInputs(round * 40 + 10, 3))
        scribe.append(plainInputs(round * 40 + 13, 5), { producer: a, transactional: true, compression: 'gzip' })
        scribe.end(a, round % 3 === 1 ? 'abort' : 'commit', at, round)
        scribe.append(plainInputs(round * 40 + 18, 2), { producer: b, transactional: true })
        scribe.end(b, round % 4 === 0 ? 'abort' : 'commit', at, round)
        // A marker without data, and one that raises the epoch as transactions v2 do.
        if (round === 5) scribe.end(c, 'abort', at, round)
        if (round === 7) {
          a.epoch++
          a.nextSequence = 0
          scribe.end(a, 'commit', at, round)
        }
      }
    },
  },
  {
    name: 'open-transaction',
    write: (scribe) => {
      const [a, b] = [new WritingProducer(100), new WritingProducer(200)]
      scribe.append(plainInputs(0, 5), { producer: a, transactional: true })
      scribe.end(a, 'commit', t0)
      scribe.append(plainInputs(10, 5), { producer: b, transactional: true })
      scribe.append(plainInputs(15, 5), { producer: a, transactional: true })
      scribe.end(a, 'abort', t0)
      writePlain(scribe, 5, 5)
    },
  },
  {
    name: 'append-time',
    settings: { messageTimestampType: 'LogAppendTime', indexIntervalBytes: 500 },
    write: (scribe) => {
      writePlain(scribe, 100, 10)
      writePlain(scribe, 100, 10, { compression: 'lz4' })
      writePlain(scribe, 100, 10, { compression: 'gzip' })
    },
  },
  {
    name: 'late-timestamps',
    settings: { internalSegmentBytes: 4000, indexIntervalBytes: 200 },
    write: (scribe) => {
      for (let n = 0; n < 400; n += 4) {
        const late = n % 7 === 0 ? 3000 : 0
        scribe.append(plainInputs(n, 4).map((input) => ({ ...input, timestamp: input.timestamp! - late })))
      }
    },
  },
  {
    name: 'rolls',
    settings: { internalSegmentBytes: 6000, indexIntervalBytes: 512 },
    write: (scribe) => writePlain(scribe, 3000, 7),
  },
  {
    name: 'rolls-by-time',
    settings: { segmentMs: 1000, indexIntervalBytes: 512 },
    write: (scribe) => writePlain(scribe, 1000, 5),
  },
  {
    name: 'full-index',
    settings: { segmentIndexBytes: 40, indexIntervalBytes: 100 },
    write: (scribe) => writePlain(scribe, 200, 4),
  },
  {
    name: 'retention',
    settings: { internalSegmentBytes: 6000, indexIntervalBytes: 512, retentionBytes: 20_000, fileDeleteDelayMs: 0 },
    write: (scribe) => {
      writePlain(scribe, 1500, 7)
      if (scribe.log.applyRetention() < 2) throw new Error('retention did not delete')
      writePlain(scribe, 100, 7)
    },
  },
  {
    name: 'retention-of-everything',
    settings: { internalSegmentBytes: 6000, retentionMs: 60_000, retentionBytes: -1 },
    write: (scribe) => {
      writePlain(scribe, 300, 7)
      scribe.log.applyRetention()
      if (scribe.log.logStartOffset !== 300) throw new Error('retention did not delete everything')
    },
  },
  {
    name: 'delete-before',
    settings: { internalSegmentBytes: 9000, indexIntervalBytes: 512 },
    write: (scribe) => {
      writePlain(scribe, 400, 8)
      scribe.log.deleteBefore(155)
    },
  },
  {
    name: 'truncated',
    settings: { internalSegmentBytes: 9000, indexIntervalBytes: 512 },
    write: async (scribe) => {
      const producer = new WritingProducer(5)
      writePlain(scribe, 400, 10, { producer })
      scribe.truncate(await scribe.log.truncateTo(205))
      producer.lastOffset = 199
      producer.lastSequence = 199
      producer.nextSequence = 200
      writePlain(scribe, 50, 5, { producer, compression: 'gzip' })
    },
  },
  {
    name: 'truncated-fully',
    write: async (scribe) => {
      writePlain(scribe, 100, 10)
      await scribe.log.truncateFully(1000)
      scribe.truncate(0)
      writePlain(scribe, 60, 10)
    },
  },
  {
    name: 'restarts',
    restarts: true,
    settings: { internalSegmentBytes: 20_000, indexIntervalBytes: 512 },
    write: async (scribe, { reopen }) => {
      const producer = new WritingProducer(5)
      for (let round = 0; round < 4; round++) {
        writePlain(scribe, 110, 5, { producer })
        await reopen()
      }
      writePlain(scribe, 33, 3)
    },
  },
  {
    name: 'leader-epochs',
    settings: { internalSegmentBytes: 9000, indexIntervalBytes: 512 },
    write: (scribe) => {
      for (let n = 0; n < 300; n += 10) {
        const inputs = plainInputs(n, 10)
        const builder = new BatchBuilder()
        for (const input of inputs) builder.add(input)
        scribe.log.append(builder.build({ baseOffset: n, leaderEpoch: 2 * Math.floor(n / 100) }), 'replica')
        for (const [i, input] of inputs.entries()) {
          scribe.enter(n + i, input, { codec: 'none', producerId: -1, sequence: -1, state: 'visible' })
        }
      }
    },
  },
  {
    name: 'killed',
    restarts: true,
    settings: { internalSegmentBytes: 100_000 },
    write: async (scribe, { path, reopen }) => {
      await scribe.log.close()
      await writeUntilKilled(path, scribe.log.settings.internalSegmentBytes)
      await reopen()
      const { logEndOffset } = scribe.log
      if (logEndOffset < killedAfter || logEndOffset % killedPerBatch !== 0) {
        throw new Error(`${logEndOffset} records are there after the kill`)
      }
      for (const [offset, input] of plainInputs(0, logEndOffset).entries()) {
        scribe.enter(offset, input, { codec: 'none', producerId: -1, sequence: -1, state: 'visible' })
      }
      writePlain(scribe, 50, 5)
    },
  },
]

/** Records that were acknowledged before the kill, at least. */
const killedAfter = 5000
const killedPerBatch = 5

/** Another process appends `plainInputs`, and is killed in the midst of it. */
async function writeUntilKilled(folder: string, segmentBytes: number): Promise<void> {
  const script = fileURLToPath(new URL('endless-writer.js', import.meta.url))
  const child: ChildProcess = spawn(process.execPath, [script, folder, `${segmentBytes}`, `${killedPerBatch}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  let acknowledged = 0
  for await (const line of createInterface({ input: child.stdout! })) {
    acknowledged = Number(line)
    if (acknowledged >= killedAfter) break
  }
  child.kill('SIGKILL')
  await ended
  if (acknowledged < killedAfter) throw new Error('the writing process ended by itself')
}

export const workloads: readonly Workload[] = [...perCodec, ...others]

export function optionsFor(workload: Workload, backend: Backend): WriteOptions {
  return {
    retentionMs: -1,
    ...workload.settings,
    backend,
    clock: { ...clockMethods(), wallMs: () => nowMs },
  }
}

const clockMethods = (): Pick<typeof systemClock, 'monotonicMs' | 'after' | 'hold' | 'soon'> => ({
  monotonicMs: () => systemClock.monotonicMs(),
  after: (delayMs, run) => systemClock.after(delayMs, run),
  hold: () => systemClock.hold(),
  soon: (run) => systemClock.soon(run),
})

/** Runs a workload in a folder and closes the log. */
export async function writeFolder(workload: Workload, path: string, backend: Backend): Promise<WrittenFolder> {
  const options = optionsFor(workload, backend)
  const scribe = new LogScribe(await openLog(path, options), nowMs)
  await workload.write(scribe, {
    path,
    reopen: async () => {
      await scribe.log.close()
      scribe.log = await openLog(path, options)
    },
  })
  const { logStartOffset, logEndOffset } = scribe.log
  await scribe.log.close()
  return { scribe, logStartOffset, logEndOffset }
}
