import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { VarveError } from '../../../src/errors.ts'
import { allMessages, versionsOf } from './all-messages.ts'
import { structValue } from './message-values.ts'

const folder = fileURLToPath(new URL('../../../../src/protocol/', import.meta.url))

describe('every message, in every version', () => {
  it('is in the list of this test', () => {
    const defined = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !path.startsWith('schema'))
      .flatMap((path) => [...readFileSync(join(folder, path), 'utf8').matchAll(/= message\('(\w+)'/g)])
      .map((match) => match[1]!)
    assert.ok(defined.length > 40)
    assert.deepEqual(defined.sort(), allMessages.map(({ name }) => name).sort())
  })

  for (const message of allMessages) {
    for (const version of versionsOf(message)) {
      const name = `${message.name} version ${version}`

      it(`${name}: what is written is read again, and written the same`, () => {
        fc.assert(
          fc.property(structValue(message.fields, version), (value) => {
            const bytes = message.encode(value as never, version)
            const read = message.decode(bytes, version) as Record<string, unknown>
            assertHolds(read, value)
            assert.deepEqual(Object.keys(read), Object.keys(message.fields))
            assert.deepEqual(message.encode(read as never, version), bytes)
          }),
          { numRuns: 40 },
        )
      })

      it(`${name}: cut or changed bytes are read or refused, nothing else`, () => {
        fc.assert(
          fc.property(
            structValue(message.fields, version),
            fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
            fc.nat(),
            (value, changes, cut) => {
              const bytes = message.encode(value as never, version)
              for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte
              decodeHostile(message, bytes.subarray(0, bytes.length - (cut % (bytes.length + 1))), version)
              decodeHostile(message, bytes, version)
            },
          ),
          { numRuns: 40 },
        )
      })

      it(`${name}: any bytes are read or refused, nothing else`, () => {
        fc.assert(
          fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => decodeHostile(message, bytes, version)),
          { numRuns: 40 },
        )
      })
    }
  }
})

/** All of `expected` is in `read`, which has the fields of other versions too. */
function assertHolds(read: unknown, expected: unknown): void {
  if (Array.isArray(expected)) {
    assert.ok(Array.isArray(read) && read.length === expected.length)
    for (const [i, item] of expected.entries()) assertHolds(read[i], item)
  } else if (typeof expected === 'object' && expected !== null && !(expected instanceof Uint8Array)) {
    assert.ok(typeof read === 'object' && read !== null)
    for (const [name, item] of Object.entries(expected)) assertHolds((read as Record<string, unknown>)[name], item)
  } else assert.deepEqual(read, expected)
}

/** What can be read can be written and read again to the same. */
function decodeHostile(message: (typeof allMessages)[number], bytes: Uint8Array, version: number): void {
  let value: unknown
  try {
    value = message.decode(bytes, version)
  } catch (error) {
    assert.ok(error instanceof VarveError, String(error))
    assert.equal(error.code, 'VARVE_INVALID_MESSAGE')
    return
  }
  let written: Buffer
  try {
    written = message.encode(value as never, version)
  } catch (error) {
    // Bytes that are not UTF-8 become U+FFFD, which takes more of them.
    assert.match(String(error), /is too long/)
    return
  }
  assert.deepEqual(message.decode(written, version), value)
}
