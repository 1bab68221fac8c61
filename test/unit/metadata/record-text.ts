/** Metadata records as short text for golden scripts, and ids that are one letter there. */
import type { MetadataRecord, MetadataRecordInput } from '../../../src/protocol/metadata-log/metadata-records.ts'

/** `B` is the id `BBBBBBBBBBBBBBBBBBBBBA`: 22 characters, the last of which has two bits only. */
export const idOf = (letter: string): string => `${letter.repeat(21)}A`
export const letterOf = (id: string): string => id[0]!

/** Fields that say nothing when they have these values. */
const silent: Readonly<Record<string, unknown>> = { rack: null, isMigratingZkBroker: false }

export function recordText({ type, version, value }: MetadataRecord | MetadataRecordInput): string {
  const fields = Object.entries(value)
    .filter(([name, field]) => !(name in silent && silent[name] === field) && field !== null && field !== undefined)
    .filter(([name, field]) => !(name === 'features' || (name === 'endPoints' && (field as unknown[]).length === 0)))
    .map(([name, field]) => `${name}=${fieldText(name, field)}`)
  const shortType = type.replace(/Record$/, '')
  return `${shortType}${version === 0 ? '' : ` v${version}`} ${fields.join(' ')}`.trimEnd()
}

function fieldText(name: string, field: unknown): string {
  if (typeof field === 'string') return /Id$/.test(name) && field.length === 22 ? letterOf(field) : field
  if (Array.isArray(field)) {
    const words = field.map((one) =>
      typeof one === 'string' && one.length === 22 ? letterOf(one) : fieldText('', one),
    )
    return `[${words.join(',')}]`
  }
  if (typeof field === 'object' && field !== null) {
    return `{${Object.entries(field)
      .map(([key, one]) => `${key}=${fieldText(key, one)}`)
      .join(' ')}}`
  }
  return String(field)
}
