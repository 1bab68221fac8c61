/** What logs and stores are opened with, checked. */
import { threadId } from 'node:worker_threads'
import { VarveError } from '../errors.ts'
import type { Backend } from '../log/open-log-in.ts'

/** @throws VARVE_INVALID_ARGUMENT. */
export function requireFolderPath(folder: unknown): asserts folder is string {
  if (typeof folder === 'string' && folder !== '' && !folder.includes('\0')) return
  throw new VarveError(
    'VARVE_INVALID_ARGUMENT',
    'The folder must be a path: a string that is not empty and holds no NUL.',
    { details: { argument: 'folder' } },
  )
}

/** Parts options into how to open and what are settings; the latter are checked by whoever knows the table. */
export function splitOptions(
  options: unknown,
  openNames: readonly string[],
): { open: Record<string, unknown>; settings: Record<string, unknown> } {
  if (typeof options !== 'object' || options === null) {
    throw new VarveError('VARVE_INVALID_ARGUMENT', 'The options must be an object.', {
      details: { argument: 'options' },
    })
  }
  const open: Record<string, unknown> = {}
  const settings: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) {
    const target = openNames.includes(name) ? open : settings
    target[name] = value
  }
  return { open, settings }
}

export function requireChoice(option: string, value: unknown, choices: readonly string[]): void {
  if (value === undefined || choices.includes(value as string)) return
  throw new VarveError(
    'VARVE_INVALID_ARGUMENT',
    `Option "${option}" must be ${choices.map((choice) => `"${choice}"`).join(' or ')}, not ${JSON.stringify(value) ?? String(value)}.`,
    { details: { option, value } },
  )
}

/** What was asked for, else what the environment says. */
export function backendOf(asked: Backend | undefined): Backend | undefined {
  requireChoice('backend', asked, ['mapped', 'pwrite'])
  const fromEnvironment = process.env.VARVE_BACKEND
  requireChoice('VARVE_BACKEND', fromEnvironment, ['mapped', 'pwrite'])
  return asked ?? (fromEnvironment as Backend | undefined)
}

/** What a second writer is told about the first. */
export function holderText(): string {
  const started = new Date(Date.now() - process.uptime() * 1000).toISOString()
  return `process ${process.pid} (${process.title}, started ${started}${threadId === 0 ? '' : `, worker thread ${threadId}`})`
}

/** For a path where a folder was expected. */
export function notAFolder(path: string): VarveError {
  return new VarveError('VARVE_NOT_A_FOLDER', `${path} is a file. Name a folder, or a path that does not exist yet.`, {
    details: { path },
  })
}
