/**
 * The notation: fields of a message, as TypeScript values that carry the types of what they hold. README.md of
 * `src/protocol/` tells how they are used.
 *
 * A `Value` is what reading gives: every field of every version is there, with its default where the version that was
 * read has none. An `Input` is what writing takes: fields may be left out that have a default, a tag or not all
 * versions.
 */
import type { Versions } from './versions.ts'

export interface FieldOptions<Default> {
  /** Versions of the message that have the field. Default: all. */
  readonly versions?: Versions
  /** What reading gives where it is not there. Default: 0, false, '', no bytes, no elements, the nil uuid. */
  readonly default?: Default
  /** The field is tagged, with this number, in all its versions, which are flexible ones. Not written at its default. */
  readonly tag?: number
  /** Refuse to write another value than the default in a version without the field, where it would be lost. */
  readonly essential?: boolean
}

export interface NullableOptions<Default> extends FieldOptions<Default | null> {
  /** Versions in which it may be null. */
  readonly nullable?: Versions
}

export interface StringOptions extends NullableOptions<string> {
  /** false: its length stays an int16 in flexible versions (the client id of a request header). */
  readonly compact?: boolean
}

export type ScalarKind =
  | 'boolean'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'id64'
  | 'varint'
  | 'varlong'
  | 'float64'
  | 'uuid'

export type FieldType =
  | { readonly kind: ScalarKind | 'string' | 'bytes' }
  | { readonly kind: 'array'; readonly element: AnyField }
  | { readonly kind: 'struct'; readonly fields: Fields }

export interface Field<Value, Input, Omittable extends boolean> {
  readonly type: FieldType
  readonly options: StringOptions | NullableOptions<unknown>
  /** For the compiler alone, never there: what the field holds, and whether a writer may leave it out. */
  readonly types?: { readonly value: Value; readonly input: Input; readonly omittable: Omittable }
}

export type AnyField = Field<unknown, unknown, boolean>
export type Fields = Readonly<Record<string, AnyField>>

/** A tagged field that the schema does not know, as read. */
export interface UnknownTag {
  readonly tag: number
  readonly bytes: Uint8Array
}

interface WithUnknownTags {
  /** There only if there were any. Rising by tag. */
  readonly unknownTags?: readonly UnknownTag[]
}

type ValueIn<F> = F extends Field<infer Value, unknown, boolean> ? Value : never
type InputIn<F> = F extends Field<unknown, infer Input, boolean> ? Input : never
type OmittableKeys<F> = { [K in keyof F]: F[K] extends Field<unknown, unknown, true> ? K : never }[keyof F]
type Flat<T> = { readonly [K in keyof T]: T[K] }

export type ValueOf<F extends Fields> = Flat<{ [K in keyof F]: ValueIn<F[K]> } & WithUnknownTags>
export type InputOf<F extends Fields> = Flat<
  { [K in Exclude<keyof F, OmittableKeys<F>>]: InputIn<F[K]> } & {
    [K in OmittableKeys<F>]?: InputIn<F[K]> | undefined
  } & WithUnknownTags
>

type NoOptions = Record<never, never>
type Null<O> = O extends { readonly nullable: string } ? null : never
type Omittable<O> = O extends { readonly default: unknown } | { readonly tag: number } | { readonly versions: string }
  ? true
  : false

function scalar<T>(kind: ScalarKind) {
  return <const O extends FieldOptions<T> = NoOptions>(options?: O): Field<T, T, Omittable<O>> => ({
    type: { kind },
    options: options ?? {},
  })
}

/** One byte: 1 is true. */
export const boolean = scalar<boolean>('boolean')
export const int8 = scalar<number>('int8')
export const int16 = scalar<number>('int16')
export const uint16 = scalar<number>('uint16')
export const int32 = scalar<number>('int32')
export const uint32 = scalar<number>('uint32')
/** A safe integer: offsets, timestamps, epochs. What is past it is refused. */
export const int64 = scalar<number>('int64')
/** All 64 bits, signed: producer ids and hashes. */
export const id64 = scalar<bigint>('id64')
/** 32 bits, zigzag, of variable length. */
export const varint = scalar<number>('varint')
/** A safe integer, zigzag, of variable length. */
export const varlong = scalar<number>('varlong')
export const float64 = scalar<number>('float64')
/** 22 characters base64url, as Kafka prints it. */
export const uuid = scalar<string>('uuid')

/** All bits zero: no id. */
export const nilUuid = 'AAAAAAAAAAAAAAAAAAAAAA'

/** At most 32,767 bytes of UTF-8. */
export function string<const O extends StringOptions = NoOptions>(
  options?: O,
): Field<string | Null<O>, string | Null<O>, Omittable<O>> {
  return { type: { kind: 'string' }, options: options ?? {} }
}

/** Read as a slice of the memory that is read: copy what is kept long. */
export function bytes<const O extends NullableOptions<Uint8Array> = NoOptions>(
  options?: O,
): Field<Buffer | Null<O>, Uint8Array | Null<O>, Omittable<O>> {
  return { type: { kind: 'bytes' }, options: options ?? {} }
}

/** Record batches, back to back. Bytes on the wire; the name says what they are. */
export const records = bytes

/** `element` has no options. */
export function array<const F extends AnyField, const O extends NullableOptions<readonly []> = NoOptions>(
  element: F,
  options?: O,
): Field<readonly ValueIn<F>[] | Null<O>, readonly InputIn<F>[] | Null<O>, Omittable<O>> {
  return { type: { kind: 'array', element }, options: options ?? {} }
}

/** Fields in the order of the wire; their versions are those of the message. */
export function struct<const F extends Fields, const O extends NullableOptions<never> = NoOptions>(
  fields: F,
  options?: O,
): Field<ValueOf<F> | Null<O>, InputOf<F> | Null<O>, Omittable<O>> {
  return { type: { kind: 'struct', fields }, options: options ?? {} }
}
