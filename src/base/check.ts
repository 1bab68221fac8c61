/**
 * Stops the program's own mistakes: on in release, one branch when all is well.
 *
 * For invariants of our code only. Bytes that come from a disk, a network or a caller are validated instead, and what
 * is wrong with them is a coded `VarveError`.
 */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`varve: broken invariant: ${message}`)
}
