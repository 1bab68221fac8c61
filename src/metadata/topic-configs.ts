/** Settings of a topic as texts: which may be set, and what a request makes of those that are set. Pure. */
import { VarveError } from '../errors.ts'
import { logSettingName, logSettingTable, type Setting } from '../settings/log-settings.ts'
import { logSettingText, parseLogSettingTexts } from '../settings/parse-log-settings.ts'

/** One change of a request; `append` and `subtract` are for settings that hold several words. */
export interface ConfigChange {
  /** Either name of the setting. */
  readonly name: string
  readonly operation: 'set' | 'delete' | 'append' | 'subtract'
  /** Not looked at by `delete`. */
  readonly value: string | null
}

type Configs = ReadonlyMap<string, string>

/** Kafka's name of a setting; one that is not known here keeps its own. */
export function configName(name: string): string {
  const known = logSettingName(name)
  return known === undefined ? name : logSettingTable[known].kafkaName
}

/**
 * The settings that a request gives a topic, all of them.
 * @param before What is set now. A text that stays as it is passes, also of a setting that only Kafka knows.
 * @returns by Kafka's names.
 * @throws VARVE_INVALID_CONFIG, VARVE_INVALID_ARGUMENT for one that is given twice.
 */
export function replacedConfigs(before: Configs, given: Iterable<readonly [name: string, value: string]>): Configs {
  const after = new Map<string, string>()
  for (const [option, value] of given) {
    const name = configName(option)
    if (after.has(name)) throw givenTwice(option)
    if (before.get(name) !== value) checkText(option, value)
    after.set(name, value)
  }
  return after
}

/**
 * The settings after changes.
 * @throws VARVE_INVALID_CONFIG, VARVE_INVALID_ARGUMENT for a setting that is changed twice or has no value.
 */
export function changedConfigs(before: Configs, changes: readonly ConfigChange[]): Configs {
  const after = new Map(before)
  const seen = new Set<string>()
  for (const { name: option, operation, value } of changes) {
    const name = configName(option)
    if (seen.has(name)) throw givenTwice(option)
    seen.add(name)
    if (operation === 'delete') {
      after.delete(name)
      continue
    }
    if (typeof value !== 'string') {
      throw new VarveError('VARVE_INVALID_ARGUMENT', `Setting "${option}" has no value. To drop it, delete it.`, {
        details: { option },
      })
    }
    const text = operation === 'set' ? value : changedWords(option, before, operation, value)
    if (before.get(name) !== text) checkText(option, text)
    after.set(name, text)
  }
  return after
}

function changedWords(option: string, before: Configs, operation: 'append' | 'subtract', value: string): string {
  const known = logSettingName(option)
  const setting: Setting | undefined = known === undefined ? undefined : logSettingTable[known]
  if (setting?.type !== 'set') {
    throw new VarveError('VARVE_INVALID_CONFIG', `Setting "${option}" holds no list: it can be set and deleted only.`, {
      details: { option },
    })
  }
  const words = wordsOf(before.get(setting.kafkaName) ?? logSettingText(setting.default))
  const given = wordsOf(value)
  const after =
    operation === 'append' ? [...new Set([...words, ...given])] : words.filter((word) => !given.includes(word))
  return after.join(',')
}

const wordsOf = (text: string): string[] =>
  text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')

/** Those that differ, as records have them: null for one that is no longer set. By name. */
export function configDifference(before: Configs, after: Configs): [name: string, value: string | null][] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort()
  return names.filter((name) => before.get(name) !== after.get(name)).map((name) => [name, after.get(name) ?? null])
}

/**
 * Of a topic's settings those that can be acted on here, for `parseLogSettingTexts`: a Kafka may have set others, or
 * values that have no effect here, and the topic must open all the same.
 */
export function applicableConfigs(configs: Configs): Record<string, string> {
  const applicable: Record<string, string> = {}
  for (const [name, value] of configs) {
    try {
      checkText(name, value)
      applicable[name] = value
    } catch (failure) {
      if (!(failure instanceof VarveError)) throw failure
    }
  }
  return applicable
}

function checkText(option: string, value: string): void {
  if (typeof value !== 'string') {
    throw new VarveError('VARVE_INVALID_CONFIG', `Setting "${option}" must be given as a text.`, {
      details: { option },
    })
  }
  try {
    parseLogSettingTexts({ [option]: value })
  } catch (cause) {
    if (!(cause instanceof VarveError)) throw cause
    throw new VarveError('VARVE_INVALID_CONFIG', cause.message, { details: cause.details, cause })
  }
}

function givenTwice(option: string): VarveError {
  return new VarveError('VARVE_INVALID_ARGUMENT', `Setting "${option}" is named twice in one request: name it once.`, {
    details: { option },
  })
}
