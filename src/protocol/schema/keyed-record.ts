/**
 * Records whose key says what they are: those of `__consumer_offsets` and `__transaction_state`. A key begins with an
 * int16, which is its type and its version at once; a value with an int16, its version. A null value is a tombstone.
 */
import { VarveError } from '../../errors.ts'
import { ByteReader, type ReadOptions } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import type { Message, MessageInput, MessageValue } from './message.ts'

export interface KeyedKind {
  /** Its versions are the numbers that keys of this kind begin with. */
  readonly key: Message<unknown, never>
  readonly value: Message<unknown, never>
}

export type KeyedKinds = Readonly<Record<string, KeyedKind>>

/** A record as read; `type` tells the shapes of `key` and `value`. */
export type KeyedRecord<K extends KeyedKinds> = {
  [T in keyof K]: {
    readonly type: T
    readonly keyVersion: number
    readonly key: MessageValue<K[T]['key']>
  } & (
    | { readonly valueVersion: number; readonly value: MessageValue<K[T]['value']> }
    /** A tombstone: what the key names is gone. */
    | { readonly valueVersion: null; readonly value: null }
  )
}[keyof K]

export class KeyedRecords<const K extends KeyedKinds> {
  readonly kinds: K
  readonly #log: string
  /** By the number that a key begins with. */
  readonly #byKeyVersion = new Map<number, readonly [type: keyof K, kind: KeyedKind]>()

  /** @param log What the records are of, for messages. */
  constructor(log: string, kinds: K) {
    this.#log = log
    this.kinds = kinds
    for (const [type, kind] of Object.entries(kinds)) {
      const { min, max } = kind.key.versions
      for (let version = min; version <= max; version++) this.#byKeyVersion.set(version, [type, kind])
    }
  }

  /**
   * Reads a record.
   *
   * @returns undefined for a key of a type that is not known here: readers pass it by, and compaction keeps it.
   * Errors: VARVE_INVALID_MESSAGE; VARVE_UNSUPPORTED_VERSION for a value of a version that is not known.
   */
  decode(key: Uint8Array | null, value: Uint8Array | null, options: ReadOptions = {}): KeyedRecord<K> | undefined {
    if (key === null) throw this.#invalid('its key is null')
    const keyVersion = this.#version(key, 'key')
    const found = this.#byKeyVersion.get(keyVersion)
    if (found === undefined) return undefined
    const [type, kind] = found
    const valueVersion = value === null ? null : this.#version(value, 'value')
    const behind = { ...options, position: versionBytes }
    return {
      type,
      keyVersion,
      key: kind.key.decode(key, keyVersion, behind),
      valueVersion,
      value: value === null ? null : kind.value.decode(value, valueVersion!, behind),
    } as KeyedRecord<K>
  }

  /** @param keyVersion Default: the highest of the type. Errors: VARVE_UNSUPPORTED_VERSION, VARVE_INVALID_ARGUMENT. */
  encodeKey<T extends keyof K>(type: T, key: MessageInput<K[T]['key']>, keyVersion?: number): Buffer {
    const schema = this.kinds[type]!.key
    return encodeVersioned(schema, key as never, keyVersion ?? schema.versions.max)
  }

  /** Errors: VARVE_UNSUPPORTED_VERSION, VARVE_INVALID_ARGUMENT. */
  encodeValue<T extends keyof K>(type: T, value: MessageInput<K[T]['value']>, version: number): Buffer {
    return encodeVersioned(this.kinds[type]!.value, value as never, version)
  }

  #version(bytes: Uint8Array, what: string): number {
    if (bytes.byteLength < versionBytes) throw this.#invalid(`its ${what} has no version`)
    const version = new ByteReader(bytes).int16()
    if (version < 0) throw this.#invalid(`the version of its ${what} is ${version}`)
    return version
  }

  #invalid(reason: string): VarveError {
    return new VarveError('VARVE_INVALID_MESSAGE', `A record of ${this.#log} cannot be read: ${reason}.`, {
      details: { message: this.#log, reason },
    })
  }
}

const versionBytes = 2

/** An int16, the version, and the message. */
export function encodeVersioned(schema: Message<unknown, never>, value: never, version: number): Buffer {
  const writer = new ByteWriter()
  writer.int16(version)
  schema.write(writer, value, version)
  return writer.finish()
}
