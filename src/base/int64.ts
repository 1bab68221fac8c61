/**
 * 64-bit big-endian integers as numbers.
 *
 * Offsets and timestamps are safe integers in this code base: `bigint` costs 20 to 30 times more per step. These are
 * the places where 64 bits come in and go out, so these are the places that check.
 */

const twoTo32 = 0x1_0000_0000

/**
 * Reads a signed 64-bit integer. A value past the safe integers comes back as NaN, which fails every comparison that
 * a caller validates with.
 */
export function readInt64(view: DataView, position: number): number {
  const value = view.getInt32(position) * twoTo32 + view.getUint32(position + 4)
  // A whole number whatever was rounded, so its size is all that needs a look.
  return value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER ? value : Number.NaN
}

/** Writes a safe integer as a signed 64-bit one. */
export function writeInt64(view: DataView, position: number, value: number): void {
  view.setInt32(position, Math.floor(value / twoTo32))
  view.setInt32(position + 4, value | 0)
}
