import { promisify } from 'node:util'
import { constants, gunzip, gunzipSync, gzip as gzipCallback, gzipSync } from 'node:zlib'
import type { CompressionCodec } from '../../codecs.ts'
import { fromZlib, within } from './codec-errors.ts'

const gzipAsync = promisify(gzipCallback)
const gunzipAsync = promisify(gunzip)

/** zlib's own default; level 1 is half again as fast and 15 % larger on log lines. */
const level = constants.Z_DEFAULT_COMPRESSION

/** gzip by `node:zlib`, which grows its output in steps of 16 KiB and stops at the limit. */
export const gzip: CompressionCodec = {
  name: 'gzip',
  id: 1,
  canCompress: true,
  compress: (bytes) => gzipSync(bytes, { level }),
  decompress(bytes, maxBytes) {
    try {
      return within('gzip', maxBytes, gunzipSync(bytes, { maxOutputLength: Math.max(maxBytes, 1) }))
    } catch (error) {
      throw fromZlib('gzip', maxBytes, error)
    }
  },
  compressAsync: (bytes) => gzipAsync(bytes, { level }),
  async decompressAsync(bytes, maxBytes) {
    try {
      return within('gzip', maxBytes, await gunzipAsync(bytes, { maxOutputLength: Math.max(maxBytes, 1) }))
    } catch (error) {
      throw fromZlib('gzip', maxBytes, error)
    }
  },
}
