/** From what a user passed to checked settings of the group coordinator: names in either spelling, types, bounds. */
import { VarveError } from '../errors.ts'
import {
  defaultGroupSettings,
  type GroupSettingName,
  type GroupSettingOptions,
  type GroupSettings,
  groupSettingTable,
} from './group-settings.ts'
import { nearestName } from './nearest-name.ts'
import { checkValue } from './parse-log-settings.ts'

/**
 * Settings from options: every one that is not given has its default. A value of `undefined` counts as not given.
 *
 * Throws `VARVE_INVALID_ARGUMENT`, naming the option (`details.option`), for an unknown name (with the nearest known
 * one, if there is one), a setting that is given by both names, a wrong type, a value out of bounds, and a shortest
 * session timeout above the longest.
 */
export function parseGroupSettings(options: GroupSettingOptions | Readonly<Record<string, unknown>>): GroupSettings {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new VarveError('VARVE_INVALID_ARGUMENT', 'Settings of groups must be an object.')
  const given = new Map<GroupSettingName, string>()
  const settings: Record<GroupSettingName, number> = { ...defaultGroupSettings }
  for (const [option, value] of Object.entries(options)) {
    const name = groupSettingName(option)
    if (name === undefined) throw unknownSetting(option)
    if (value === undefined) continue
    const other = given.get(name)
    if (other !== undefined) throw invalid(option, `Setting "${option}" was given as "${other}" too: pass one of them.`)
    given.set(name, option)
    settings[name] = checkValue(option, groupSettingTable[name], value) as number
  }
  const { groupMinSessionTimeoutMs: least, groupMaxSessionTimeoutMs: most } = settings
  if (least > most) {
    const option = given.get('groupMinSessionTimeoutMs') ?? given.get('groupMaxSessionTimeoutMs')!
    throw invalid(option, `The shortest session timeout (${least} ms) is above the longest (${most} ms).`)
  }
  return Object.freeze(settings)
}

/** Our name of a setting given by either name; undefined when there is none such. */
export function groupSettingName(name: string): GroupSettingName | undefined {
  const names = Object.keys(groupSettingTable) as GroupSettingName[]
  return names.find((own) => own === name || groupSettingTable[own].kafkaName === name)
}

function unknownSetting(option: string): VarveError {
  const names = Object.entries(groupSettingTable).flatMap(([name, { kafkaName }]) => [name, kafkaName])
  const nearest = nearestName(option, names)
  const hint = nearest === undefined ? '.' : `: did you mean "${nearest}"?`
  return invalid(option, `There is no setting "${option.slice(0, 80)}" of groups${hint}`)
}

function invalid(option: string, message: string): VarveError {
  return new VarveError('VARVE_INVALID_ARGUMENT', message, { details: { option } })
}
