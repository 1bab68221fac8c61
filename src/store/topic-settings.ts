/** Settings of topics between the three shapes that they have: what a caller passes, texts in the metadata, a description. */
import { VarveError } from '../errors.ts'
import {
  type LogSettingName,
  type LogSettingOptions,
  type LogSettings,
  logSettingName,
  logSettingTable,
} from '../settings/log-settings.ts'
import { logSettingText, parseLogSettings } from '../settings/parse-log-settings.ts'

/** A setting of a topic, its value, and who gave it that. */
export interface DescribedSetting {
  readonly name: LogSettingName
  /** As Kafka calls it. */
  readonly kafkaName: string
  readonly value: LogSettings[LogSettingName]
  /** Set for the topic, for the store, or the built-in default. */
  readonly source: 'topic' | 'store' | 'default'
  readonly doc: string
}

/** What somebody set, as texts by Kafka's names; null takes a setting back to the store's. */
export function settingTexts(options: Readonly<Record<string, unknown>>, otherNames: readonly string[]) {
  const given: Record<string, unknown> = {}
  const texts = new Map<string, string | null>()
  for (const [option, value] of Object.entries(options)) {
    const name = logSettingName(option)
    if (value === null && name !== undefined) texts.set(logSettingTable[name].kafkaName, null)
    else given[option] = value
  }
  // Checked as values, so that a wrong type is told apart from a wrong text.
  const settings = parseLogSettings(given, undefined, otherNames)
  for (const option of Object.keys(given)) {
    if (given[option] === undefined) continue
    const name = logSettingName(option)!
    const { kafkaName } = logSettingTable[name]
    if (texts.has(kafkaName)) {
      throw new VarveError('VARVE_INVALID_ARGUMENT', `Setting "${kafkaName}" is given by both of its names.`, {
        details: { option },
      })
    }
    texts.set(kafkaName, logSettingText(settings[name]))
  }
  return texts
}

/** All settings of a topic, in the order of the table. */
export function describeSettings(
  settings: LogSettings,
  ofTopic: ReadonlyMap<string, string>,
  ofStore: LogSettingOptions,
): DescribedSetting[] {
  return (Object.keys(logSettingTable) as LogSettingName[]).map((name) => {
    const { kafkaName, doc } = logSettingTable[name]
    const inStore = ofStore[name] !== undefined || (ofStore as Record<string, unknown>)[kafkaName] !== undefined
    const source = ofTopic.has(kafkaName) ? 'topic' : inStore ? 'store' : 'default'
    return { name, kafkaName, value: settings[name], source, doc }
  })
}
