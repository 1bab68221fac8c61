import { BatchBuilder } from '../../src/doors/record.ts'
import type { Durability, Log } from '../../src/log/log.ts'
import { encodeTransactionMarker, type TransactionMarker } from '../../src/record/control-record.ts'
import { Disk } from '../../src/storage/disk.ts'
import { addon } from '../../src/storage/native/loader.ts'
import { openLog, type WriteOptions } from '../../src/store/open-log.ts'
import { endOf, LogHistory, type Point } from './log-history.ts'
import { Random } from './random.ts'
import { StillClock } from './still-clock.ts'
import { readStoredLog, type StoredBatch, storedBatches } from './stored-log.ts'

export const folder = '/log'
export const startMs = 1_700_000_000_000

/** Values that fill batches of few different sizes, so that what is appended after a cut ends where something ended before. */
const valueSizes = [60, 60, 60, 300, 300, 1500] as const

/** Lets everything that the engine does behind its caller's back on a simulated disk come to its end. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** Settings that make segments, indexes and checkpoints small, so that a short script meets many of their edges. */
export function smallSettings(random: Random): WriteOptions {
  return {
    internalSegmentBytes: random.pick([3000, 8192, 20_000]),
    indexIntervalBytes: random.pick([0, 200, 1000]),
    retentionBytes: random.pick([-1, 20_000]),
    fileDeleteDelayMs: 1000,
  }
}

interface Producer {
  readonly producerId: bigint
  producerEpoch: number
  sequence: number
  inTransaction: boolean
}

/**
 * A log on a simulated disk, driven by a seeded script of everything that its owner may do, with a record of what the
 * log has promised at which operation of the disk.
 */
export class Workload {
  readonly kernel: number
  readonly disk: Disk
  readonly clock = new StillClock(startMs)
  readonly settings: WriteOptions
  readonly history: LogHistory
  readonly #random: Random
  readonly #values: string
  readonly #producers: Producer[]
  #log: Log | null = null
  #point: Point
  #serial = 0
  #timestamp = startMs

  /** @param mark Told apart from other workloads by its values. */
  constructor(seed: number, backend: 'mapped' | 'pwrite', mark = 'w') {
    this.#random = new Random(seed)
    this.kernel = addon().kernelMemory()
    this.disk = new Disk(addon(), this.kernel)
    this.settings = { ...smallSettings(this.#random), backend, disk: this.disk, clock: this.clock }
    this.#values = `${mark}${seed}-`
    this.#producers = [1n, 2n, 3n].map((producerId) => ({
      producerId,
      producerEpoch: 0,
      sequence: 0,
      inTransaction: false,
    }))
    this.#point = { lineage: { baseOffset: 0, batches: [] }, appended: 0, durable: 0, logStartOffset: 0 }
    this.history = new LogHistory(this.#point)
  }

  get operations(): number {
    return this.disk.addon.kernelOperations(this.kernel)
  }

  get log(): Log {
    if (this.#log === null) throw new Error('the log is closed')
    return this.#log
  }

  async run(stepCount: number): Promise<void> {
    await this.#step('open', () => this.#open())
    for (let i = 0; i < stepCount; i++) await this.#randomStep()
  }

  /** Closes the log and frees the disk. */
  async end(): Promise<void> {
    await this.#log?.close()
    this.disk.addon.kernelClose(this.kernel)
  }

  async #randomStep(): Promise<void> {
    const random = this.#random
    const draw = random.below(100)
    if (draw < 36) await this.#step('append', () => this.#append(random.between(1, 3)))
    else if (draw < 46) await this.#step('appendDurable', () => this.#appendDurable('synced'))
    else if (draw < 52) await this.#step('append of a producer', () => this.#appendProduced())
    else if (draw < 58) await this.#step('append of a transaction', () => this.#appendTransactional())
    else if (draw < 62) await this.#step('append of a replica with a new epoch', () => this.#appendReplica())
    else if (draw < 70) await this.#step('flush', () => this.log.flush())
    else if (draw < 76) await this.#step('roll', () => this.log.roll())
    else if (draw < 81) await this.#step('deleteBefore', () => this.#deleteBefore())
    else if (draw < 84) await this.#step('applyRetention', () => this.log.applyRetention())
    else if (draw < 87) await this.#step('a while', () => this.clock.advance(2000))
    else if (draw < 92) await this.#step('truncateTo', () => this.#truncate())
    else if (draw < 93) await this.#step('truncateFully', () => this.#truncateFully())
    else await this.#step('close and open', () => this.#reopen())
  }

  /** Runs one step to its end, and enters what it has promised. */
  async #step(what: string, run: () => unknown): Promise<void> {
    await run()
    await settle()
    const { lineage, appended } = this.#point
    const { logStartOffset, logEndOffset, recoveryPoint } = this.log
    if (logEndOffset !== endOf(lineage, appended)) {
      throw new Error(`${what}: the log ends at ${logEndOffset}, and ${endOf(lineage, appended)} was appended`)
    }
    let { durable } = this.#point
    while (durable < appended && endOf(lineage, durable + 1) <= recoveryPoint) durable++
    this.#point = { lineage, appended, durable, logStartOffset }
    this.history.add(what, this.operations, this.#point)
  }

  async #open(): Promise<void> {
    this.#log = await openLog(folder, this.settings)
    this.#nowDurable()
  }

  async #reopen(): Promise<void> {
    await this.log.close()
    await this.#open()
  }

  #batch(recordCount: number): BatchBuilder {
    const builder = new BatchBuilder()
    const size = this.#random.pick(valueSizes)
    for (let i = 0; i < recordCount; i++) {
      // Timestamps rise, stand still, and now and then go back.
      this.#timestamp += this.#random.pick([0, 1, 1, 5, -7, 100])
      const value = `${this.#values}${this.#serial++}`.padEnd(size, '.')
      builder.add({ key: `k${this.#random.below(9)}`, value, timestamp: this.#timestamp })
    }
    return builder
  }

  #append(batchCount: number): void {
    const batches = Array.from({ length: batchCount }, () => this.#batch(this.#random.between(1, 4)))
    this.#appended(this.log.append(batches.length === 1 ? batches[0]! : batches).baseOffset)
  }

  async #appendDurable(durability: Durability): Promise<void> {
    const ack = await this.log.appendDurable(this.#batch(this.#random.between(1, 4)), durability)
    this.#appended(ack.baseOffset)
    this.#nowDurable()
  }

  #producer(): Producer {
    return this.#random.pick(this.#producers)
  }

  #appendProduced(): void {
    this.#appendAs(this.#producer(), false)
  }

  #appendAs(producer: Producer, transactional: boolean): void {
    const recordCount = this.#random.between(1, 3)
    const batch = this.#batch(recordCount)
    const { producerId, producerEpoch } = producer
    if (!transactional && producer.inTransaction) this.#endTransaction(producer)
    batch.setProducer({ producerId, producerEpoch, baseSequence: producer.sequence, transactional })
    producer.sequence += recordCount
    if (transactional) producer.inTransaction = true
    this.#appended(this.log.append(batch).baseOffset)
  }

  #appendTransactional(): void {
    const producer = this.#producer()
    if (producer.inTransaction && this.#random.oneIn(2)) this.#endTransaction(producer)
    else this.#appendAs(producer, true)
  }

  #endTransaction(producer: Producer): void {
    const marker: TransactionMarker = { type: this.#random.oneIn(2) ? 'abort' : 'commit', coordinatorEpoch: 1 }
    const builder = new BatchBuilder()
    builder.add({ ...encodeTransactionMarker(marker), timestamp: this.#timestamp })
    const { producerId, producerEpoch } = producer
    builder.setProducer({ producerId, producerEpoch, baseSequence: -1, transactional: true })
    producer.inTransaction = false
    this.#appended(this.log.append(builder.build({ control: true }), 'coordinator').baseOffset)
  }

  #appendReplica(): void {
    const { leaderEpoch, logEndOffset } = this.log
    const batch = this.#batch(2).build({ baseOffset: logEndOffset, leaderEpoch: leaderEpoch + this.#random.below(3) })
    this.#appended(this.log.append(batch, 'replica').baseOffset)
  }

  /** Enters everything from an offset on as the log answers it; checksums and offsets are then compared ever after. */
  #appended(baseOffset: number): void {
    const { lineage } = this.#point
    let { appended } = this.#point
    for (let offset = baseOffset; offset < this.log.logEndOffset; ) {
      const run = this.log.read(offset, { control: true })
      for (const batch of storedBatches(run.bytes)) {
        lineage.batches.push(batch)
        appended++
      }
      offset = run.nextOffset
    }
    this.#point = { ...this.#point, appended }
  }

  #nowDurable(): void {
    this.#point = { ...this.#point, durable: this.#point.appended }
  }

  #deleteBefore(): void {
    const { logStartOffset, logEndOffset } = this.log
    this.log.deleteBefore(this.#random.between(logStartOffset, logEndOffset))
  }

  async #truncate(): Promise<void> {
    const { logStartOffset, logEndOffset } = this.log
    const end = await this.log.truncateTo(this.#random.between(logStartOffset, logEndOffset))
    if (end === logEndOffset) return
    const { lineage } = this.#point
    const staying = lineage.batches.filter(({ nextOffset }) => nextOffset <= end)
    this.#cut({ baseOffset: staying.length === 0 ? end : lineage.baseOffset, batches: staying })
  }

  async #truncateFully(): Promise<void> {
    const offset = this.#random.between(0, this.log.logEndOffset + 20)
    await this.log.truncateFully(offset)
    this.#cut({ baseOffset: offset, batches: [] })
  }

  #cut(lineage: { baseOffset: number; batches: StoredBatch[] }): void {
    const appended = lineage.batches.length
    this.#point = { lineage, appended, durable: appended, logStartOffset: this.log.logStartOffset }
    // What a producer sent may be gone: it goes on with a new epoch, as a client would.
    for (const producer of this.#producers) {
      producer.producerEpoch++
      producer.sequence = 0
      producer.inTransaction = false
    }
  }

  /** The log as a reader finds it now. */
  stored(): ReturnType<typeof readStoredLog> {
    return readStoredLog(this.log)
  }
}
