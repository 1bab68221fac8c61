import { compressFrame, compressFrameSync, decompressFrame, decompressFrameSync } from 'lz4-napi'
import type { CompressionCodec } from '../../codecs.ts'
import { badInput, overLimit } from './codec-errors.ts'
import { lz4FrameBound } from './lz4-frame.ts'

/** LZ4 frames with independent blocks, which is what Kafka's clients write and all that its Java reader takes. */
export const lz4: CompressionCodec = {
  name: 'lz4',
  id: 3,
  canCompress: true,
  compress: (bytes) => (bytes.byteLength === 0 ? emptyFrame() : compressFrameSync(asBuffer(bytes))),
  decompress(bytes, maxBytes) {
    if (lz4FrameBound(bytes, maxBytes) > maxBytes) throw overLimit('lz4', maxBytes)
    try {
      return decompressFrameSync(asBuffer(bytes))
    } catch (cause) {
      throw badInput('lz4', (cause as Error).message, cause)
    }
  },
  compressAsync: async (bytes) => (bytes.byteLength === 0 ? emptyFrame() : compressFrame(bytes)),
  async decompressAsync(bytes, maxBytes) {
    if (lz4FrameBound(bytes, maxBytes) > maxBytes) throw overLimit('lz4', maxBytes)
    try {
      return await decompressFrame(bytes)
    } catch (cause) {
      throw badInput('lz4', (cause as Error).message, cause)
    }
  },
}

/** The library answers nothing for nothing, which is no frame: header with blocks of 64 KiB, end mark. */
function emptyFrame(): Uint8Array {
  return Uint8Array.of(0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 0, 0, 0, 0)
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
