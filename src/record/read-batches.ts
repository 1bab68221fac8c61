import { VarveError } from '../errors.ts'
import { crcStart, HeaderField, lengthOverhead, readBatchBytes } from './batch-header.ts'
import { damaged, RecordBatch, type RecordBatchOptions } from './record-batch.ts'
import { nameOf, requireAttached } from './record-data.ts'
import type { Crc32c } from './record-types.ts'

export interface ReadBatchesOptions extends RecordBatchOptions {
  /** Checks each batch's CRC; without it the CRC is not looked at, for bytes that were checked already. */
  readonly crc32c?: Crc32c | undefined
}

/**
 * Iterates the record batches that stand back to back in `bytes`, such as a `.log` file.
 *
 * Ends at the end of the bytes, or at a batch whose length field is zero: a preallocated file ends so. Each batch's
 * header and CRC are checked before it is yielded, and its records when it is iterated.
 *
 * Errors: VARVE_CORRUPT with `details { position, offset?, reason }` (a batch that is cut off too); the batches before
 * it have been yielded. VARVE_INVALID_ARGUMENT.
 * Cost: no copy; batches refer to `bytes`, which must not change while they are used.
 */
export function* readBatches(
  bytes: Uint8Array,
  options: ReadBatchesOptions = {},
): Generator<RecordBatch, void, undefined> {
  if (!(bytes instanceof Uint8Array)) {
    throw new VarveError('VARVE_INVALID_ARGUMENT', `The bytes must be a Uint8Array, not ${nameOf(bytes)}.`, {
      details: { argument: 'bytes' },
    })
  }
  if (bytes.byteLength === 0) {
    requireAttached(bytes, 'bytes')
    return
  }
  const memory = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = bytes.byteLength
  let position = 0
  while (position < end) {
    if (position + lengthOverhead <= end && readBatchBytes(view, position) === 0) return
    const batch = new RecordBatch(memory, view, position, end, options)
    const next = position + batch.byteLength
    if (options.crc32c !== undefined) {
      const stored = view.getUint32(position + HeaderField.crc)
      const computed = options.crc32c(memory.subarray(position + crcStart, next))
      if (stored !== computed) {
        throw damaged(position, batch.baseOffset, `its CRC is ${hex(stored)}, its bytes say ${hex(computed)}`)
      }
    }
    yield batch
    position = next
  }
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0')
}
