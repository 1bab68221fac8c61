/**
 * A log against a simple model of it: random commands, on a simulated disk and on a real one, on both backends. A
 * failure prints the seed and the path that repeat it, and the shrunk list of commands.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { BatchBuilder, type Log, openLog, type WriteOptions } from '../../src/doors/log.ts'
import { encodeTransactionMarker } from '../../src/record/control-record.ts'
import { Disk } from '../../src/storage/disk.ts'
import { addon } from '../../src/storage/native/loader.ts'
import { temporaryFolder } from './temporary-folder.ts'

const startMs = 1_700_000_000_000

interface Transaction {
  readonly producer: number
  readonly producerEpoch: number
  /** Offset of the marker that decided it; null while it is open. */
  marker: number | null
  aborted: boolean
}

interface ModelRecord {
  readonly value: string
  readonly timestamp: number
  readonly transaction: Transaction | null
  readonly control: boolean
  /** First offset of its batch: what is cut, is cut at batches. */
  readonly batchBase: number
}

/** What the log should be. */
class Model {
  start = 0
  /** Offset of the first record in `records`; those below `start` are kept, for a power cut may bring them back. */
  base = 0
  records: ModelRecord[] = []
  /** Everything below is on disk for certain. */
  durable = 0
  timestamp = startMs
  sequences = [0, 0, 0]
  epochs = [0, 0, 0]
  /** Last batch of each producer, for its retry; null when nothing may be known of it any more. */
  last: ({ bytes: Uint8Array; baseOffset: number; lastOffset: number } | null)[] = [null, null, null]

  get end(): number {
    return this.base + this.records.length
  }

  get stable(): number {
    const open = this.records.findIndex(({ transaction }) => transaction?.marker === null)
    return open < 0 ? this.end : Math.max(this.start, this.base + open)
  }

  at(offset: number): ModelRecord {
    return this.records[offset - this.base]!
  }

  transactionOf(producer: number): Transaction | null {
    return (
      this.records.find(({ transaction: one }) => one?.producer === producer && one.marker === null)?.transaction ??
      null
    )
  }

  cutTo(end: number): void {
    this.records.length = end - this.base
    this.durable = end
    // Decisions that were cut off are undone.
    for (const { transaction } of this.records) {
      if (transaction !== null && transaction.marker !== null && transaction.marker >= end) {
        transaction.marker = null
        transaction.aborted = false
      }
    }
    this.renewProducers()
  }

  /** What a producer sent may be gone: it goes on with a new epoch. */
  renewProducers(): void {
    this.last = [null, null, null]
    this.sequences = [0, 0, 0]
    this.epochs = this.epochs.map((epoch) => epoch + 1)
  }
}

/** The log under test, and its disk. */
class Subject {
  log!: Log
  kernel: number
  readonly folder: string
  readonly options: WriteOptions

  constructor(simulated: boolean, folder: string, options: WriteOptions) {
    this.kernel = simulated ? addon().kernelMemory() : 0
    this.folder = folder
    this.options = options
  }

  async open(): Promise<void> {
    const { kernel, options } = this
    this.log = await openLog(this.folder, kernel === 0 ? options : { ...options, disk: new Disk(addon(), kernel) })
  }

  /** Power fails on a simulated disk. On a real one there is no such thing in this process. */
  async crash(mode: number, seed: number): Promise<void> {
    const after = addon().kernelCrash(this.kernel, addon().kernelOperations(this.kernel), mode, seed)
    assert.ok(after > 0, addon().lastError().message)
    await this.end()
    this.kernel = after
    await this.open()
  }

  async end(): Promise<void> {
    await this.log.close()
    if (this.kernel !== 0) addon().kernelClose(this.kernel)
  }
}

type Command = fc.AsyncCommand<Model, Subject>

/** A command that may always run. */
function command(name: string, run: (model: Model, subject: Subject) => Promise<void> | void): Command {
  return {
    check: () => true,
    run: async (model, subject) => {
      await run(model, subject)
      assert.equal(subject.log.logEndOffset, model.end, 'the log end')
      assert.equal(subject.log.logStartOffset, model.start, 'the log start')
      assert.equal(subject.log.lastStableOffset, model.stable, 'the last stable offset')
      model.durable = Math.max(model.durable, subject.log.recoveryPoint)
    },
    toString: () => name,
  }
}

function batchOf(model: Model, sizes: readonly number[]): { builder: BatchBuilder; records: ModelRecord[] } {
  const builder = new BatchBuilder()
  const records = sizes.map((size, index) => {
    model.timestamp += (size % 7) - 1
    const value = `${model.end + index}:`.padEnd(size, 'v')
    builder.add({ key: 'k', value, timestamp: model.timestamp })
    return { value, timestamp: model.timestamp, transaction: null, control: false, batchBase: model.end }
  })
  return { builder, records }
}

const append = (sizes: readonly number[], synced: boolean): Command =>
  command(`append([${sizes}]${synced ? ', synced' : ''})`, async (model, { log }) => {
    const { builder, records } = batchOf(model, sizes)
    const expected = { baseOffset: model.end, lastOffset: model.end + records.length - 1 }
    if (synced) {
      assert.deepEqual(await log.appendDurable(builder, 'synced'), { ...expected, durability: 'synced' })
      model.durable = expected.lastOffset + 1
    } else assert.deepEqual(log.append(builder), expected)
    model.records.push(...records)
  })

const appendProduced = (producer: number, sizes: readonly number[], transactional: boolean): Command =>
  command(`appendProduced(${producer}, [${sizes}]${transactional ? ', transactional' : ''})`, (model, { log }) => {
    const producerEpoch = model.epochs[producer]!
    let transaction = model.transactionOf(producer)
    // A client ends the transaction of an earlier epoch first.
    if (transaction !== null && transaction.producerEpoch !== producerEpoch) return
    if (transaction === null && transactional) transaction = { producer, producerEpoch, marker: null, aborted: false }
    const { builder, records } = batchOf(model, sizes)
    const baseSequence = model.sequences[producer]!
    const producerId = BigInt(producer)
    builder.setProducer({ producerId, producerEpoch, baseSequence, transactional: transaction !== null })
    const bytes = Uint8Array.from(builder.build())
    const answer = log.append(bytes)
    assert.deepEqual(answer, { baseOffset: model.end, lastOffset: model.end + records.length - 1 })
    for (const record of records) model.records.push({ ...record, transaction })
    model.sequences[producer] = baseSequence + records.length
    model.last[producer] = { bytes, ...answer }
  })

const appendDuplicate = (producer: number): Command =>
  command(`appendDuplicate(${producer})`, (model, { log }) => {
    const last = model.last[producer]
    if (!last || last.baseOffset < model.start) return
    assert.deepEqual(log.append(last.bytes), { baseOffset: last.baseOffset, lastOffset: last.lastOffset })
  })

const endTransaction = (producer: number, commit: boolean): Command =>
  command(`endTransaction(${producer}, ${commit ? 'commit' : 'abort'})`, (model, { log }) => {
    const transaction = model.transactionOf(producer)
    if (transaction === null) return
    const builder = new BatchBuilder()
    const marker = encodeTransactionMarker({ type: commit ? 'commit' : 'abort', coordinatorEpoch: 1 })
    const { timestamp, end } = model
    builder.add({ ...marker, timestamp })
    const { producerEpoch } = transaction
    builder.setProducer({ producerId: BigInt(producer), producerEpoch, baseSequence: -1, transactional: true })
    log.append(builder.build({ control: true }), 'coordinator')
    transaction.marker = end
    transaction.aborted = !commit
    model.records.push({ value: '', timestamp, transaction: null, control: true, batchBase: end })
  })

const read = (at: number, request: { views: boolean; committed: boolean; maxBytes: number }): Command =>
  command(`read(${at}, ${JSON.stringify(request)})`, (model, { log }) => {
    const from = model.start + (at % (model.end - model.start + 1))
    const { views, committed, maxBytes } = request
    const isolation = committed ? 'read_committed' : 'read_uncommitted'
    const bound = committed ? model.stable : model.end
    let next = from
    while (next < bound) {
      const run = log.read(next, { views, isolation, maxBytes })
      const found: [number, string, number][] = []
      for (const batch of run) {
        for (const record of batch) {
          if (record.offset >= next) found.push([record.offset, record.text() ?? '', Number(record.timestamp)])
        }
      }
      const expected: [number, string, number][] = []
      for (let offset = next; offset < run.nextOffset; offset++) {
        const { value, timestamp, transaction, control } = model.at(offset)
        if (!control && !(committed && transaction?.aborted)) expected.push([offset, value, timestamp])
      }
      assert.deepEqual(found, expected)
      assert.ok(run.nextOffset > next && run.nextOffset <= bound, `read from ${next} to ${run.nextOffset} of ${bound}`)
      next = run.nextOffset
    }
    assert.equal(log.read(model.end).batchCount, 0)
  })

const seek = (backMs: number): Command =>
  command(`seek(${backMs})`, (model, { log }) => {
    const wanted = model.timestamp - backMs
    let expected: number | null = null
    for (let offset = model.start; offset < model.end && expected === null; offset++) {
      // Markers of transactions are no records that anybody looks for.
      if (model.at(offset).timestamp >= wanted && !model.at(offset).control) expected = offset
    }
    assert.equal(log.offsetForTimestamp(wanted)?.offset ?? null, expected)
  })

const flush = command('flush()', async (model, { log }) => {
  await log.flush()
  model.durable = model.end
})

const roll = command('roll()', (_model, { log }) => log.roll())

const retention = command('applyRetention()', (model, { log }) => {
  // Which segments go is for the tests of retention to say; here, that nothing else does.
  if (model.stable < model.end) return
  log.applyRetention()
  assert.ok(log.logStartOffset >= model.start && log.logStartOffset <= model.end)
  model.start = log.logStartOffset
})

const deleteBefore = (at: number): Command =>
  command(`deleteBefore(${at})`, (model, { log }) => {
    // Not into a transaction that is open: nobody would delete what is not yet decided.
    const offset = model.start + (at % (model.stable - model.start + 1))
    assert.ok(log.deleteBefore(offset) >= offset)
    model.start = log.logStartOffset
  })

const truncateTo = (at: number): Command =>
  command(`truncateTo(${at})`, async (model, { log }) => {
    const offset = model.start + (at % (model.end - model.start + 1))
    if (offset === model.end) return
    const end = model.at(offset).batchBase
    if (end < model.start) return
    assert.equal(await log.truncateTo(offset), end)
    model.cutTo(end)
  })

const truncateFully = (offset: number): Command =>
  command(`truncateFully(${offset})`, async (model, { log }) => {
    await log.truncateFully(offset)
    model.records = []
    model.base = model.start = model.durable = offset
    model.renewProducers()
  })

const reopen = command('reopen()', async (model, subject) => {
  await subject.log.close()
  await subject.open()
  model.durable = model.end
})

const crash = (mode: number, seed: number): Command =>
  command(`crash(${mode}, ${seed})`, async (model, subject) => {
    if (subject.kernel === 0) return
    const before = model.end
    await subject.crash(mode, seed)
    const { logEndOffset, logStartOffset } = subject.log
    assert.ok(logEndOffset >= model.durable && logEndOffset <= before, `${logEndOffset} of ${model.durable}..${before}`)
    assert.ok(logStartOffset <= model.start, 'the log start moved ahead')
    // A log start that was not yet on disk comes back, and the model has what is there then.
    model.start = logStartOffset
    if (logEndOffset < before) {
      assert.equal(model.at(logEndOffset).batchBase, logEndOffset, 'a batch was torn')
      model.cutTo(logEndOffset)
    }
    model.durable = logEndOffset
  })

const small = fc.integer({ min: 5, max: 400 })
const sizes = fc.array(small, { minLength: 1, maxLength: 5 })
const producer = fc.integer({ min: 0, max: 2 })
const place = fc.nat(1000)
const flag = fc.boolean()
const request = fc.record({ views: flag, committed: flag, maxBytes: fc.constantFrom(1, 500, 65_536) })

const commands = fc.commands(
  [
    fc.tuple(sizes, flag).map(([of, synced]) => append(of, synced)),
    sizes.map((of) => append(of, false)),
    fc.tuple(producer, sizes, flag).map(([who, of, transactional]) => appendProduced(who, of, transactional)),
    producer.map(appendDuplicate),
    fc.tuple(producer, flag).map(([who, commit]) => endTransaction(who, commit)),
    fc.tuple(place, request).map(([at, how]) => read(at, how)),
    fc.tuple(place, request).map(([at, how]) => read(at, how)),
    fc.nat(200).map(seek),
    fc.constant(flush),
    fc.constant(roll),
    fc.constant(retention),
    place.map(deleteBefore),
    place.map(truncateTo),
    fc.nat(50).map(truncateFully),
    fc.constant(reopen),
    fc.tuple(fc.constantFrom(0, 1, 2, 2), fc.nat(100)).map(([mode, seed]) => crash(mode, seed)),
  ],
  { maxCommands: 60, size: 'max' },
)

const settings = fc.record({
  internalSegmentBytes: fc.constantFrom(1000, 4096, 20_000),
  indexIntervalBytes: fc.constantFrom(0, 300, 4096),
  retentionBytes: fc.constantFrom(-1, 3000),
})

describe('a log is what a simple model says, whatever is done to it', function () {
  this.timeout(120_000)
  const folder = temporaryFolder()
  // VARVE_MODEL_RUNS=5000 looks longer, VARVE_MODEL_SEED=7 elsewhere.
  const runsOf = (usual: number): number => Number(process.env.VARVE_MODEL_RUNS ?? usual)
  const seed = Number(process.env.VARVE_MODEL_SEED ?? 1)

  for (const backend of ['mapped', 'pwrite'] as const) {
    for (const [simulated, usualRuns] of [
      [true, 150],
      [false, 20],
    ] as const) {
      it(`${simulated ? 'on a simulated disk' : 'on a real disk'}, ${backend}`, async () => {
        let count = 0
        const property = fc.asyncProperty(commands, settings, async (run, given) => {
          const path = simulated ? '/log' : join(folder(), `run-${count++}`)
          const subject = new Subject(simulated, path, { ...given, backend, retentionMs: -1, fileDeleteDelayMs: 0 })
          await subject.open()
          try {
            await fc.asyncModelRun(() => ({ model: new Model(), real: subject }), run)
          } finally {
            await subject.end()
            if (!simulated) rmSync(path, { recursive: true })
          }
        })
        await fc.assert(property, { seed, numRuns: runsOf(usualRuns), endOnFailure: false })
      })
    }
  }
})
