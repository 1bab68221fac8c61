/**
 * "Did you mean": the known name that is nearest to a mistyped one.
 */

/** Longer input is no typing mistake, and the comparison costs its length times each name's. */
const comparedMax = 64

/**
 * The nearest of `names`, by letters inserted, left out, replaced or swapped; undefined when none is near: at most a
 * third of the longer name may differ. Upper case, dots, dashes and underscores do not count.
 */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  if (name.length > comparedMax) return undefined
  const plain = plainName(name)
  let nearest: string | undefined
  let least = Number.POSITIVE_INFINITY
  for (const candidate of names) {
    const other = plainName(candidate)
    const distance = editDistance(plain, other)
    if (distance < least && distance * 3 <= Math.max(plain.length, other.length)) {
      least = distance
      nearest = candidate
    }
  }
  return nearest
}

function plainName(name: string): string {
  return name.toLowerCase().replaceAll(/[._-]/g, '')
}

/** Edits that turn `a` into `b`, a swap of two neighbours being one (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row[j] = Math.min(replaced, last[j]! + 1, row[j - 1]! + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j]!, beforeLast[j - 2]! + 1)
    }
    beforeLast = last
    last = row
  }
  return last[b.length]!
}
