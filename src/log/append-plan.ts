/**
 * What an append will do, decided before a byte is copied: are the batches acceptable, are they a producer's retry,
 * which offsets do they get.
 *
 * Looks at header fields only. Length, CRC and (where asked) the records themselves are checked by the segment on its
 * own copy of the bytes. Pure, and on the hot path: a batch without a producer costs a few comparisons and allocates
 * nothing.
 */
import { VarveError } from '../errors.ts'
import { Attribute, noTimestamp } from '../record/batch-header.ts'
import { noProducerId } from './batch-fields.ts'
import type { ProducerBatch, ProducerCheck, ProducerStates } from './producer-states.ts'

/**
 * Who appends. A `client` may write data; a `coordinator` transaction markers too; a `replica` copies what a leader has
 * already checked, with the leader's offsets and epochs.
 */
export type AppendOrigin = 'client' | 'coordinator' | 'replica'

/** The settings that a plan depends on. */
export interface AppendLimits {
  /** `max.message.bytes`: largest batch. */
  maxBatchBytes: number
  /** `message.timestamp.type` is `LogAppendTime`. */
  appendTime: boolean
  /** `message.timestamp.before.max.ms` */
  timestampBeforeMaxMs: number
  /** `message.timestamp.after.max.ms` */
  timestampAfterMaxMs: number
  /** `cleanup.policy` has `compact`: a replica's batches may leave out offsets. */
  allowGaps: boolean
}

/** The log as it stands. */
export interface AppendState {
  /** The next offset. */
  logEndOffset: number
  leaderEpoch: number
  producers: ProducerStates
}

/** Filled by `planAppend`; one object serves all appends of a log. */
export interface AppendPlan {
  outcome: 'append' | 'duplicate' | 'error'
  /** First offset of this append, or for a duplicate the one that it got the first time. */
  baseOffset: number
  /** Inclusive. */
  lastOffset: number
  sizeBytes: number
  /** Largest timestamp that the stored batches will have; -1 for none. */
  maxTimestamp: number
  /** The time to stamp (`LogAppendTime`), or -1 to leave the batches as they are. */
  appendTimestamp: number
  /** Some batch has a producer: `ProducerStates.apply` must be called for those once they are stored. */
  producers: boolean
  /** With outcome `error`: why. Nothing was changed. */
  error: VarveError | undefined
}

export function makeAppendPlan(): AppendPlan {
  return {
    outcome: 'append',
    baseOffset: -1,
    lastOffset: -1,
    sizeBytes: 0,
    maxTimestamp: noTimestamp,
    appendTimestamp: noTimestamp,
    producers: false,
    error: undefined,
  }
}

/** The largest codec number: zstd. */
const codecMax = 4

/** Attributes that no client may set: control is checked apart; only compaction sets the delete horizon. */
const clientForbiddenAttributes = ~0x7f | Attribute.deleteHorizon

/**
 * Plans the append of `batches`, which go into the log together and in this order.
 *
 * With outcome `append` the batches' `baseOffset`, `leaderEpoch` and (`LogAppendTime`) `maxTimestamp` and attributes
 * hold what will be stored; a replica's stay as they are. All batches of an append are duplicates or none: a mixture is
 * `VARVE_OUT_OF_ORDER_SEQUENCE`, since it is not the retry of anything.
 *
 * Errors in `plan.error`: `VARVE_INVALID_RECORD`, `VARVE_RECORD_TOO_LARGE`, `VARVE_INVALID_TIMESTAMP`,
 * `VARVE_OUT_OF_ORDER_SEQUENCE`, `VARVE_INVALID_PRODUCER_EPOCH`, `VARVE_INVALID_TRANSACTION_STATE`,
 * `VARVE_COORDINATOR_FENCED`; `details.batchIndex` says which batch.
 * @param nowMs Wall time.
 */
export function planAppend(
  plan: AppendPlan,
  batches: readonly ProducerBatch[],
  origin: AppendOrigin,
  state: AppendState,
  limits: AppendLimits,
  nowMs: number,
): AppendPlan {
  plan.outcome = 'append'
  plan.error = undefined
  plan.producers = false
  plan.sizeBytes = 0
  plan.maxTimestamp = noTimestamp
  plan.appendTimestamp = limits.appendTime && origin !== 'replica' ? nowMs : noTimestamp
  plan.baseOffset = state.logEndOffset
  plan.lastOffset = state.logEndOffset - 1
  let nextOffset = state.logEndOffset
  for (let i = 0; i < batches.length; i += 1) {
    const batch = batches[i]!
    if (origin === 'replica') {
      const fault = faultOfReplica(batch, nextOffset, limits.allowGaps)
      if (fault !== undefined) return fail(plan, i, fault)
      if (i === 0) plan.baseOffset = batch.baseOffset
    } else {
      const fault = faultOf(batch, origin, limits, nowMs)
      if (fault !== undefined) return fail(plan, i, fault)
      batch.baseOffset = nextOffset
      batch.leaderEpoch = state.leaderEpoch
      if (limits.appendTime) {
        batch.attributes |= Attribute.appendTime
        batch.maxTimestamp = nowMs
      }
    }
    nextOffset = batch.baseOffset + batch.lastOffsetDelta + 1
    if (!(nextOffset <= Number.MAX_SAFE_INTEGER)) return fail(plan, i, invalid('its offsets pass 2^53 - 1'))
    plan.sizeBytes += batch.sizeBytes
    if (batch.maxTimestamp > plan.maxTimestamp) plan.maxTimestamp = batch.maxTimestamp
    if (batch.producerId !== noProducerId) plan.producers = true
  }
  plan.lastOffset = nextOffset - 1
  return plan.producers && origin !== 'replica' ? checkProducers(plan, batches, state.producers) : plan
}

type Fault = readonly [code: ConstructorParameters<typeof VarveError>[0], reason: string]

const invalid = (reason: string): Fault => ['VARVE_INVALID_RECORD', reason]

function faultOf(batch: ProducerBatch, origin: AppendOrigin, limits: AppendLimits, nowMs: number): Fault | undefined {
  const { attributes, maxTimestamp } = batch
  if (batch.sizeBytes > limits.maxBatchBytes)
    return [
      'VARVE_RECORD_TOO_LARGE',
      `it has ${batch.sizeBytes} bytes, more than max.message.bytes (${limits.maxBatchBytes})`,
    ]
  if (batch.recordCount < 1) return invalid('it holds no records')
  if (batch.lastOffsetDelta !== batch.recordCount - 1)
    return invalid(`its last offset delta ${batch.lastOffsetDelta} does not fit its ${batch.recordCount} records`)
  if ((attributes & clientForbiddenAttributes) !== 0) return invalid('it has attribute bits that only a log may set')
  if ((attributes & Attribute.codecMask) > codecMax)
    return invalid(`codec ${attributes & Attribute.codecMask} is unknown`)
  if ((attributes & Attribute.control) !== 0 && origin !== 'coordinator')
    return invalid('control batches are written by coordinators only')
  if (!limits.appendTime && (attributes & Attribute.appendTime) !== 0)
    return invalid('it claims append time, but the log keeps the time of creation')
  if (batch.producerId === noProducerId) {
    if ((attributes & Attribute.transactional) !== 0) return invalid('it is transactional and has no producer id')
  } else {
    const fault = faultOfProducer(batch)
    if (fault !== undefined) return fault
  }
  // Written so that NaN, a number past 2^53, fails too.
  if (!(batch.baseTimestamp >= noTimestamp && maxTimestamp >= noTimestamp))
    return invalid(`its timestamps ${batch.baseTimestamp} and ${maxTimestamp} are no times since 1970`)
  if (limits.appendTime) return undefined
  if (maxTimestamp > nowMs + limits.timestampAfterMaxMs)
    return [
      'VARVE_INVALID_TIMESTAMP',
      `its timestamp ${maxTimestamp} is more than message.timestamp.after.max.ms (${limits.timestampAfterMaxMs}) ahead of now (${nowMs})`,
    ]
  // The header knows the first record's timestamp and the largest; a smaller one in between passes here.
  const least = Math.min(batch.baseTimestamp, maxTimestamp)
  if (least !== noTimestamp && least < nowMs - limits.timestampBeforeMaxMs)
    return [
      'VARVE_INVALID_TIMESTAMP',
      `its timestamp ${least} is more than message.timestamp.before.max.ms (${limits.timestampBeforeMaxMs}) behind now (${nowMs})`,
    ]
  return undefined
}

function faultOfProducer(batch: ProducerBatch): Fault | undefined {
  if (batch.producerId < 0n) return invalid(`producer id ${batch.producerId} is negative`)
  if (batch.producerEpoch < 0) return invalid(`producer epoch ${batch.producerEpoch} is negative`)
  if ((batch.attributes & Attribute.control) !== 0) return undefined // markers carry no sequence
  if (batch.baseSequence < 0) return invalid(`base sequence ${batch.baseSequence} is negative`)
  return undefined
}

/** Compaction leaves gaps, and batches with fewer records than offsets: only order is asked of a leader's batches. */
function faultOfReplica(batch: ProducerBatch, nextOffset: number, allowGaps: boolean): Fault | undefined {
  if (!(batch.baseOffset >= nextOffset))
    return invalid(`its base offset ${batch.baseOffset} is below the next offset ${nextOffset}`)
  // Without compaction nothing leaves offsets out. Opening the log after a crash would cut it at such a place.
  if (batch.baseOffset > nextOffset && !allowGaps)
    return invalid(
      `its base offset ${batch.baseOffset} is not the next offset ${nextOffset}, and the log is not compacted`,
    )
  if (batch.lastOffsetDelta < 0) return invalid(`its last offset delta ${batch.lastOffsetDelta} is negative`)
  return undefined
}

function checkProducers(plan: AppendPlan, batches: readonly ProducerBatch[], producers: ProducerStates): AppendPlan {
  let duplicates = 0
  for (let i = 0; i < batches.length; i += 1) {
    const batch = batches[i]!
    if (batch.producerId === noProducerId) continue
    const previous = i === 0 ? undefined : previousOf(batches, i)
    const check = producers.check(batch, previous)
    if (check === 'append') continue
    if (check !== 'duplicate') return fail(plan, i, faultOfCheck(check, batch))
    duplicates += 1
  }
  return duplicates === 0 ? plan : asDuplicate(plan, batches, producers)
}

/** Some batch is stored already. Those behind it of the same producer passed because they follow it: ask the window. */
function asDuplicate(plan: AppendPlan, batches: readonly ProducerBatch[], producers: ProducerStates): AppendPlan {
  let baseOffset = Number.POSITIVE_INFINITY
  let lastOffset = -1
  for (let i = 0; i < batches.length; i += 1) {
    const stored = producers.duplicateOf(batches[i]!)
    if (stored === undefined)
      return fail(plan, i, [
        'VARVE_OUT_OF_ORDER_SEQUENCE',
        'it is new, but other batches of the same append are stored already',
      ])
    if (stored.baseOffset < baseOffset) baseOffset = stored.baseOffset
    if (stored.lastOffset > lastOffset) lastOffset = stored.lastOffset
  }
  plan.outcome = 'duplicate'
  plan.baseOffset = baseOffset
  plan.lastOffset = lastOffset
  return plan
}

function previousOf(batches: readonly ProducerBatch[], index: number): ProducerBatch | undefined {
  const { producerId } = batches[index]!
  for (let i = index - 1; i >= 0; i -= 1) if (batches[i]!.producerId === producerId) return batches[i]
  return undefined
}

function faultOfCheck(check: Exclude<ProducerCheck, 'append' | 'duplicate'>, batch: ProducerBatch): Fault {
  const who = `producer ${batch.producerId} in epoch ${batch.producerEpoch}`
  switch (check) {
    case 'out-of-order':
      return ['VARVE_OUT_OF_ORDER_SEQUENCE', `sequence ${batch.baseSequence} of ${who} does not follow its last one`]
    case 'fenced':
      return ['VARVE_INVALID_PRODUCER_EPOCH', `${who} was replaced by a newer epoch`]
    case 'in-transaction':
      return ['VARVE_INVALID_TRANSACTION_STATE', `${who} has an open transaction, and the batch is not part of one`]
    case 'coordinator-fenced':
      return [
        'VARVE_COORDINATOR_FENCED',
        `the marker for ${who} comes from coordinator epoch ${batch.marker?.coordinatorEpoch}`,
      ]
  }
}

function fail(plan: AppendPlan, batchIndex: number, [code, reason]: Fault): AppendPlan {
  plan.outcome = 'error'
  plan.error = new VarveError(code, `Batch ${batchIndex} of an append was refused: ${reason}.`, {
    details: { batchIndex },
  })
  return plan
}
