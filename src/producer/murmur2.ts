/** MurmurHash2 of 32 bits (Austin Appleby, in the public domain), with the seed that Kafka's Java client uses. */

const seed = 0x9747b28c
const multiplier = 0x5bd1e995

/**
 * The hash of `bytes[0, length)` as a signed 32-bit integer. Reads four bytes at a time, the lowest first.
 *
 * Cost: about 1 ns per byte, no allocation.
 */
export function murmur2(bytes: Uint8Array, length: number = bytes.length): number {
  let hash = seed ^ length
  const whole = length & ~3
  for (let at = 0; at < whole; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    word = Math.imul(word, multiplier)
    word = Math.imul(word ^ (word >>> 24), multiplier)
    hash = Math.imul(hash, multiplier) ^ word
  }
  const rest = length & 3
  if (rest > 2) hash ^= bytes[whole + 2]! << 16
  if (rest > 1) hash ^= bytes[whole + 1]! << 8
  if (rest > 0) hash = Math.imul(hash ^ bytes[whole]!, multiplier)
  hash = Math.imul(hash ^ (hash >>> 13), multiplier)
  return hash ^ (hash >>> 15)
}
