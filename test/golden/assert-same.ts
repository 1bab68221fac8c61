import assert from 'node:assert/strict'

/** Every field that Kafka's JSON has, with its name and value. Bytes are base64 there. */
export function assertSame(actual: unknown, expected: unknown, path: string): void {
  if (actual instanceof Uint8Array) assert.equal(Buffer.from(actual).toString('base64'), expected, path)
  else if (typeof actual === 'bigint') assert.equal(Number(actual), expected, path)
  else if (Array.isArray(expected)) {
    assert.ok(Array.isArray(actual), path)
    assert.equal(actual.length, expected.length, path)
    for (const [i, item] of expected.entries()) assertSame(actual[i], item, `${path}[${i}]`)
  } else if (typeof expected === 'object' && expected !== null) {
    assert.ok(typeof actual === 'object' && actual !== null, path)
    const fields = actual as Record<string, unknown>
    for (const [name, item] of Object.entries(expected)) {
      assert.ok(name in fields, `${path}.${name} is not read`)
      assertSame(fields[name], item, `${path}.${name}`)
    }
  } else assert.equal(actual, expected, path)
}
