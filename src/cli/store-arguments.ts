/** Arguments that the commands of a store share. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { logSettingOptions, open, type Store, VarveError } from '../index.ts'
import { UsageError } from './command.ts'
import { printable } from './text.ts'

/** Where a store is when nobody says: what `open('./data')` of the first example makes. */
export const defaultDataFolder = './data'

/** A line of every command's help. */
export const dataHelp = `  --data FOLDER        the store's folder (default ${defaultDataFolder})`

type Values = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>

/**
 * Opens the store that `--data` names, runs, and closes it whatever happened.
 * @param make A folder without a store gets one; else it is an error, so that a mistyped name leaves nothing behind.
 */
export async function withStore(
  values: Values,
  { make }: { readonly make: boolean },
  run: (store: Store) => Promise<number>,
): Promise<number> {
  const data = typeof values.data === 'string' ? values.data : defaultDataFolder
  if (!make && !existsSync(join(data, 'meta.properties'))) {
    throw new VarveError(
      'VARVE_NOT_FOUND',
      `There is no store in ${printable(data)}. \`varve topic create\` makes one, --data names another folder.`,
      { details: { path: data } },
    )
  }
  const store = await open(data)
  try {
    return await run(store)
  } finally {
    await store.close()
  }
}

/** Of `--set name=value`, any number of times. @throws UsageError */
export function settingsOf(values: Values): Record<string, unknown> {
  const texts: Record<string, string> = {}
  for (const given of listOf(values.set)) {
    const cut = given.indexOf('=')
    if (cut < 1) throw new UsageError(`--set takes name=value, not '${given}'`)
    texts[given.slice(0, cut)] = given.slice(cut + 1)
  }
  return { ...logSettingOptions(texts) }
}

/** What an option that may be repeated was given. */
export function listOf(value: Values[string]): string[] {
  return Array.isArray(value) ? value.map(String) : value === undefined ? [] : [String(value)]
}
