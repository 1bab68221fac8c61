import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'

/** How one type is read and written in one version of a message. Made once, then only called. */
export interface Codec {
  read(reader: ByteReader): unknown
  /** `value` comes from a caller: it is checked as it is written. */
  write(writer: ByteWriter, value: unknown): void
  /** Fewest bytes that a value takes: what bounds the length of an array by the bytes that are left. */
  readonly minBytes: number
  /** What a field of this type holds when nothing was said. */
  readonly zero: unknown
  isZero(value: unknown): boolean
}

/** The version that a codec is made for. */
export interface CodecVersion {
  readonly version: number
  readonly flexible: boolean
}
