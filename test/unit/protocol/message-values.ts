/** Random values of any schema, made from the schema itself. */
import fc from 'fast-check'
import type { AnyField, Fields, ScalarKind } from '../../../src/protocol/schema/field.ts'
import { includesVersion, parseVersions } from '../../../src/protocol/schema/versions.ts'

const whole = (min: number, max: number) => fc.oneof(fc.integer({ min, max }), fc.constantFrom(min, max, 0))
const safe = fc.oneof(
  fc.maxSafeInteger(),
  fc.constantFrom(-1, 0, 2 ** 31, -(2 ** 32), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
)
const buffer = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes))

const scalars: Readonly<Record<ScalarKind, fc.Arbitrary<unknown>>> = {
  boolean: fc.boolean(),
  int8: whole(-0x80, 0x7f),
  int16: whole(-0x8000, 0x7fff),
  uint16: whole(0, 0xffff),
  int32: whole(-0x8000_0000, 0x7fff_ffff),
  uint32: whole(0, 0xffff_ffff),
  int64: safe,
  id64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  varint: whole(-0x8000_0000, 0x7fff_ffff),
  varlong: safe,
  float64: fc.double(),
  uuid: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
}

function has(versions: string | undefined, version: number): boolean {
  return versions !== undefined && includesVersion(parseVersions(versions), version)
}

function fieldValue(field: AnyField, version: number): fc.Arbitrary<unknown> {
  const { type, options } = field
  const nullable = 'nullable' in options && has(options.nullable, version)
  const value = typeValue(type, version)
  const values = [value, ...(nullable ? [fc.constant(null)] : [])]
  // Defaults often: a tagged field at its default is not written.
  if (options.default !== undefined && (options.default !== null || nullable)) values.push(fc.constant(options.default))
  return fc.oneof(...values)
}

function typeValue(type: AnyField['type'], version: number): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case 'string':
      return fc.oneof(
        fc.string({ unit: 'binary', maxLength: 40 }),
        fc.constantFrom('', 'x'.repeat(127), 'y'.repeat(300)),
      )
    case 'bytes':
      return buffer
    case 'array':
      return fc.array(fieldValue(type.element, version), { maxLength: 5 })
    case 'struct':
      return structValue(type.fields, version)
    default:
      return scalars[type.kind]
  }
}

/** A value with the fields that the version has. */
export function structValue(fields: Fields, version: number): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(
    Object.fromEntries(
      Object.entries(fields)
        .filter(([, { options }]) => options.versions === undefined || has(options.versions, version))
        .map(([name, field]) => [name, fieldValue(field, version)]),
    ),
    { noNullPrototype: true },
  )
}
