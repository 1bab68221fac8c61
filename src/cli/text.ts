/** How the commands write numbers and foreign bytes for people. */

/** `1,234,567` */
export function count(value: number): string {
  return value.toLocaleString('en-US')
}

/** `3 segments`, `1 segment` */
export function countOf(value: number, noun: string, plural = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : plural}`
}

/** Decimal units, three digits. */
export function bytesText(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return unit === 0
    ? countOf(bytes, 'byte')
    : `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)} ${units[unit]}`
}

export function secondsText(seconds: number): string {
  return seconds < 1 ? `${Math.max(1, Math.round(seconds * 1000))} ms` : `${seconds.toFixed(2)} s`
}

/** Anything from a file or a path, safe for a terminal: what moves the cursor or hides text is written as an escape. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`)
}

const previewChars = 120
const decoder = new TextDecoder('utf-8', { fatal: true })

/** A key or value in one line: quoted text where it is UTF-8, else hexadecimal; cut where it is long. */
export function preview(bytes: Uint8Array | null): string {
  if (bytes === null) return 'null'
  const text = textOf(bytes)
  const more = (shown: number) => (shown < bytes.length ? ` ... (${count(bytes.length)} bytes)` : '')
  if (text === undefined) {
    const head = bytes.subarray(0, previewChars / 2)
    return `0x${Buffer.from(head).toString('hex')}${more(head.length)}`
  }
  const head = text.slice(0, previewChars)
  return `${printable(JSON.stringify(head))}${more(head === text ? bytes.length : 0)}`
}

/** The text, or undefined when the bytes are not UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** For JSON: text where it is UTF-8, else `{ base64 }`; null stays null. */
export function jsonBytes(bytes: Uint8Array | null): string | { base64: string } | null {
  if (bytes === null) return null
  return textOf(bytes) ?? { base64: Buffer.from(bytes).toString('base64') }
}

/** A half-open range of offsets, said with its last one. */
export function offsetRange(from: number, end: number): string {
  return end > from ? `offsets ${from} to ${end - 1}` : `no offsets, the next is ${end}`
}

/** ISO time where it can be one. */
export function timeText(timestamp: number): string {
  return timestamp >= 0 && timestamp <= 8.64e15 ? new Date(timestamp).toISOString() : String(timestamp)
}

/** Anything that was read, for JSON: bytes at any depth as `jsonBytes` has them. */
export function jsonValue(value: unknown): unknown {
  if (value instanceof Uint8Array) return jsonBytes(value)
  if (Array.isArray(value)) return value.map(jsonValue)
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, jsonValue(field)]))
}
