/** Codecs of everything that is not a struct. */
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import { wrong } from './byte-writer.ts'
import type { Codec } from './codec.ts'
import { Fault, within } from './fault.ts'
import { nilUuid, type ScalarKind } from './field.ts'

const scalarTable: Readonly<
  Record<ScalarKind, [minBytes: number, zero: unknown, Codec['read'], write: Codec['write']]>
> = {
  boolean: [1, false, (reader) => reader.boolean(), (writer, value) => writer.boolean(value)],
  int8: [1, 0, (reader) => reader.int8(), (writer, value) => writer.int8(value)],
  int16: [2, 0, (reader) => reader.int16(), (writer, value) => writer.int16(value)],
  uint16: [2, 0, (reader) => reader.uint16(), (writer, value) => writer.uint16(value)],
  int32: [4, 0, (reader) => reader.int32(), (writer, value) => writer.int32(value)],
  uint32: [4, 0, (reader) => reader.uint32(), (writer, value) => writer.uint32(value)],
  int64: [8, 0, (reader) => reader.int64(), (writer, value) => writer.int64(value)],
  id64: [8, 0n, (reader) => reader.id64(), (writer, value) => writer.id64(value)],
  varint: [1, 0, (reader) => reader.varint(), (writer, value) => writer.varint(value)],
  varlong: [1, 0, (reader) => reader.varlong(), (writer, value) => writer.varlong(value)],
  float64: [8, 0, (reader) => reader.float64(), (writer, value) => writer.float64(value)],
  uuid: [16, nilUuid, (reader) => reader.uuid(), (writer, value) => writer.uuid(value)],
}

export function scalarCodec(kind: ScalarKind): Codec {
  const [minBytes, zero, read, write] = scalarTable[kind]
  // Object.is: -0 is not the 0 that is left out.
  return { minBytes, zero, read, write, isZero: (value) => Object.is(value, zero) }
}

export interface LengthStyle {
  /** An unsigned varint of one more than the length, 0 for null; else an int16 or int32, -1 for null. */
  readonly compact: boolean
  readonly nullable: boolean
}

export function stringCodec({ compact, nullable }: LengthStyle): Codec {
  return {
    minBytes: compact ? 1 : 2,
    zero: '',
    isZero: (value) => value === '',
    read: (reader) => {
      const length = readLength(reader, compact ? -1 : reader.int16(), nullable, compact)
      return length === -1 ? null : reader.string(length)
    },
    write: (writer, value) => {
      if (value !== null) writer.string(value, compact)
      else if (!nullable) throw wrong('a string', value)
      else if (compact) writer.unsignedVarint(0)
      else writer.int16(-1)
    },
  }
}

const noBytes = Buffer.alloc(0)

export function bytesCodec({ compact, nullable }: LengthStyle): Codec {
  return {
    minBytes: compact ? 1 : 4,
    zero: noBytes,
    isZero: (value) => value instanceof Uint8Array && value.byteLength === 0,
    read: (reader) => {
      const length = readLength(reader, compact ? -1 : reader.int32(), nullable, compact)
      return length === -1 ? null : reader.slice(length)
    },
    write: (writer, value) => {
      if (value === null && nullable) writeLength(writer, -1, compact)
      else if (!(value instanceof Uint8Array)) throw wrong('bytes (a Uint8Array)', value)
      else {
        writeLength(writer, value.byteLength, compact)
        writer.raw(value)
      }
    },
  }
}

/** Shared by all that read it, and readonly in the types. */
const noElements: readonly unknown[] = Object.freeze([])

export function arrayCodec(element: Codec, { compact, nullable }: LengthStyle): Codec {
  return {
    minBytes: compact ? 1 : 4,
    zero: noElements,
    isZero: (value) => Array.isArray(value) && value.length === 0,
    read: (reader) => {
      const { position } = reader
      const count = readLength(reader, compact ? -1 : reader.int32(), nullable, compact)
      if (count === -1) return null
      const left = reader.end - reader.position
      if (count > left / element.minBytes) {
        throw new Fault(`${count} elements do not fit the ${left} bytes that are left`, position)
      }
      reader.takeElements(count)
      const values: unknown[] = []
      try {
        while (values.length < count) values.push(element.read(reader))
      } catch (thrown) {
        throw within(thrown, values.length)
      }
      return values
    },
    write: (writer, value) => {
      if (value === null && nullable) {
        writeLength(writer, -1, compact)
        return
      }
      if (!Array.isArray(value)) throw wrong('an array', value)
      writeLength(writer, value.length, compact)
      let i = 0
      try {
        for (; i < value.length; i++) element.write(writer, value[i])
      } catch (thrown) {
        throw within(thrown, i)
      }
    },
  }
}

/** A struct that may be null, told by a byte before it: 1 there, -1 null; in a tagged field 1 and 0. As Kafka has it. */
export function nullableStructCodec(struct: Codec, isTagged: boolean): Codec {
  const nullMark = isTagged ? 0 : -1
  return {
    minBytes: 1,
    zero: struct.zero,
    isZero: (value) => struct.isZero(value),
    read: (reader) => (reader.int8() <= nullMark ? null : struct.read(reader)),
    write: (writer, value) => {
      writer.int8(value === null ? nullMark : 1)
      if (value !== null) struct.write(writer, value)
    },
  }
}

/** @param fixed The length where it was not a compact one. */
function readLength(reader: ByteReader, fixed: number, nullable: boolean, compact: boolean): number {
  const { position } = reader
  const length = compact ? reader.unsignedVarint() - 1 : fixed
  if (length < -1) throw new Fault(`its length is ${length}`, position)
  if (length === -1 && !nullable) throw new Fault('it is null, which this version does not allow', position)
  return length
}

function writeLength(writer: ByteWriter, length: number, compact: boolean): void {
  if (compact) writer.unsignedVarint(length + 1)
  else writer.int32(length)
}
