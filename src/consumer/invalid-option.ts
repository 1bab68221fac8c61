import { VarveError } from '../errors.ts'

/** What whoever passed an option of a reader or consumer is told. @param wanted In words: 'an integer from 1 on'. */
export function invalidOption(option: string, wanted: string, value: unknown): VarveError {
  const shown = typeof value === 'object' ? JSON.stringify(value) : String(value)
  return new VarveError('VARVE_INVALID_ARGUMENT', `Option "${option}" must be ${wanted}, not ${shown}.`, {
    details: { option, value },
  })
}
