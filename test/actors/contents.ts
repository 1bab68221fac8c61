/**
 * What tests write, so that every reader can judge every byte alone: a value is made from its offset and a tag, and
 * begins with the tag. Who reads (offset, value) makes it again and compares.
 */
import { BatchBuilder } from '../../src/doors/log.ts'

const tagBytes = 4

/** The value at an offset, 4 to 203 bytes. `tag`: which of several histories wrote it. */
export function valueAt(offset: number, tag: number): Buffer {
  let state = (Math.imul(offset + 1, 0x9e3779b1) ^ Math.imul(tag + 1, 0x85ebca6b)) >>> 0
  const value = Buffer.alloc(tagBytes + (state % 200))
  value.writeUInt32BE(tag)
  for (let at = tagBytes; at < value.length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    value[at] = state >>> 24
  }
  return value
}

/** The tag that a value was written with; throws unless every byte is as it was written. */
export function checkedTag(offset: number, value: Uint8Array | null): number {
  if (value === null || value.length < tagBytes) throw new Error(`offset ${offset} holds no value`)
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  const tag = bytes.readUInt32BE()
  if (!valueAt(offset, tag).equals(bytes)) throw new Error(`offset ${offset} holds other bytes than were written`)
  return tag
}

/** A batch of `count` records to be appended at `offset`. */
export function batchAt(offset: number, count: number, tag: number): BatchBuilder {
  const builder = new BatchBuilder()
  for (let i = 0; i < count; i++) builder.addKeyValue(null, valueAt(offset + i, tag))
  return builder
}

/** A small generator of random numbers that can be repeated. */
export function randomFrom(seed: number): (below: number) => number {
  let state = (seed ^ 0x2545f491) >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
