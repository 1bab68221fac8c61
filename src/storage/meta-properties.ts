/**
 * `meta.properties`: which node and cluster a data folder belongs to. A Java properties file, version 1. Pure.
 */
import { VarveError } from '../errors.ts'

export const metaPropertiesName = 'meta.properties'

export interface MetaProperties {
  nodeId: number
  clusterId: string
  /** 22 base64url characters; folders of before Kafka 3.7 have none. */
  directoryId: string | undefined
}

/** @param nowMs Wall time, for the date line that Java writes. */
export function encodeMetaProperties(properties: MetaProperties, nowMs: number): string {
  const lines = ['#', `#${javaDate(nowMs)}`, `node.id=${properties.nodeId}`]
  if (properties.directoryId !== undefined) lines.push(`directory.id=${escapeValue(properties.directoryId)}`)
  lines.push('version=1', `cluster.id=${escapeValue(properties.clusterId)}`)
  return `${lines.join('\n')}\n`
}

/** Unknown properties are let through, since Kafka adds some. Throws `VARVE_CORRUPT` for a missing or wrong one of ours. */
export function decodeMetaProperties(text: string): MetaProperties {
  const properties = parseProperties(text)
  const version = properties.get('version')
  if (version !== '1') throw corrupt(`version is ${version}, not 1`)
  const nodeId = properties.get('node.id') ?? ''
  if (!/^(0|[1-9][0-9]{0,9})$/.test(nodeId) || Number(nodeId) > 0x7fff_ffff) throw corrupt(`node.id is "${nodeId}"`)
  const clusterId = properties.get('cluster.id')
  if (clusterId === undefined || clusterId === '') throw corrupt('cluster.id is missing')
  return { nodeId: Number(nodeId), clusterId, directoryId: properties.get('directory.id') }
}

/** Lines `key=value` or `key:value`, with `#` and `!` comments and backslash escapes. Continued lines are not written here. */
function parseProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const trimmed = line.trimStart()
    if (trimmed === '' || trimmed.startsWith('#') || trimmed.startsWith('!')) continue
    const match = /^((?:\\.|[^\\=: \t])+)[ \t]*[=: \t][ \t]*(.*)$/.exec(trimmed)
    if (match === null) throw corrupt(`"${line}" is no property`)
    const key = unescapeText(match[1]!)
    if (properties.has(key)) throw corrupt(`${key} stands there twice`)
    properties.set(key, unescapeText(match[2]!))
  }
  return properties
}

function unescapeText(text: string): string {
  const letters: Record<string, string> = { t: '\t', n: '\n', r: '\r', f: '\f' }
  return text.replaceAll(/\\(u[0-9a-fA-F]{4}|.)/g, (_, escaped: string) =>
    escaped.length === 5 ? String.fromCharCode(Number.parseInt(escaped.slice(1), 16)) : (letters[escaped] ?? escaped),
  )
}

function escapeValue(text: string): string {
  return text.replaceAll(/[\\=:#!]/g, (character) => `\\${character}`)
}

/** `Sun Nov 22 07:53:53 UTC 2026` */
function javaDate(ms: number): string {
  const [weekday, day, month, year, time] = new Date(ms).toUTCString().replace(',', '').split(' ')
  return `${weekday} ${month} ${day} ${time} UTC ${year}`
}

function corrupt(reason: string): VarveError {
  return new VarveError('VARVE_CORRUPT', `${metaPropertiesName} cannot be used: ${reason}.`)
}
