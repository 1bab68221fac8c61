/**
 * Compression behind an interface: batches name a codec by number, the world outside brings the code.
 */

/** Codec names in the order of their numbers in a batch's attributes. */
export const compressionNames = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
export type CompressionName = (typeof compressionNames)[number]

/**
 * One codec. Stateless, so one instance serves everybody; never changes its input and never keeps it.
 *
 * Errors of all four: VARVE_UNSUPPORTED (this Node version cannot), VARVE_CORRUPT (not what this codec writes),
 * VARVE_DECOMPRESSION_LIMIT (would expand beyond `maxBytes`).
 */
export interface CompressionCodec {
  readonly name: CompressionName
  /** Number in bits 0-2 of a batch's attributes. */
  readonly id: number
  /** False where this Node version can only decompress. */
  readonly canCompress: boolean
  /** @returns New bytes, or the input itself for `none`. */
  compress(bytes: Uint8Array): Uint8Array
  /**
   * @param maxBytes The most that the result may take. Input that claims or needs more is refused before memory is
   * taken for it; what a codec needs beside the result is bounded by a small constant.
   */
  decompress(bytes: Uint8Array, maxBytes: number): Uint8Array
  /** The same on Node's thread pool where the library can: worth it from about 64 KiB on. */
  compressAsync(bytes: Uint8Array): Promise<Uint8Array>
  decompressAsync(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array>
}

/** The codecs by their numbers: `codecs[3]` is lz4. */
export type CompressionCodecs = readonly CompressionCodec[]
