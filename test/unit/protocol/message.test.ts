import assert from 'node:assert/strict'
import type { ErrorCode } from '../../../src/errors.ts'
import { VarveError } from '../../../src/errors.ts'
import {
  array,
  boolean,
  bytes,
  float64,
  id64,
  int8,
  int16,
  int32,
  int64,
  nilUuid,
  string,
  struct,
  uint16,
  uint32,
  uuid,
  varint,
  varlong,
} from '../../../src/protocol/schema/field.ts'
import { type MessageInput, type MessageValue, message } from '../../../src/protocol/schema/message.ts'

function fails(action: () => unknown, code: ErrorCode, details: Record<string, unknown>): void {
  assert.throws(action, (error) => {
    assert.ok(error instanceof VarveError, String(error))
    assert.equal(error.code, code)
    assert.deepEqual(Object.fromEntries(Object.keys(details).map((name) => [name, error.details[name]])), details)
    return true
  })
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

const sample = message('Sample', {
  versions: '1-3',
  flexible: '3+',
  fields: {
    id: int32(),
    name: string({ nullable: '2+' }),
    note: string({ versions: '2+', default: 'none' }),
    items: array(struct({ key: int8(), tags: array(string(), { versions: '3+' }) })),
    hint: string({ versions: '3+', nullable: '3+', default: null, tag: 1 }),
    level: int16({ versions: '3+', default: 7, tag: 0 }),
  },
})

describe('bytes of a message', () => {
  it('are those of its fields in order, with fixed lengths in versions that are not flexible', () => {
    const bytes = sample.encode({ id: 1, name: 'ab', items: [{ key: 5 }, { key: -1 }] }, 1)
    assert.deepEqual(bytes, hex('00000001 0002 6162 00000002 05 ff'))
    assert.deepEqual(sample.decode(bytes, 1), {
      id: 1,
      name: 'ab',
      note: 'none',
      items: [
        { key: 5, tags: [] },
        { key: -1, tags: [] },
      ],
      hint: null,
      level: 7,
    })
  })

  it('have null as length -1', () => {
    const bytes = sample.encode({ id: 1, name: null, note: '', items: [] }, 2)
    assert.deepEqual(bytes, hex('00000001 ffff 0000 00000000'))
    assert.equal(sample.decode(bytes, 2).name, null)
  })

  it('have compact lengths and tagged fields, rising by tag, in flexible versions', () => {
    const value = { id: 1, name: 'ab', items: [{ key: 5, tags: ['x'] }], hint: '', level: 8 }
    const bytes = sample.encode(value, 3)
    assert.deepEqual(bytes, hex('00000001 03 6162 05 6e6f6e65 02 05 02 02 78 00 02 00 02 0008 01 01 01'))
    assert.deepEqual(sample.decode(bytes, 3), { ...value, note: 'none' })
  })

  it('have no tagged field that is at its default', () => {
    const bytes = sample.encode({ id: 1, name: null, note: '', items: [], hint: null, level: 7 }, 3)
    assert.deepEqual(bytes, hex('00000001 00 01 01 00'))
  })

  it('have the size of a long tagged field in more than one byte', () => {
    for (const length of [124, 125, 126, 127, 128, 200, 16_380, 16_383, 16_384, 32_767]) {
      const value = { id: 1, name: null, items: [], hint: 'h'.repeat(length), level: 9 }
      const bytes = sample.encode(value, 3)
      assert.equal(sample.decode(bytes, 3).hint, value.hint)
    }
  })

  it('hold every kind of number at its ends', () => {
    const numbers = message('Numbers', {
      versions: '0',
      flexible: 'never',
      fields: {
        boolean: boolean(),
        int8: int8(),
        int16: int16(),
        uint16: uint16(),
        int32: int32(),
        uint32: uint32(),
        int64: int64(),
        id64: id64(),
        varint: varint(),
        varlong: varlong(),
        float64: float64(),
        uuid: uuid(),
        bytes: bytes(),
      },
    })
    const low = {
      boolean: false,
      int8: -128,
      int16: -32768,
      uint16: 0,
      int32: -(2 ** 31),
      uint32: 0,
      int64: Number.MIN_SAFE_INTEGER,
      id64: -(2n ** 63n),
      varint: -(2 ** 31),
      varlong: Number.MIN_SAFE_INTEGER,
      float64: Number.NEGATIVE_INFINITY,
      uuid: nilUuid,
      bytes: Buffer.alloc(0),
    }
    const high = {
      boolean: true,
      int8: 127,
      int16: 32767,
      uint16: 65535,
      int32: 2 ** 31 - 1,
      uint32: 2 ** 32 - 1,
      int64: Number.MAX_SAFE_INTEGER,
      id64: 2n ** 63n - 1n,
      varint: 2 ** 31 - 1,
      varlong: Number.MAX_SAFE_INTEGER,
      float64: 0.1,
      uuid: '_____________________w',
      bytes: Buffer.from('ff', 'hex'),
    }
    for (const value of [low, high]) assert.deepEqual(numbers.decode(numbers.encode(value, 0), 0), value)
    assert.equal(numbers.encode(low, 0).subarray(0, 4).toString('hex'), '00808000')
    for (const [name, wrong] of Object.entries({
      int8: 128,
      uint16: -1,
      uint32: 2 ** 32,
      int64: 2 ** 53,
      varint: 0.5,
    })) {
      fails(() => numbers.encode({ ...low, [name]: wrong }, 0), 'VARVE_INVALID_ARGUMENT', { path: name })
    }
    for (const [name, wrong] of Object.entries({ boolean: 1, id64: 1, uuid: `${'A'.repeat(21)}B`, bytes: 'text' })) {
      fails(() => numbers.encode({ ...low, [name]: wrong } as never, 0), 'VARVE_INVALID_ARGUMENT', { path: name })
    }
  })
})

describe('a struct that may be null', () => {
  const holder = message('Holder', {
    versions: '0',
    flexible: '0+',
    fields: {
      plain: struct({ a: int8() }, { nullable: '0+' }),
      tagged: struct({ b: int8({ default: 0 }) }, { nullable: '0+', tag: 0 }),
      whole: struct({ c: int8({ default: 3 }) }, { tag: 1 }),
    },
  })
  it('has a byte before it: 1 or -1, in a tagged field 1 or 0', () => {
    const some = { plain: { a: 7 }, tagged: { b: 9 }, whole: { c: 3 } }
    assert.deepEqual(holder.encode(some, 0), hex('01 07 00 01 00 03 01 09 00'))
    assert.deepEqual(holder.decode(holder.encode(some, 0), 0), some)
    const none = { plain: null, tagged: null, whole: { c: 4 } }
    assert.deepEqual(holder.encode(none, 0), hex('ff 02 00 01 00 01 02 04 00'))
    assert.deepEqual(holder.decode(holder.encode(none, 0), 0), none)
  })
})

describe('tagged fields that the schema does not know', () => {
  const bytes = hex('00000001 00 01 01 03 00 02 0008 04 03 616263 7f 00')

  it('are kept, and written again between those that it knows', () => {
    const value = sample.decode(bytes, 3)
    assert.deepEqual(value.unknownTags, [
      { tag: 4, bytes: Buffer.from('abc') },
      { tag: 127, bytes: Buffer.alloc(0) },
    ])
    assert.deepEqual(
      sample.encode({ ...value, hint: 'x' }, 3),
      hex('00000001 00 01 01 04 00 02 0008 01 02 02 78 04 03 616263 7f 00'),
    )
  })

  it('are passed by on request', () => {
    const value = sample.decode(bytes, 3, { unknownTags: 'skip' })
    assert.equal('unknownTags' in value, false)
    assert.equal(value.level, 8)
  })

  it('are refused when they do not rise, are cut off, or stand for one that is known', () => {
    fails(() => sample.decode(hex('00000001 00 01 01 02 04 00 04 00'), 3), 'VARVE_INVALID_MESSAGE', { position: 10 })
    fails(() => sample.decode(hex('00000001 00 01 01 01 04 05 00'), 3), 'VARVE_INVALID_MESSAGE', { position: 10 })
    fails(() => sample.decode(hex('00000001 00 01 01 01 00 03 000800'), 3), 'VARVE_INVALID_MESSAGE', { path: 'level' })
    fails(() => sample.decode(hex('00000001 00 01 01 01 00 01 00 08'), 3), 'VARVE_INVALID_MESSAGE', { path: 'level' })
    const value = { id: 1, name: null, items: [], unknownTags: [{ tag: 1, bytes: Buffer.alloc(0) }] }
    fails(() => sample.encode(value, 3), 'VARVE_INVALID_ARGUMENT', { reason: 'tag 1 is that of a known field' })
  })
})

describe('what is refused', () => {
  it('a version that is not known, with those that are', () => {
    for (const version of [0, 4, -1, 1.5, Number.NaN]) {
      fails(() => sample.decode(Buffer.alloc(9), version), 'VARVE_UNSUPPORTED_VERSION', { version, min: 1, max: 3 })
      fails(() => sample.encode({ id: 1, name: '', items: [] }, version), 'VARVE_UNSUPPORTED_VERSION', { version })
    }
  })

  it('bytes that are cut off, with the field and the position', () => {
    const whole = hex('00000001 0002 6162 00000002 05 ff')
    const details = (path: string, position: number) => ({ message: 'Sample', version: 1, path, position })
    fails(() => sample.decode(whole.subarray(0, 3), 1), 'VARVE_INVALID_MESSAGE', details('id', 0))
    fails(() => sample.decode(whole.subarray(0, 7), 1), 'VARVE_INVALID_MESSAGE', details('name', 6))
    fails(() => sample.decode(whole.subarray(0, 13), 1), 'VARVE_INVALID_MESSAGE', details('items', 8))
    const nested = hex('00000001 00 01 02 05 02 03 78')
    fails(() => sample.decode(nested, 3), 'VARVE_INVALID_MESSAGE', { path: 'items[0].tags[0]', position: 10 })
  })

  it('bytes that are left over', () => {
    const bytes = hex('00000001 0000 00000000 00')
    fails(() => sample.decode(bytes, 1), 'VARVE_INVALID_MESSAGE', { path: '', position: 10 })
    assert.equal(sample.decode(bytes, 1, { trailing: true }).id, 1)
  })

  it('null where the version has none', () => {
    fails(() => sample.decode(hex('00000001 ffff 00000000'), 1), 'VARVE_INVALID_MESSAGE', { path: 'name' })
    fails(() => sample.decode(hex('00000001 0000 ffffffff'), 1), 'VARVE_INVALID_MESSAGE', { path: 'items' })
    fails(() => sample.encode({ id: 1, name: null, items: [] }, 1), 'VARVE_INVALID_ARGUMENT', { path: 'name' })
  })

  it('a length below -1', () => {
    fails(() => sample.decode(hex('00000001 8000'), 1), 'VARVE_INVALID_MESSAGE', {
      path: 'name',
      reason: 'its length is -32768',
    })
  })

  it('an array that its bytes cannot hold, before any of it is read', () => {
    fails(() => sample.decode(hex('00000001 0000 7fffffff 01'), 1), 'VARVE_INVALID_MESSAGE', { path: 'items' })
    fails(() => sample.decode(hex('00000001 00 01 ffffffff07'), 3), 'VARVE_INVALID_MESSAGE', { path: 'items' })
  })

  it('more elements than is allowed, all arrays of a message together', () => {
    const bytes = sample.encode(
      {
        id: 1,
        name: '',
        items: [
          { key: 1, tags: ['', ''] },
          { key: 2, tags: ['', ''] },
        ],
      },
      3,
    )
    assert.equal(sample.decode(bytes, 3, { maxElements: 6 }).items.length, 2)
    fails(() => sample.decode(bytes, 3, { maxElements: 5 }), 'VARVE_INVALID_MESSAGE', { path: 'items[1].tags' })
  })

  it('an array of structs without fields, which would let any length pass', () => {
    const hollow = message('Hollow', { versions: '0', flexible: 'never', fields: { items: array(struct({})) } })
    fails(() => hollow.decode(hex('00100000'), 0), 'VARVE_INVALID_MESSAGE', { path: 'items' })
  })

  it('a number of variable length that is too long', () => {
    for (const length of ['8080808080 00', 'ffffffff08', 'ffffffffff']) {
      fails(() => sample.decode(hex(`00000001 ${length}`), 3), 'VARVE_INVALID_MESSAGE', { path: 'name', position: 4 })
    }
  })

  it('a 64-bit number past the safe integers', () => {
    const one = message('One', { versions: '0', flexible: 'never', fields: { offset: int64() } })
    assert.equal(one.decode(hex('001fffffffffffff'), 0).offset, Number.MAX_SAFE_INTEGER)
    for (const bytes of ['0020000000000000', '7fffffffffffffff', '8000000000000000']) {
      fails(() => one.decode(hex(bytes), 0), 'VARVE_INVALID_MESSAGE', { path: 'offset', position: 0 })
    }
  })

  it('a string of more than 32,767 bytes, written or read', () => {
    const value = { id: 1, name: '\u00e9'.repeat(16_384), items: [] }
    fails(() => sample.encode(value, 3), 'VARVE_INVALID_ARGUMENT', { path: 'name' })
    const bytes = Buffer.concat([hex('00000001 818002'), Buffer.alloc(40_000)])
    fails(() => sample.decode(bytes, 3), 'VARVE_INVALID_MESSAGE', { path: 'name' })
  })

  it('a field that is missing or wrong, with its path', () => {
    const encode = (value: unknown, version = 3) => sample.encode(value as MessageInput<typeof sample>, version)
    fails(() => encode({ id: 1, name: '' }), 'VARVE_INVALID_ARGUMENT', { path: 'items' })
    fails(() => encode({ id: 1, name: '', items: [{ key: 1, tags: ['a', 5] }] }), 'VARVE_INVALID_ARGUMENT', {
      path: 'items[0].tags[1]',
    })
    fails(() => encode(null), 'VARVE_INVALID_ARGUMENT', { path: '' })
    fails(() => encode({ id: 1, name: '', items: [null] }), 'VARVE_INVALID_ARGUMENT', { path: 'items[0]' })
    fails(() => encode({ id: 1, name: '', items: [], level: 2 ** 20 }), 'VARVE_INVALID_ARGUMENT', { path: 'level' })
  })
})

describe('a field that a version does not have', () => {
  const guarded = message('Guarded', {
    versions: '0-1',
    flexible: 'never',
    fields: { id: int8(), note: string({ versions: '1+' }), instance: string({ versions: '1+', essential: true }) },
  })
  it('is not written', () => {
    assert.deepEqual(guarded.encode({ id: 1, note: 'lost' }, 0), hex('01'))
  })
  it('is refused if it is essential and not at its default', () => {
    assert.deepEqual(guarded.encode({ id: 1, instance: '' }, 0), hex('01'))
    fails(() => guarded.encode({ id: 1, instance: 'a' }, 0), 'VARVE_INVALID_ARGUMENT', { path: 'instance' })
  })
})

describe('the types of a message', () => {
  it('come from its schema', () => {
    const read: MessageValue<typeof sample> = sample.decode(hex('00000001 0000 00000000'), 1)
    const name: string | null = read.name
    const note: string = read.note
    const tags: readonly string[] | undefined = read.items[0]?.tags
    assert.deepEqual([name, note, tags], ['', 'none', undefined])
    const input: MessageInput<typeof sample> = { id: 1, name: null, items: [] }
    // @ts-expect-error a field without a default is missing
    const missing: MessageInput<typeof sample> = { id: 1, items: [] }
    // @ts-expect-error a field has another name
    const misnamed: MessageInput<typeof sample> = { id: 1, name: null, items: [], hints: '' }
    // @ts-expect-error a field has another type
    const mistyped: MessageInput<typeof sample> = { id: '1', name: null, items: [] }
    // @ts-expect-error note is never null
    const nulled: MessageInput<typeof sample> = { id: 1, name: null, items: [], note: null }
    assert.equal(new Set([input, missing, misnamed, mistyped, nulled]).size, 5)
  })
})
