import type { CompressionCodec } from '../../codecs.ts'

/**
 * Gives a codec input that cannot change under it.
 *
 * What was looked at must be what is decoded, and `node:zlib` and `lz4-napi` crash when memory that they read on a
 * thread of the pool is transferred away meanwhile. So input in shared memory is copied, and all input of the
 * asynchronous calls: 10 us for the 64 KiB from which on they are worth it.
 */
export function withSteadyInput(codec: CompressionCodec): CompressionCodec {
  return {
    name: codec.name,
    id: codec.id,
    canCompress: codec.canCompress,
    compress: (bytes) => codec.compress(steady(bytes)),
    decompress: (bytes, maxBytes) => codec.decompress(steady(bytes), maxBytes),
    compressAsync: async (bytes) => codec.compressAsync(Buffer.from(bytes)),
    decompressAsync: async (bytes, maxBytes) => codec.decompressAsync(Buffer.from(bytes), maxBytes),
  }
}

function steady(bytes: Uint8Array): Uint8Array {
  return bytes.buffer instanceof ArrayBuffer ? bytes : Buffer.from(bytes)
}
