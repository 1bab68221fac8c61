import { VarveError } from '../../../errors.ts'
import type { CompressionName } from '../../codecs.ts'

/** The input is not what this codec writes. */
export function badInput(compression: CompressionName, reason: string, cause?: unknown): VarveError {
  return new VarveError('VARVE_CORRUPT', `The ${compression} data is damaged: ${reason}.`, {
    details: { compression, reason },
    cause,
  })
}

/** The input claims, or turned out, to expand beyond what is allowed. */
export function overLimit(compression: CompressionName, maxBytes: number): VarveError {
  return new VarveError('VARVE_DECOMPRESSION_LIMIT', `The ${compression} data expands beyond ${maxBytes} bytes.`, {
    details: { compression, maxBytes },
  })
}

/** `node:zlib` takes no limit below 1: this is where a limit of 0 is kept. */
export function within(compression: CompressionName, maxBytes: number, result: Buffer): Buffer {
  if (maxBytes < 1 && result.byteLength > 0) throw overLimit(compression, maxBytes)
  return result
}

/** Errors of `node:zlib` as ours. */
export function fromZlib(compression: CompressionName, maxBytes: number, error: unknown): VarveError {
  if (error instanceof VarveError) return error
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ERR_BUFFER_TOO_LARGE') return overLimit(compression, maxBytes)
  return badInput(compression, message, error)
}
