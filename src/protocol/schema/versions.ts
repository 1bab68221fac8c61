/** Versions of a message: '2' is that one, '1-3' from 1 to 3, '3+' from 3 on. */
export type Versions = `${number}` | `${number}-${number}` | `${number}+`

/** Both ends inclusive; `max` is Infinity where the range is open. */
export interface VersionRange {
  readonly min: number
  readonly max: number
}

export function parseVersions(text: string): VersionRange {
  const match = /^(\d+)(?:(\+)|-(\d+))?$/.exec(text)
  const min = Number(match?.[1])
  const max = match?.[2] === '+' ? Number.POSITIVE_INFINITY : Number(match?.[3] ?? min)
  // The text stands in a schema of ours: a mistake there is a mistake of the program.
  if (match === null || max < min) throw new Error(`varve: '${text}' is no range of versions`)
  return { min, max }
}

export function includesVersion(range: VersionRange, version: number): boolean {
  return version >= range.min && version <= range.max
}
