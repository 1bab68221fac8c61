/**
 * Why bytes or a value do not fit a schema. Thrown within a codec, where only the spot is known; each struct and array
 * on the way out adds where it was, and `Message` makes a `VarveError` of it. It never leaves this folder.
 */
export class Fault {
  readonly reason: string
  /** In the bytes that are read; undefined while writing. */
  readonly position: number | undefined
  /** Innermost last. */
  readonly path: (string | number)[] = []

  constructor(reason: string, position?: number) {
    this.reason = reason
    this.position = position
  }
}

/** What was thrown, with the field or element that it was thrown in. */
export function within(thrown: unknown, step: string | number): unknown {
  if (thrown instanceof Fault) thrown.path.unshift(step)
  return thrown
}

/** `topics[3].name`; empty for the message as a whole. */
export function pathText(path: readonly (string | number)[]): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('')
}
