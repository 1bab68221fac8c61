/** How keys and values of a typed topic become bytes, and come back. */

/** A pair of functions. What they throw is told with the record that it is about. */
export interface Codec<T> {
  encode(value: T): string | Uint8Array
  /** @param bytes A slice of memory that many records share: what is kept of it long is copied. */
  decode(bytes: Buffer): T
}

/** JSON as UTF-8. The type is what the caller says: nothing checks what was stored. */
export function json<T = unknown>(): Codec<T> {
  return {
    encode(value) {
      const encoded = JSON.stringify(value)
      // Of undefined and of functions there is none.
      if (encoded === undefined) throw new TypeError(`${typeof value} has no JSON`)
      return encoded
    },
    decode: (bytes) => JSON.parse(bytes.toString('utf8')) as T,
  }
}

/** UTF-8. What is none reads as U+FFFD. */
export function text(): Codec<string> {
  return { encode: (value) => value, decode: (bytes) => bytes.toString('utf8') }
}

/** As they are. */
export function bytes(): Codec<Uint8Array> {
  return { encode: (value) => value, decode: (stored) => stored }
}
