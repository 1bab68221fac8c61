/**
 * The bytes that every system stores: pseudo-random, so that no engine wins by compressing them, and the same in every
 * run. Values are slices of one block at changing positions, so that no engine can keep one value in a register.
 */

const blockBytes = 4 << 20

export class Payload {
  readonly #values: Buffer[] = []
  readonly #mask: number
  #next = 0

  /** @param recordBytes Size of every value. */
  constructor(recordBytes: number) {
    const block = randomBlock(Math.max(blockBytes, recordBytes * 2))
    // A power of two of them, at least 2, at most 4,096: enough to defeat caches of single values, few enough to cost no memory.
    const count = 2 ** Math.min(12, Math.max(1, Math.floor(Math.log2(block.length / recordBytes))))
    const step = Math.max(1, Math.floor((block.length - recordBytes) / count))
    for (let i = 0; i < count; i++) this.#values.push(block.subarray(i * step, i * step + recordBytes))
    this.#mask = count - 1
  }

  /** The next value; owned by the payload, to be copied by whoever keeps it. */
  next(): Buffer {
    this.#next = (this.#next + 1) & this.#mask
    return this.#values[this.#next]!
  }
}

/** xorshift32: four bytes a step, seeded always the same. */
function randomBlock(size: number): Buffer {
  const words = new Uint32Array(Math.ceil(size / 4))
  let state = 0x9e3779b9
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return Buffer.from(words.buffer, 0, size)
}

/**
 * Size of one record batch v2 of uncompressed records without keys and headers, all of one size and one time: what a log
 * writes for a batch, and therefore what the limit writes. 61 bytes of header; a record is its length, attributes,
 * timestamp delta, offset delta, key length, value length, value, header count (varints, zig-zag).
 */
export function batchBytes(recordBytes: number, batchRecords: number): number {
  let total = 61
  for (let delta = 0; delta < batchRecords; delta++) {
    const body = 1 + 1 + zigzagBytes(delta) + 1 + zigzagBytes(recordBytes) + recordBytes + 1
    total += zigzagBytes(body) + body
  }
  return total
}

function zigzagBytes(value: number): number {
  let bytes = 1
  for (let rest = value * 2; rest >= 128; rest = Math.floor(rest / 128)) bytes++
  return bytes
}
