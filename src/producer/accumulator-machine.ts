/**
 * What a producer decides between `send` and the acknowledgement: which records share a batch, when a batch goes off,
 * who waits while the buffer is full, which sequence a batch carries. Pure; encoding and sending is the driver's.
 */
import { check } from '../base/check.ts'
import type { BatchBuilder } from '../record/batch-builder.ts'
import { headerBytes } from '../record/batch-header.ts'
import type { Durability, ProducerIdentity } from './produce-target.ts'

export interface AccumulatorLimits {
  /** How long a batch waits for more records; 0: until the current burst of work is over. */
  readonly lingerMs: number
  /** Records of several calls share a batch up to this size, header included. */
  readonly batchBytes: number
  /** The most bytes of batches that are not answered yet. */
  readonly bufferBytes: number
  /** How long a send waits for a place in the buffer. */
  readonly maxBlockMs: number
  /** The most sends that wait for a place; one more is refused at once. */
  readonly waitingSendsMax: number
  /** See `ProduceTarget.inFlightMax`. */
  readonly inFlightMax: number
  /** Batches carry a producer id and a sequence. */
  readonly idempotent: boolean
}

/** Sequences are 31 bits and go on at 0. */
const sequenceCount = 2 ** 31
const epochMax = 0x7fff
const never = Number.POSITIVE_INFINITY

/**
 * What a call asks for. Records share a batch only when they have the same object: the producer keeps one for each
 * durability.
 */
export interface SendTerms {
  readonly durability: Durability | undefined
  /** Set: the records are a batch of their own, which the log takes only if it ends here. */
  readonly expectedOffset: number | undefined
}

/**
 * The records of one call that go to one partition. They travel in one batch, in order: all of them are appended or
 * none. The driver makes it; the fields that are not read-only are the machine's.
 */
export interface SendPart {
  readonly queue: PartitionQueue<SendPart>
  readonly terms: SendTerms
  readonly recordCount: number
  /** The most bytes that its records take in a batch. */
  readonly sizeBytes: number
  /** The flush that waits for it. */
  round: number
  /** Until when it waits for a place. */
  deadlineMs: number
  state: 'new' | 'waiting' | 'placed' | 'gone'
  /** The next one that waits. */
  next: SendPart | null
}

/** Records that are sent together. */
export interface SendBatch<Part> {
  readonly queue: PartitionQueue<Part>
  readonly terms: SendTerms
  /** In the order in which their records stand in the batch. */
  readonly parts: Part[]
  recordCount: number
  /** What it takes of the buffer: at least what the encoded batch takes. */
  sizeBytes: number
  /** Holds its records, from the first `place` until it ends; the driver's. */
  builder: BatchBuilder | null
  /** It has been encoded, and compressed where asked. */
  ready: boolean
  /** Counts the bursts of work: it may go off when the one that began it is over. */
  readonly burst: number
  readonly dueMs: number
  /** With an idempotent producer, from the effect `produce` on. -1n for none. */
  producerId: bigint
  producerEpoch: number
  baseSequence: number
}

/** One partition that is sent to. Made by the driver with `makePartitionQueue`, then the machine's. */
export interface PartitionQueue<Part> {
  readonly topic: string
  readonly partition: number
  /** The topic's limit; the driver writes it. */
  maxBatchBytes: number
  /** Begun and not sealed, oldest first. Invariant: not empty while the machine has the queue among the active ones. */
  readonly unsealed: SendBatch<Part>[]
  /** The last of `unsealed`, while it takes more records. */
  open: SendBatch<Part> | null
  /** Encoded or being encoded, not handed to the target, oldest first. */
  readonly sealed: SendBatch<Part>[]
  /** Batches that the target has not answered. */
  producedCount: number
  /** Whose sequence the partition's batches belong to; -1n before the first. */
  producerId: bigint
  producerEpoch: number
  /** Of the next batch's first record. */
  nextSequence: number
  /** A batch failed: what the log has of the sequence is unknown, so the next batch begins another. */
  sequenceEnded: boolean
}

export function makePartitionQueue<Part>(
  topic: string,
  partition: number,
  maxBatchBytes: number,
): PartitionQueue<Part> {
  return {
    topic,
    partition,
    maxBatchBytes,
    unsealed: [],
    open: null,
    sealed: [],
    producedCount: 0,
    producerId: -1n,
    producerEpoch: -1,
    nextSequence: 0,
    sequenceEnded: false,
  }
}

export type AccumulatorEvent<Part> =
  | { readonly type: 'send'; readonly part: Part }
  /** Its records could not be encoded, and none is in the batch. Told before the batch is `encoded`. */
  | { readonly type: 'withdraw'; readonly part: Part; readonly batch: SendBatch<Part> }
  /** Nobody wants it any more: it leaves if it still waits. */
  | { readonly type: 'cancel'; readonly part: Part }
  /** The burst of work is over that the effect `soon` asked about. */
  | { readonly type: 'burst-over' }
  /** The time of `arm` has come. */
  | { readonly type: 'tick' }
  | { readonly type: 'encoded'; readonly batch: SendBatch<Part> }
  | { readonly type: 'answered'; readonly batch: SendBatch<Part>; readonly appended: boolean }
  | { readonly type: 'producer-id'; readonly identity: ProducerIdentity }
  | { readonly type: 'no-producer-id'; readonly error: unknown }
  /** Sends what there is; `flushed` follows when it is answered. */
  | { readonly type: 'flush'; readonly id: number }

export type AccumulatorEffect<Part> =
  /** Encode the part's records at the end of the batch. */
  | { readonly type: 'place'; readonly part: Part; readonly batch: SendBatch<Part> }
  /** The part will not be sent. */
  | { readonly type: 'refuse'; readonly part: Part; readonly code: 'VARVE_BUFFER_FULL' | 'VARVE_RECORD_TOO_LARGE' }
  /** No more records come: compress, then say `encoded`. */
  | { readonly type: 'seal'; readonly batch: SendBatch<Part> }
  /** Hand it to the target, then say `answered`. */
  | { readonly type: 'produce'; readonly batch: SendBatch<Part> }
  /** Its parts are not sent, because of `error` if there are any. */
  | { readonly type: 'drop'; readonly batch: SendBatch<Part>; readonly error: unknown }
  | { readonly type: 'ask-producer-id' }
  /** Say `burst-over` when it is. */
  | { readonly type: 'soon' }
  /** Say `tick` at this time; it replaces a later one. */
  | { readonly type: 'arm'; readonly atMs: number }
  | { readonly type: 'flushed'; readonly id: number }

interface Flush {
  readonly id: number
  readonly round: number
}

/**
 * The accumulator of one producer.
 *
 * Invariants: `usedBytes` is the sum of the sizes of all batches that are not answered, and at most `bufferBytes`. A
 * partition's batches are sealed, produced and (by the target) appended in the order in which their first records were
 * sent. A send waits only while all that came before it have a place. Each part ends once: with its batch's answer or
 * drop, or refused, withdrawn or cancelled.
 */
export class AccumulatorMachine<Part extends SendPart> {
  readonly #limits: AccumulatorLimits
  #usedBytes = 0
  /** Partitions with unsealed batches, in the order in which they got the first. */
  readonly #active = new Set<PartitionQueue<Part>>()
  #firstWaiting: Part | null = null
  #lastWaiting: Part | null = null
  /** Those that were cancelled and are still in line count too. */
  #waitingCount = 0
  /** Those who waited are being given their places: a batch that is open takes more of them, so none goes off yet. */
  #releasing = false
  #burst = 0
  #soonAsked = false
  #armedMs = never
  #identity: ProducerIdentity | null = null
  #identityAsked = false
  /** Partitions whose next batch waits for a producer id. */
  readonly #identityWaiters = new Set<PartitionQueue<Part>>()
  /** Unsettled parts by round, from `#firstRound` on; the last is the round of the next send. */
  readonly #roundCounts: number[] = [0]
  #firstRound = 0
  readonly #flushes: Flush[] = []

  constructor(limits: AccumulatorLimits) {
    this.#limits = limits
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  get waitingCount(): number {
    return this.#waitingCount
  }

  /** Nothing is under way and nobody waits. */
  get idle(): boolean {
    return this.#roundCounts.length === 1 && this.#roundCounts[0] === 0
  }

  /** @param nowMs By the monotonic clock. */
  step(event: AccumulatorEvent<Part>, nowMs: number): AccumulatorEffect<Part>[] {
    const effects: AccumulatorEffect<Part>[] = []
    switch (event.type) {
      case 'send':
        this.#send(event.part, nowMs, effects)
        break
      case 'withdraw':
        this.#withdraw(event.part, event.batch)
        break
      case 'cancel':
        this.#cancel(event.part, nowMs, effects)
        break
      case 'burst-over':
        this.#soonAsked = false
        this.#burst++
        this.#sealAll(nowMs, effects)
        break
      case 'tick':
        this.#tick(nowMs, effects)
        break
      case 'encoded':
        event.batch.ready = true
        this.#produce(event.batch.queue, effects)
        // A batch that turned out empty has made room.
        this.#goOn(event.batch.queue, nowMs, effects)
        break
      case 'answered':
        this.#answered(event.batch, event.appended, nowMs, effects)
        break
      case 'producer-id':
        this.#identified(event.identity, effects)
        break
      case 'no-producer-id':
        this.#unidentified(event.error, nowMs, effects)
        break
      case 'flush':
        this.#flush(event.id, nowMs, effects)
        break
    }
    if (this.#flushes.length > 0) this.#finishFlushes(effects)
    return effects
  }

  #send(part: Part, nowMs: number, effects: AccumulatorEffect<Part>[]): void {
    const { bufferBytes, maxBlockMs, waitingSendsMax } = this.#limits
    const last = this.#roundCounts.length - 1
    part.round = this.#firstRound + last
    this.#roundCounts[last]!++
    if (headerBytes + part.sizeBytes > bufferBytes) {
      this.#refuse(part, 'VARVE_RECORD_TOO_LARGE', effects)
    } else if (this.#firstWaiting === null && this.#place(part, nowMs, effects)) {
      return
    } else if (this.#waitingCount >= waitingSendsMax || maxBlockMs === 0) {
      this.#refuse(part, 'VARVE_BUFFER_FULL', effects)
    } else {
      part.state = 'waiting'
      part.deadlineMs = nowMs + maxBlockMs
      const first = this.#lastWaiting === null
      if (first) this.#firstWaiting = part
      else this.#lastWaiting!.next = part
      this.#lastWaiting = part
      this.#waitingCount++
      this.#arm(part.deadlineMs, effects)
      // Nothing lingers while somebody waits.
      if (first) this.#sealAll(nowMs, effects)
    }
  }

  /** Gives a part its place in a batch; false when the buffer has no room. */
  #place(part: Part, nowMs: number, effects: AccumulatorEffect<Part>[]): boolean {
    const queue = part.queue as PartitionQueue<Part>
    const { open } = queue
    const { bufferBytes } = this.#limits
    const limitBytes = Math.min(this.#limits.batchBytes, queue.maxBatchBytes)
    const joins = open !== null && open.terms === part.terms && open.sizeBytes + part.sizeBytes <= limitBytes
    const bytes = joins ? part.sizeBytes : headerBytes + part.sizeBytes
    if (this.#usedBytes + bytes > bufferBytes) return false
    const batch = joins ? open : this.#begin(queue, part.terms, nowMs, effects)
    this.#usedBytes += bytes
    batch.sizeBytes += part.sizeBytes
    batch.recordCount += part.recordCount
    batch.parts.push(part)
    part.state = 'placed'
    effects.push({ type: 'place', part, batch })
    // Full: what comes next begins another batch. A condition holds for one call's records alone.
    if (batch.sizeBytes >= limitBytes || part.terms.expectedOffset !== undefined) queue.open = null
    // A batch goes off at once when it takes no more: that makes room before the burst is over.
    if (queue.unsealed[0] !== queue.open) this.#seal(queue, nowMs, effects)
    return true
  }

  #begin(
    queue: PartitionQueue<Part>,
    terms: SendTerms,
    nowMs: number,
    effects: AccumulatorEffect<Part>[],
  ): SendBatch<Part> {
    const { lingerMs } = this.#limits
    const batch: SendBatch<Part> = {
      queue,
      terms,
      parts: [],
      recordCount: 0,
      sizeBytes: headerBytes,
      builder: null,
      ready: false,
      burst: this.#burst,
      dueMs: nowMs + lingerMs,
      producerId: -1n,
      producerEpoch: -1,
      baseSequence: -1,
    }
    queue.unsealed.push(batch)
    queue.open = batch
    this.#active.add(queue)
    if (lingerMs > 0) this.#arm(batch.dueMs, effects)
    else if (!this.#soonAsked) {
      this.#soonAsked = true
      effects.push({ type: 'soon' })
    }
    return batch
  }

  #isDue(batch: SendBatch<Part>, nowMs: number): boolean {
    if (batch !== batch.queue.open) return true
    if (this.#releasing) return false
    if (this.#firstWaiting !== null) return true
    if (batch.parts.length > 0 && this.#isFlushing(batch.parts[0]!.round)) return true
    return this.#limits.lingerMs === 0 ? batch.burst < this.#burst : batch.dueMs <= nowMs
  }

  #isFlushing(round: number): boolean {
    return round < this.#firstRound + this.#roundCounts.length - 1
  }

  #sealAll(nowMs: number, effects: AccumulatorEffect<Part>[]): void {
    for (const queue of this.#active) this.#seal(queue, nowMs, effects)
  }

  /** Seals the batches of a partition that are due, as many as may be under way. */
  #seal(queue: PartitionQueue<Part>, nowMs: number, effects: AccumulatorEffect<Part>[]): void {
    const { unsealed, sealed } = queue
    while (unsealed.length > 0 && sealed.length + queue.producedCount < this.#limits.inFlightMax) {
      const batch = unsealed[0]!
      if (!this.#isDue(batch, nowMs)) return
      unsealed.shift()
      if (batch === queue.open) queue.open = null
      sealed.push(batch)
      effects.push({ type: 'seal', batch })
    }
    if (unsealed.length === 0) this.#active.delete(queue)
  }

  /** Hands over the batches of a partition that are encoded, oldest first. */
  #produce(queue: PartitionQueue<Part>, effects: AccumulatorEffect<Part>[]): void {
    const { sealed } = queue
    for (let batch = sealed[0]; batch?.ready; batch = sealed[0]) {
      if (batch.recordCount === 0) {
        sealed.shift()
        this.#drop(batch, undefined, effects)
        continue
      }
      // A condition tells a repetition by itself; without a sequence its refusal leaves no gap in one.
      if (this.#limits.idempotent && batch.terms.expectedOffset === undefined && !this.#identify(batch, effects)) return
      sealed.shift()
      queue.producedCount++
      effects.push({ type: 'produce', batch })
    }
  }

  /** Gives a batch the next sequence of its partition; false when it has to wait. */
  #identify(batch: SendBatch<Part>, effects: AccumulatorEffect<Part>[]): boolean {
    const { queue } = batch
    if (queue.sequenceEnded) {
      // What is still under way belongs to the old epoch, and would be refused once the new one has begun.
      if (queue.producedCount > 0) return false
      queue.sequenceEnded = false
      queue.nextSequence = 0
      if (queue.producerEpoch < epochMax) queue.producerEpoch++
      else {
        // The epochs of this id are used up here: all partitions that begin from now on get another one.
        if (this.#identity?.producerId === queue.producerId) this.#identity = null
        queue.producerId = -1n
      }
    }
    if (queue.producerId < 0n) {
      if (this.#identity === null) {
        this.#identityWaiters.add(queue)
        if (!this.#identityAsked) {
          this.#identityAsked = true
          effects.push({ type: 'ask-producer-id' })
        }
        return false
      }
      queue.producerId = this.#identity.producerId
      queue.producerEpoch = this.#identity.producerEpoch
      queue.nextSequence = 0
    }
    batch.producerId = queue.producerId
    batch.producerEpoch = queue.producerEpoch
    batch.baseSequence = queue.nextSequence
    queue.nextSequence = (queue.nextSequence + batch.recordCount) % sequenceCount
    return true
  }

  #identified(identity: ProducerIdentity, effects: AccumulatorEffect<Part>[]): void {
    this.#identityAsked = false
    this.#identity = identity
    const waiters = [...this.#identityWaiters]
    this.#identityWaiters.clear()
    for (const queue of waiters) this.#produce(queue, effects)
  }

  /** Whoever waited for an id fails; the next batch asks again. */
  #unidentified(error: unknown, nowMs: number, effects: AccumulatorEffect<Part>[]): void {
    this.#identityAsked = false
    const waiters = [...this.#identityWaiters]
    this.#identityWaiters.clear()
    for (const queue of waiters) {
      for (let batch = queue.sealed[0]; batch?.ready; batch = queue.sealed[0]) {
        queue.sealed.shift()
        this.#drop(batch, error, effects)
      }
    }
    for (const queue of waiters) this.#goOn(queue, nowMs, effects)
  }

  #answered(batch: SendBatch<Part>, appended: boolean, nowMs: number, effects: AccumulatorEffect<Part>[]): void {
    const { queue } = batch
    check(queue.producedCount > 0, 'a batch is answered once')
    queue.producedCount--
    // Whatever the reason, the log may lack these numbers, or may get them later. The next batch begins an epoch of its
    // own, which a log takes from 0 on; no answer of any log has to be interpreted for it.
    if (!appended && batch.producerId >= 0n) queue.sequenceEnded = true
    this.#free(batch)
    this.#produce(queue, effects)
    this.#goOn(queue, nowMs, effects)
  }

  /** A batch of the partition ended: others of it may go off, and those who wait may have room. */
  #goOn(queue: PartitionQueue<Part>, nowMs: number, effects: AccumulatorEffect<Part>[]): void {
    this.#seal(queue, nowMs, effects)
    if (this.#firstWaiting !== null) this.#releaseAll(nowMs, effects)
  }

  /** Gives those who wait a place, in their order, until one finds no room. */
  #releaseAll(nowMs: number, effects: AccumulatorEffect<Part>[]): void {
    this.#releasing = true
    for (let part = this.#firstWaiting; part !== null; part = this.#firstWaiting) {
      if (part.state === 'waiting' && !this.#place(part, nowMs, effects)) break
      this.#leaveLine(part)
    }
    this.#releasing = false
    this.#sealAll(nowMs, effects)
  }

  #leaveLine(part: Part): void {
    this.#firstWaiting = part.next as Part | null
    part.next = null
    if (this.#firstWaiting === null) this.#lastWaiting = null
    this.#waitingCount--
  }

  #tick(nowMs: number, effects: AccumulatorEffect<Part>[]): void {
    this.#armedMs = never
    // All wait equally long, so the first in line is the first whose time is up.
    for (let part = this.#firstWaiting; part !== null; part = this.#firstWaiting) {
      if (part.state === 'waiting') {
        if (part.deadlineMs > nowMs) break
        this.#refuse(part, 'VARVE_BUFFER_FULL', effects)
      }
      this.#leaveLine(part)
    }
    this.#releaseAll(nowMs, effects)
    if (this.#firstWaiting !== null) this.#arm(this.#firstWaiting.deadlineMs, effects)
    if (this.#limits.lingerMs === 0) return
    let dueMs = never
    for (const { open } of this.#active) if (open !== null && open.dueMs > nowMs) dueMs = Math.min(dueMs, open.dueMs)
    if (dueMs < never) this.#arm(dueMs, effects)
  }

  #withdraw(part: Part, batch: SendBatch<Part>): void {
    const index = batch.parts.lastIndexOf(part)
    check(index >= 0, 'a part is withdrawn from its batch')
    batch.parts.splice(index, 1)
    // Its bytes stay counted until the batch ends: too much is on the safe side.
    batch.recordCount -= part.recordCount
    this.#settle(part)
  }

  #cancel(part: Part, nowMs: number, effects: AccumulatorEffect<Part>[]): void {
    if (part.state !== 'waiting') return
    this.#settle(part)
    // Elsewhere in line it stays, as nobody, until its turn comes.
    if (part === this.#firstWaiting) this.#releaseAll(nowMs, effects)
  }

  #flush(id: number, nowMs: number, effects: AccumulatorEffect<Part>[]): void {
    this.#flushes.push({ id, round: this.#firstRound + this.#roundCounts.length - 1 })
    this.#roundCounts.push(0)
    this.#sealAll(nowMs, effects)
  }

  #finishFlushes(effects: AccumulatorEffect<Part>[]): void {
    while (this.#roundCounts.length > 1 && this.#roundCounts[0] === 0) {
      this.#roundCounts.shift()
      this.#firstRound++
    }
    while (this.#flushes.length > 0 && this.#flushes[0]!.round < this.#firstRound) {
      effects.push({ type: 'flushed', id: this.#flushes.shift()!.id })
    }
  }

  #refuse(part: Part, code: 'VARVE_BUFFER_FULL' | 'VARVE_RECORD_TOO_LARGE', effects: AccumulatorEffect<Part>[]): void {
    this.#settle(part)
    effects.push({ type: 'refuse', part, code })
  }

  #drop(batch: SendBatch<Part>, error: unknown, effects: AccumulatorEffect<Part>[]): void {
    this.#free(batch)
    effects.push({ type: 'drop', batch, error })
  }

  #free(batch: SendBatch<Part>): void {
    this.#usedBytes -= batch.sizeBytes
    for (const part of batch.parts) this.#settle(part)
  }

  #settle(part: Part): void {
    check(part.state !== 'gone', 'a part ends once')
    part.state = 'gone'
    this.#roundCounts[part.round - this.#firstRound]!--
  }

  #arm(atMs: number, effects: AccumulatorEffect<Part>[]): void {
    if (atMs >= this.#armedMs) return
    this.#armedMs = atMs
    effects.push({ type: 'arm', atMs })
  }
}
