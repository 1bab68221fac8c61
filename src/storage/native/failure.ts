import { type ErrorCode, VarveError } from '../../errors.ts'
import type { Addon } from './addon.ts'

/** What a user can do about a failure of the system, by code. */
const advice: Partial<Record<ErrorCode, string>> = {
  VARVE_NO_SPACE: 'Free some space; appends resume by themselves.',
  VARVE_PERMISSION: 'Check the owner and mode of the folder, or run as a user who may write there.',
  VARVE_READ_ONLY: 'Open it with mode: "read", or make the file system writable.',
  VARVE_NOT_A_FOLDER: 'Name a folder, or a path that does not exist yet.',
  VARVE_TOO_MANY_FILES: 'Raise the limit of open files (ulimit -n), or open fewer logs.',
  VARVE_FORMAT_TOO_NEW: 'Open it with the newer version of varve that wrote it. Nothing was changed.',
  VARVE_CORRUPT: 'Run `npx varve verify` on the folder to see the extent of the damage.',
  VARVE_NO_MEMORY: 'The process or the system has no memory left for this.',
}

/**
 * The error behind a non-zero status that the addon has just answered.
 * @param what What was being attempted, such as 'append to /data/orders-0'.
 */
export function failureOf(addon: Addon, what: string, extraDetails: Record<string, unknown> = {}): VarveError {
  const native = addon.lastError()
  const code = native.code as ErrorCode
  const details: Record<string, unknown> = { ...extraDetails }
  if (native.path !== '') details.path = native.path
  if (native.position >= 0) details.position = native.position
  if (native.errnoName !== '') details.errno = native.errnoName
  if (native.call !== '') details.call = native.call
  const reason = [
    native.errnoName === '' ? `${native.call} failed` : `${native.call} answered ${native.errnoName}`,
    native.path === '' ? '' : `on ${native.path}`,
    native.position >= 0 ? `at byte ${native.position}` : '',
  ]
    .filter((part) => part !== '')
    .join(' ')
  const message = [`Could not ${what}: ${reason}.`, advice[code] ?? ''].filter((part) => part !== '')
  return new VarveError(code, message.join(' '), { details })
}
