import { VarveError } from '../errors.ts'
import { nearestName } from './nearest-name.ts'

/**
 * Refuses an options object that is none, or that has a name which nothing would look at.
 *
 * Errors: VARVE_INVALID_ARGUMENT, naming the option and, where close, the one that was meant.
 */
export function requireKnownOptions(options: unknown, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new VarveError('VARVE_INVALID_ARGUMENT', 'The options must be an object.', {
      details: { argument: 'options' },
    })
  }
  for (const option of Object.keys(options)) {
    if (names.includes(option)) continue
    const nearest = nearestName(option, names)
    const hint = nearest === undefined ? `; there are ${names.join(', ')}.` : `: did you mean "${nearest}"?`
    throw new VarveError('VARVE_INVALID_ARGUMENT', `There is no option "${option.slice(0, 80)}"${hint}`, {
      details: { option },
    })
  }
}
