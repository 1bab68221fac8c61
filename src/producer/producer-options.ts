import { type CompressionName, compressionNames } from '../env/codecs.ts'
import { VarveError } from '../errors.ts'
import { batchBytesMax, headerBytes } from '../record/batch-header.ts'
import { requireKnownOptions } from '../settings/known-options.ts'
import type { PartitionChooser } from './partitioner.ts'
import type { Durability } from './produce-target.ts'

export interface ProducerOptions {
  /** What a send counts as done with. Default: what topic and store say. */
  readonly durability?: Durability | undefined
  /** Default 'none'. */
  readonly compression?: CompressionName | undefined
  /** How long records wait for others to share a batch with. Default 0: those of one turn of the event loop share one. */
  readonly lingerMs?: number | undefined
  /** A batch of records of several calls takes no more, header included and not yet compressed. Default 65,536. */
  readonly batchBytes?: number | undefined
  /** The most that all batches take that are not acknowledged yet. Default 32 MiB. */
  readonly bufferBytes?: number | undefined
  /** How long a send waits while the buffer is full; 0 refuses it at once. Default 60,000. */
  readonly maxBlockMs?: number | undefined
  /** Batches carry a producer id and sequences, so that a log knows a repeated one. Default true. */
  readonly idempotent?: boolean | undefined
  /** Default: by the key as Kafka's Java client chooses; without a key one partition after the other, a batch each. */
  readonly partitioner?: PartitionChooser | undefined
}

export interface SendOptions {
  /** Default: the producer's. */
  readonly durability?: Durability | undefined
  /**
   * Append only if the log ends at this offset: compare and append. The records must go to one partition, and are a
   * batch of their own.
   */
  readonly expectedOffset?: number | undefined
  /** Rejects with its reason. Records that wait for the buffer are not sent then; others may still be appended. */
  readonly signal?: AbortSignal | undefined
}

/** `ProducerOptions` with every default filled in. */
export interface ProducerSettings {
  readonly durability: Durability | undefined
  readonly compression: CompressionName
  readonly lingerMs: number
  readonly batchBytes: number
  readonly bufferBytes: number
  readonly maxBlockMs: number
  readonly idempotent: boolean
  readonly partitioner: PartitionChooser | undefined
}

const optionNames = [
  'durability',
  'compression',
  'lingerMs',
  'batchBytes',
  'bufferBytes',
  'maxBlockMs',
  'idempotent',
  'partitioner',
] as const
const sendOptionNames = ['durability', 'expectedOffset', 'signal'] as const
const durabilities: readonly unknown[] = ['buffered', 'interval', 'synced'] satisfies Durability[]

const defaultBatchBytes = 64 * 1024
const defaultBufferBytes = 32 * 1024 * 1024
const defaultMaxBlockMs = 60_000
/** Where Node's timers end. */
const delayMsMax = 0x7fff_ffff

/** @throws VARVE_INVALID_ARGUMENT naming the option, and where close the one that was meant. */
export function producerSettings(options: ProducerOptions): ProducerSettings {
  requireKnownOptions(options, optionNames)
  const {
    durability,
    compression = 'none',
    lingerMs = 0,
    batchBytes = defaultBatchBytes,
    bufferBytes = defaultBufferBytes,
    maxBlockMs = defaultMaxBlockMs,
    idempotent = true,
    partitioner,
  } = options
  requireDurability(durability)
  if (!compressionNames.includes(compression)) throw invalid('compression', oneOf(compressionNames), compression)
  requireInteger('lingerMs', lingerMs, 0, delayMsMax)
  requireInteger('batchBytes', batchBytes, headerBytes + 1, batchBytesMax)
  requireInteger('bufferBytes', bufferBytes, headerBytes + 1, Number.MAX_SAFE_INTEGER)
  requireInteger('maxBlockMs', maxBlockMs, 0, delayMsMax)
  if (typeof idempotent !== 'boolean') throw invalid('idempotent', 'true or false', idempotent)
  if (partitioner !== undefined && typeof partitioner !== 'function') {
    throw invalid('partitioner', 'a function (topic, key, value, partitionCount) => partition', partitioner)
  }
  return { durability, compression, lingerMs, batchBytes, bufferBytes, maxBlockMs, idempotent, partitioner }
}

/** @throws VARVE_INVALID_ARGUMENT naming the option, and where close the one that was meant. */
export function checkSendOptions(options: SendOptions): SendOptions {
  requireKnownOptions(options, sendOptionNames)
  const { durability, expectedOffset, signal } = options
  requireDurability(durability)
  if (expectedOffset !== undefined) requireInteger('expectedOffset', expectedOffset, 0, Number.MAX_SAFE_INTEGER)
  if (signal !== undefined && !isSignal(signal)) throw invalid('signal', 'an AbortSignal', signal)
  return options
}

/** Not by `instanceof`: it may come from another realm or a polyfill. */
function isSignal(value: unknown): value is AbortSignal {
  return typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value
}

function requireDurability(durability: unknown): void {
  if (durability === undefined || durabilities.includes(durability)) return
  throw invalid('durability', oneOf(durabilities as readonly string[]), durability)
}

function requireInteger(option: string, value: unknown, min: number, max: number): void {
  if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return
  throw invalid(option, `an integer from ${min} to ${max}`, value)
}

const oneOf = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ')

function invalid(option: string, wanted: string, value: unknown): VarveError {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value).slice(0, 80)
  return new VarveError('VARVE_INVALID_ARGUMENT', `Option "${option}" must be ${wanted}, not ${shown}.`, {
    details: { option },
  })
}
