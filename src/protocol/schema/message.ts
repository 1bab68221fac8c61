import { VarveError } from '../../errors.ts'
import { ByteReader, type ReadOptions } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import type { Codec } from './codec.ts'
import { Fault, pathText } from './fault.ts'
import type { Fields, InputOf, ValueOf } from './field.ts'
import { structCodec } from './struct-codec.ts'
import { includesVersion, parseVersions, type VersionRange, type Versions } from './versions.ts'

export interface MessageDefinition<F extends Fields> {
  /** Those that can be read and written. */
  readonly versions: Versions
  /** Those with compact lengths and tagged fields. */
  readonly flexible: Versions | 'never'
  /** In the order of the wire. */
  readonly fields: F
}

export interface DecodeOptions extends ReadOptions {
  /** Let bytes behind the message be, instead of refusing them. Default false. */
  readonly trailing?: boolean
}

/** What a `Message` reads, and what it writes: `MessageValue<typeof topicRecord>`. */
export type MessageValue<M> = M extends Message<infer Value, never> ? Value : never
export type MessageInput<M> = M extends Message<unknown, infer Input> ? Input : never

/** Defines a message or record in all its versions. README.md of `src/protocol/` has an example. */
export function message<const F extends Fields>(
  name: string,
  definition: MessageDefinition<F>,
): Message<ValueOf<F>, InputOf<F>> {
  return new Message(name, definition)
}

/**
 * A message or record in all its versions: its schema and what reads and writes it. Immutable, made at load; the codec
 * of a version is made when that version is first used.
 */
export class Message<Value, Input> {
  readonly name: string
  readonly versions: VersionRange
  /** As it was defined, for tests and pages that walk all schemas. */
  readonly fields: Fields
  readonly #flexible: VersionRange | undefined
  readonly #codecs: Codec[] = []

  constructor(name: string, definition: MessageDefinition<Fields>) {
    this.name = name
    this.versions = parseVersions(definition.versions)
    this.#flexible = definition.flexible === 'never' ? undefined : parseVersions(definition.flexible)
    this.fields = definition.fields
  }

  isFlexible(version: number): boolean {
    return this.#flexible !== undefined && includesVersion(this.#flexible, version)
  }

  /**
   * The message in `bytes`, all of which it must take.
   *
   * Errors: VARVE_UNSUPPORTED_VERSION; VARVE_INVALID_MESSAGE with `details { message, version, path, position,
   * reason }`.
   * Cost: an object for each struct; bytes fields are slices of `bytes`, which must not change while they are used.
   */
  decode(bytes: Uint8Array, version: number, options: DecodeOptions = {}): Value {
    const reader = new ByteReader(bytes, options)
    const value = this.read(reader, version)
    if (options.trailing !== true && reader.position !== reader.end) {
      const reason = `${reader.end - reader.position} bytes are left over`
      throw this.#unreadable(version, new Fault(reason, reader.position))
    }
    return value
  }

  /** The same from a reader, which stands behind the message then. Errors: as `decode`. */
  read(reader: ByteReader, version: number): Value {
    const codec = this.#codec(version)
    try {
      return codec.read(reader) as Value
    } catch (thrown) {
      throw thrown instanceof Fault ? this.#unreadable(version, thrown) : thrown
    }
  }

  /**
   * The message's bytes, in memory of their own.
   *
   * Errors: VARVE_UNSUPPORTED_VERSION; VARVE_INVALID_ARGUMENT with `details { message, version, path, reason }` for a
   * value that does not fit.
   */
  encode(value: Input, version: number): Buffer {
    const writer = new ByteWriter()
    this.write(writer, value, version)
    return writer.finish()
  }

  /** The same behind what a writer has. After an error the writer holds half a message. Errors: as `encode`. */
  write(writer: ByteWriter, value: Input, version: number): void {
    const codec = this.#codec(version)
    try {
      codec.write(writer, value)
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown
      const path = pathText(thrown.path)
      throw new VarveError(
        'VARVE_INVALID_ARGUMENT',
        `${this.name} version ${version} cannot be written: ${path === '' ? '' : `${path}: `}${thrown.reason}.`,
        { details: { message: this.name, version, path, reason: thrown.reason } },
      )
    }
  }

  #codec(version: number): Codec {
    const made = this.#codecs[version]
    if (made !== undefined) return made
    if (!Number.isInteger(version) || !includesVersion(this.versions, version)) {
      const { min, max } = this.versions
      const known = min === max ? `version ${min} is` : `versions ${min} to ${max} are`
      throw new VarveError('VARVE_UNSUPPORTED_VERSION', `${this.name} has no version ${version}; ${known} known.`, {
        details: { message: this.name, version, min, max },
      })
    }
    const codec = structCodec(this.fields, { version, flexible: this.isFlexible(version) })
    this.#codecs[version] = codec
    return codec
  }

  #unreadable(version: number, { path: steps, position, reason }: Fault): VarveError {
    const path = pathText(steps)
    return new VarveError(
      'VARVE_INVALID_MESSAGE',
      `${this.name} version ${version} cannot be read: ${path === '' ? '' : `${path}, `}at byte ${position}: ${reason}.`,
      { details: { message: this.name, version, path, position, reason } },
    )
  }
}
