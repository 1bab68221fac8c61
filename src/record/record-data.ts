/**
 * Keys, values and header values on their way into a batch: what is accepted, how many bytes it takes, how it is copied.
 */
import { VarveError } from '../errors.ts'

/** Called this way it takes two thirds of the time of `target.set(...)`. */
const setBytes = Uint8Array.prototype.set

/** Below this many characters a loop over the text beats a call into V8's string writer. */
const shortText = 24
/** Below this many bytes a loop beats `TypedArray.set`, which costs about 25 ns whatever it copies. */
const shortBytes = 9

/**
 * Bytes that a key or value takes, -1 for null.
 *
 * Throws VARVE_INVALID_ARGUMENT for anything that is not text, bytes or null, and for bytes whose memory is gone
 * (transferred to another thread, or cut off by a resize).
 */
export function dataBytes(data: unknown, what: string): number {
  if (typeof data === 'string') return textBytes(data)
  if (data === null) return -1
  if (data instanceof Uint8Array || isForeignBytes(data)) {
    const size = data.length
    if (size === 0) requireAttached(data, what)
    return size
  }
  throw new VarveError(
    'VARVE_INVALID_ARGUMENT',
    `The ${what} must be a string, a Uint8Array or null, not ${nameOf(data)}.`,
    {
      details: { argument: what },
    },
  )
}

/**
 * Copies a key or value that `dataBytes` measured as `size` (0 or more) to `position` and returns the position after it.
 * Shared memory may change meanwhile: whatever the copy holds is what counts from here on.
 */
export function writeData(target: Buffer, position: number, data: string | Uint8Array, size: number): number {
  if (typeof data === 'string') {
    writeText(target, position, data, size)
  } else if (size < shortBytes) {
    for (let i = 0; i < size; i++) target[position + i] = data[i]!
  } else {
    setBytes.call(target, data, position)
  }
  return position + size
}

/** Bytes of a text as UTF-8; a lone surrogate counts as the three bytes of U+FFFD, which is what gets written. */
export function textBytes(text: string): number {
  const length = text.length
  if (length > shortText) return Buffer.byteLength(text)
  for (let i = 0; i < length; i++) {
    if (text.charCodeAt(i) >= 0x80) return Buffer.byteLength(text)
  }
  return length
}

export function writeText(target: Buffer, position: number, text: string, size: number): void {
  if (size === text.length && size <= shortText) {
    for (let i = 0; i < size; i++) target[position + i] = text.charCodeAt(i)
  } else {
    target.write(text, position, size)
  }
}

/** A Uint8Array of another realm, such as a test runner's sandbox: same thing, different constructor. */
function isForeignBytes(data: unknown): data is Uint8Array {
  return ArrayBuffer.isView(data) && Object.prototype.toString.call(data) === '[object Uint8Array]'
}

/** Memory that is gone has length 0 like an empty array; only the language's own methods tell them apart, by throwing. */
export function requireAttached(data: Uint8Array, what: string): void {
  try {
    Uint8Array.prototype.keys.call(data)
  } catch (cause) {
    throw new VarveError('VARVE_INVALID_ARGUMENT', `The ${what} is a view of memory that was transferred or cut off.`, {
      details: { argument: what },
      cause,
    })
  }
}

export function nameOf(data: unknown): string {
  if (data === undefined) return 'undefined'
  if (data === null) return 'null'
  if (typeof data !== 'object') return `a ${typeof data}`
  const name: unknown = data.constructor?.name
  if (typeof name !== 'string' || name === '') return 'an object'
  return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name}`
}
