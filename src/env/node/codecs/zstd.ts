import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { VarveError } from '../../../errors.ts'
import type { CompressionCodec } from '../../codecs.ts'
import { decompressWithinBounds } from './bounded-zstd.ts'
import { badInput, fromZlib, overLimit, within } from './codec-errors.ts'
import { readZstdFrame, type ZstdFrame } from './zstd-frame.ts'

type Decompress = (bytes: Uint8Array, options: { maxOutputLength: number }) => Buffer
type DecompressCallback = (
  bytes: Uint8Array,
  options: { maxOutputLength: number },
  done: (error: Error | null, result: Buffer) => void,
) => void

/** What `node:zlib` has since Node 22.15 and 23.8. */
interface NativeZstd {
  readonly zstdCompress: (bytes: Uint8Array, done: (error: Error | null, result: Buffer) => void) => void
  readonly zstdCompressSync: (bytes: Uint8Array) => Buffer
  readonly zstdDecompress: DecompressCallback
  readonly zstdDecompressSync: Decompress
}

/** `node:zlib` where it has zstd, else a decoder in JavaScript and no encoder. */
export function zstdCodec(native: NativeZstd | undefined): CompressionCodec {
  return {
    name: 'zstd',
    id: 4,
    canCompress: native !== undefined,
    compress: (bytes) => required(native).zstdCompressSync(bytes),
    compressAsync: async (bytes) => promisify(required(native).zstdCompress)(bytes),
    decompress(bytes, maxBytes) {
      const frame = frameWithin(bytes, maxBytes)
      try {
        if (native === undefined) return decompressWithinBounds(bytes, frame, maxBytes)
        return within('zstd', maxBytes, native.zstdDecompressSync(bytes, { maxOutputLength: Math.max(maxBytes, 1) }))
      } catch (error) {
        throw coded(error, maxBytes)
      }
    },
    async decompressAsync(bytes, maxBytes) {
      const frame = frameWithin(bytes, maxBytes)
      try {
        if (native === undefined) return decompressWithinBounds(bytes, frame, maxBytes)
        const decompress = promisify(native.zstdDecompress)
        return within('zstd', maxBytes, await decompress(bytes, { maxOutputLength: Math.max(maxBytes, 1) }))
      } catch (error) {
        throw coded(error, maxBytes)
      }
    },
  }
}

export const zstd: CompressionCodec = zstdCodec(
  'zstdCompressSync' in zlib ? (zlib as unknown as NativeZstd) : undefined,
)

/** What the highest compression level asks for, and the most that zstd's own tools take unasked. */
const windowBytesMax = 128 * 1024 * 1024

function frameWithin(bytes: Uint8Array, maxBytes: number): ZstdFrame {
  const frame = readZstdFrame(bytes)
  if (frame.contentBytes !== undefined && frame.contentBytes > maxBytes) throw overLimit('zstd', maxBytes)
  if (frame.windowBytes > windowBytesMax) throw overLimit('zstd', maxBytes)
  return frame
}

function required(native: NativeZstd | undefined): NativeZstd {
  if (native !== undefined) return native
  throw new VarveError(
    'VARVE_UNSUPPORTED',
    `Node ${process.versions.node} cannot compress with zstd; Node 22.15 and later can, or use lz4.`,
    { details: { compression: 'zstd' } },
  )
}

function coded(error: unknown, maxBytes: number): VarveError {
  if (error instanceof VarveError) return error
  if (String((error as NodeJS.ErrnoException).code).startsWith('ERR_')) return fromZlib('zstd', maxBytes, error)
  return badInput('zstd', (error as Error).message, error)
}
