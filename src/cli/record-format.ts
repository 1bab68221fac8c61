/** `--format` of `varve consume`: a text with places for the parts of a record, as kcat has them. */
import type { ConsumedRecord } from '../index.ts'
import { UsageError } from './command.ts'

type Part = Buffer | ((record: ConsumedRecord) => Buffer)

const nothing = Buffer.alloc(0)
const text = (value: unknown): Buffer => Buffer.from(String(value))
const bytes = (value: Buffer | null): Buffer => value ?? nothing
/** A null has the length -1, as with kcat: so it is told apart from an empty one. */
const length = (value: Buffer | null): Buffer => text(value === null ? -1 : value.length)

const places: Readonly<Record<string, (record: ConsumedRecord) => Buffer>> = {
  t: ({ topic }) => text(topic),
  p: ({ partition }) => text(partition),
  o: ({ offset }) => text(offset),
  k: ({ key }) => bytes(key),
  s: ({ value }) => bytes(value),
  h: ({ headers }) => text(headers.map(([name, value]) => `${name}=${value?.toString() ?? 'NULL'}`).join(',')),
  T: ({ timestamp }) => text(timestamp),
  K: ({ key }) => length(key),
  S: ({ value }) => length(value),
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', 0: '\0', '\\': '\\' }

/** @throws UsageError for a place or an escape that is none. */
export function formatter(format: string): (record: ConsumedRecord) => Buffer {
  const parts: Part[] = []
  let literal = ''
  for (let at = 0; at < format.length; at++) {
    const char = format[at]!
    if (char !== '%' && char !== '\\') {
      literal += char
      continue
    }
    at++
    const name = format[at] ?? ''
    const escaped = char === '\\' ? escapes[name] : name === '%' ? '%' : undefined
    if (escaped !== undefined) {
      literal += escaped
      continue
    }
    const place = char === '%' && Object.hasOwn(places, name) ? places[name] : undefined
    if (place === undefined) throw new UsageError(`--format has no '${char}${name}'; see --help`)
    if (literal !== '') parts.push(Buffer.from(literal))
    literal = ''
    parts.push(place)
  }
  if (literal !== '') parts.push(Buffer.from(literal))
  return (record) => Buffer.concat(parts.map((part) => (Buffer.isBuffer(part) ? part : part(record))))
}
