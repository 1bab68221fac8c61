/**
 * From what a user passed to checked settings: names in either spelling, types, bounds.
 */
import { VarveError } from '../errors.ts'
import {
  defaultLogSettings,
  type LogSettingOptions,
  type LogSettings,
  logSettingName,
  logSettingTable,
  type Setting,
} from './log-settings.ts'
import { nearestName } from './nearest-name.ts'

/**
 * Settings from options: every one that is not given has its default (or `base`'s value). A value of `undefined` counts
 * as not given.
 *
 * @param otherNames Options that stood beside the settings and were taken out: meant, perhaps, by a mistyped one.
 *
 * Throws `VARVE_INVALID_ARGUMENT`, naming the option (`details.option`), for an unknown name (with the nearest known
 * one, if there is one), a setting that is given by both names, a wrong type, or a value out of bounds; and
 * `VARVE_UNSUPPORTED` for a value that would have no effect.
 */
export function parseLogSettings(
  options: LogSettingOptions | Readonly<Record<string, unknown>>,
  base: LogSettings = defaultLogSettings,
  otherNames: readonly string[] = [],
): LogSettings {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new VarveError('VARVE_INVALID_ARGUMENT', `Settings must be an object, not ${describe(options)}.`)
  const given = new Map<string, string>()
  const settings: Record<string, unknown> = { ...base }
  for (const [option, value] of Object.entries(options)) {
    const name = logSettingName(option)
    if (name === undefined) throw unknownSetting(option, otherNames)
    if (value === undefined) continue
    const other = given.get(name)
    if (other !== undefined) throw invalid(option, `Setting "${option}" was given as "${other}" too: pass one of them.`)
    given.set(name, option)
    settings[name] = checkValue(option, logSettingTable[name], value)
  }
  // Logs without settings of their own share one object: there may be ten thousand of them.
  return given.size === 0 ? base : (Object.freeze(settings) as LogSettings)
}

/**
 * The same from text, as topic configurations and command lines have it: `{ 'retention.ms': '1000' }`. Numbers past
 * 2^53 - 1, such as Kafka's 2^63 - 1 for "no limit", count as 2^53 - 1.
 */
export function parseLogSettingTexts(
  texts: Readonly<Record<string, string>>,
  base: LogSettings = defaultLogSettings,
): LogSettings {
  return parseLogSettings(logSettingOptions(texts), base)
}

/**
 * Options from texts, for whoever takes settings as options: `{ 'retention.ms': '1000' }` becomes
 * `{ 'retention.ms': 1000 }`. What is wrong stays a text, so that whoever checks the options refuses it.
 */
export function logSettingOptions(texts: Readonly<Record<string, string>>): LogSettingOptions {
  const options: Record<string, unknown> = {}
  for (const [option, text] of Object.entries(texts)) {
    const name = logSettingName(option)
    options[option] = name === undefined ? text : valueOfText(logSettingTable[name], text)
  }
  return options
}

/** A setting's value as text, for topic configurations and printing: `delete,compact`, `604800000`, `true`. */
export function logSettingText(value: Setting['default']): string {
  return Array.isArray(value) ? value.join(',') : String(value)
}

/** What a setting accepts, in words: `an integer from 1 to 10, or -1 (no limit)`. */
export function allowedValues(setting: Setting): string {
  switch (setting.type) {
    case 'integer': {
      const range = `an integer from ${setting.min} to ${setting.max} (${setting.unit})`
      return setting.special === undefined
        ? range
        : `${range}, or ${setting.special.value} (${setting.special.meaning})`
    }
    case 'ratio':
      return `a number from ${setting.min} to ${setting.max}`
    case 'boolean':
      return 'true or false'
    case 'choice':
      return `one of ${setting.choices.map((choice) => `"${choice}"`).join(', ')}`
    case 'set':
      return `an array of ${setting.choices.map((choice) => `"${choice}"`).join(', ')}, at least one`
  }
}

function valueOfText(setting: Setting, text: string): unknown {
  switch (setting.type) {
    case 'integer':
    case 'ratio': {
      const value = /^-?[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : undefined
      // Left as text, a wrong one is refused with the others' words.
      return value === undefined ? text : Math.min(value, Number.MAX_SAFE_INTEGER)
    }
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text
    case 'choice':
      return text
    case 'set':
      return text.split(',').map((part) => part.trim())
  }
}

/** The value, if the setting accepts it; sets without repetitions. Throws as `parseLogSettings`. */
export function checkValue(option: string, setting: Setting, value: unknown): unknown {
  if (!isAllowed(setting, value))
    throw invalid(option, `Setting "${option}" must be ${allowedValues(setting)}; it is ${describe(value)}.`)
  if (setting.withoutEffect && value !== setting.default)
    throw new VarveError(
      'VARVE_UNSUPPORTED',
      `Setting "${option}" has no effect so far, so only its default (${logSettingText(setting.default)}) is accepted.`,
      { details: { option } },
    )
  return setting.type === 'set' ? Object.freeze([...new Set(value as string[])]) : value
}

function isAllowed(setting: Setting, value: unknown): boolean {
  switch (setting.type) {
    case 'integer':
      return Number.isSafeInteger(value) && (isWithin(setting, value as number) || value === setting.special?.value)
    case 'ratio':
      return typeof value === 'number' && isWithin(setting, value)
    case 'boolean':
      return typeof value === 'boolean'
    case 'choice':
      return setting.choices.includes(value as string)
    case 'set':
      return Array.isArray(value) && value.length > 0 && value.every((choice) => setting.choices.includes(choice))
  }
}

function isWithin({ min, max }: { min: number; max: number }, value: number): boolean {
  return value >= min && value <= max
}

function unknownSetting(option: string, otherNames: readonly string[]): VarveError {
  const names = Object.entries(logSettingTable)
    .flatMap(([name, { kafkaName }]) => [name, kafkaName])
    .concat(otherNames)
  const nearest = nearestName(option, names)
  const hint = nearest === undefined ? '.' : `: did you mean "${nearest}"?`
  return invalid(option, `There is no setting "${option.slice(0, 80)}"${hint}`)
}

function invalid(option: string, message: string): VarveError {
  return new VarveError('VARVE_INVALID_ARGUMENT', message, { details: { option } })
}

/** A short picture of any value, whatever its toString does. */
function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value)
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined)
    return String(value)
  if (typeof value === 'bigint') return `${value}n`
  return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
