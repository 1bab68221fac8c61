/**
 * CRC-32C (Castagnoli) in plain JavaScript, for our small files: checkpoints, snapshots.
 *
 * Batches are checked in the addon, which is some fifty times as fast; the pure folders must not depend on it.
 */
import crc32cTable from 'crc-32/crc32c.js'

/** CRC-32C of `bytes` as an unsigned number. `seed` is the CRC of what came before, 0 to start. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return crc32cTable.buf(bytes, seed | 0) >>> 0
}
