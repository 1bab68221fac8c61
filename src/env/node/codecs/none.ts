import type { CompressionCodec } from '../../codecs.ts'
import { overLimit } from './codec-errors.ts'

/** No compression: hands back what it was given. */
export const none: CompressionCodec = {
  name: 'none',
  id: 0,
  canCompress: true,
  compress: (bytes) => bytes,
  decompress(bytes, maxBytes) {
    if (bytes.byteLength > maxBytes) throw overLimit('none', maxBytes)
    return bytes
  },
  compressAsync: async (bytes) => bytes,
  decompressAsync: async (bytes, maxBytes) => none.decompress(bytes, maxBytes),
}
