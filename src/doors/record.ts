/**
 * `varve/record`: for people who make or read record batches themselves.
 *
 * The encoder and decoder are pure; here they meet the clock, the codecs and the checksum.
 */

import { crc32c } from '../base/crc32c.ts'
import type { CompressionName } from '../env/codecs.ts'
import { compressionNames } from '../env/codecs.ts'
import { compressionCodecs } from '../env/node/codecs/index.ts'
import { VarveError } from '../errors.ts'
import { BatchBuilder as PureBatchBuilder } from '../record/batch-builder.ts'
import { readBatches as pureReadBatches } from '../record/read-batches.ts'
import type { RecordBatch } from '../record/record-batch.ts'
import { requireKnownOptions } from '../settings/known-options.ts'

export type { CompressionCodec, CompressionName } from '../env/codecs.ts'
export { type ErrorCode, VarveError } from '../errors.ts'
export { type AbortedTransaction, AbortedTransactionFilter } from '../record/aborted-transactions.ts'
export type { BatchPlace } from '../record/batch-builder.ts'
export { decodeTransactionMarker, encodeTransactionMarker, type TransactionMarker } from '../record/control-record.ts'
export type { LogRecord, TimestampType } from '../record/log-record.ts'
export type { RecordBatch } from '../record/record-batch.ts'
export { RecordCursor } from '../record/record-cursor.ts'
export type { ProducerFields, RecordData, RecordHeaders, RecordInput } from '../record/record-types.ts'
export { compressionCodecs }

export interface BatchBuilderOptions {
  /** The most bytes a batch may take before compression, header included. Default 1,048,588, at most 2^31 - 1. */
  readonly maxBytes?: number
  /** Default 'none'. */
  readonly compression?: CompressionName
  /** Asked once per batch, when a record without a timestamp comes. Default `Date.now`. */
  readonly now?: () => number
}

/** See `BatchBuilder` in `src/record/batch-builder.ts`: this one has a clock, the codecs and a checksum. */
export class BatchBuilder extends PureBatchBuilder {
  /** Errors: VARVE_INVALID_ARGUMENT; VARVE_UNSUPPORTED when this Node version cannot compress so. */
  constructor(options: BatchBuilderOptions = {}) {
    requireKnownOptions(options, ['maxBytes', 'compression', 'now'])
    const { maxBytes, compression = 'none', now = Date.now } = options
    if (typeof now !== 'function') {
      throw new VarveError('VARVE_INVALID_ARGUMENT', 'Option "now" must be a function.', {
        details: { argument: 'now' },
      })
    }
    super({ maxBytes, now, crc32c, codec: codecNamed(compression) })
  }
}

export interface ReadBatchesOptions {
  /** Checks each batch's CRC. Default true. */
  readonly checkCrc?: boolean
  /** The most that the records of one batch may expand to. Default 64 MiB. */
  readonly maxDecompressedBytes?: number
}

/**
 * Iterates the record batches that stand back to back in `bytes`, such as a `.log` file.
 *
 * Ends at the end of the bytes, or at a batch whose length field is zero: a preallocated file ends so. Each batch's
 * header and CRC are checked before it is yielded, and its records when it is iterated.
 *
 * Errors: VARVE_CORRUPT with `details { position, offset?, reason }` (a batch that is cut off too); the batches before
 * it have been yielded. VARVE_INVALID_ARGUMENT. VARVE_DECOMPRESSION_LIMIT while iterating a batch.
 * Cost: no copy, one pass for the CRC; batches refer to `bytes`, which must not change while they are used.
 */
export function readBatches(
  bytes: Uint8Array,
  options: ReadBatchesOptions = {},
): Generator<RecordBatch, void, undefined> {
  requireKnownOptions(options, ['checkCrc', 'maxDecompressedBytes'])
  const { checkCrc = true, maxDecompressedBytes } = options
  if (
    maxDecompressedBytes !== undefined &&
    !(Number.isSafeInteger(maxDecompressedBytes) && maxDecompressedBytes >= 0)
  ) {
    throw new VarveError('VARVE_INVALID_ARGUMENT', 'Option "maxDecompressedBytes" must be an integer from 0 on.', {
      details: { argument: 'maxDecompressedBytes' },
    })
  }
  return pureReadBatches(bytes, {
    codecs: compressionCodecs,
    maxDecompressedBytes,
    crc32c: checkCrc ? crc32c : undefined,
  })
}

function codecNamed(compression: CompressionName): (typeof compressionCodecs)[number] {
  const codec = compressionCodecs[compressionNames.indexOf(compression)]
  if (codec === undefined) {
    throw new VarveError(
      'VARVE_INVALID_ARGUMENT',
      `Option "compression" must be one of ${compressionNames.join(', ')}, not ${String(compression)}.`,
      { details: { argument: 'compression' } },
    )
  }
  if (!codec.canCompress) codec.compress(new Uint8Array(0)) // throws the error that says why
  return codec
}
