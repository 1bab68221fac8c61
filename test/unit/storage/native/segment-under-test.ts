/** Batches and segments as the tests of the addon need them. */
import assert from 'node:assert/strict'
import { BatchBuilder } from '../../../../src/record/batch-builder.ts'
import {
  AppendFlag,
  AppendIn,
  AppendOut,
  type NativeSegmentOptions,
  ReadIn,
  ReadOut,
  ScanColumn,
  ScanIn,
  ScanOut,
  StatCell,
} from '../../../../src/storage/native/addon.ts'
import { native } from './native-under-test.ts'

/** A batch with its checksum, base offset 0. */
export function batch(recordCount: number, timestamp = 1000, valueBytes = 20): Uint8Array {
  const builder = new BatchBuilder({ crc32c: (bytes) => native.crc32c(bytes, 0) })
  for (let i = 0; i < recordCount; i++) {
    builder.add({ key: `k${i}`, value: 'v'.repeat(valueBytes), timestamp: timestamp + i })
  }
  return new Uint8Array(builder.build())
}

export function openSegment(kernel: number, folder: string, changed: Partial<NativeSegmentOptions> = {}): number {
  return native.segmentOpen(kernel, {
    folder,
    baseOffset: 0,
    stem: '',
    mode: 'create',
    backend: 'mapped',
    segmentBytes: 1 << 20,
    indexIntervalBytes: 4096,
    indexMaxBytes: 1 << 20,
    tails: 0,
    slot: -1,
    ...changed,
  })
}

export function opened(kernel: number, folder: string, changed: Partial<NativeSegmentOptions> = {}): number {
  const segment = openSegment(kernel, folder, changed)
  assert.ok(segment > 0, native.lastError().message)
  return segment
}

export function setAppend(
  segment: number,
  baseOffset: number,
  changed: Partial<Record<keyof typeof AppendIn, number>> = {},
) {
  const values = {
    segment,
    baseOffset,
    leaderEpoch: 5,
    flags: AppendFlag.checkRecords,
    appendTimestamp: -1,
    maxBatchBytes: 1 << 20,
    scratchOffset: 0,
    scratchLength: 0,
    ...changed,
  }
  for (const [name, value] of Object.entries(values)) native.cells[AppendIn[name as keyof typeof AppendIn]] = value
}

export function append(segment: number, baseOffset: number, bytes: Uint8Array): number {
  setAppend(segment, baseOffset)
  return native.segmentAppend(bytes)
}

export function setRead(segment: number, offset: number, changed: Partial<Record<keyof typeof ReadIn, number>> = {}) {
  const values = {
    segment,
    offset,
    positionHint: -1,
    maxBytes: 1 << 30,
    endPosition: -1,
    endOffset: -1,
    flags: 0,
    ...changed,
  }
  for (const [name, value] of Object.entries(values)) native.cells[ReadIn[name as keyof typeof ReadIn]] = value
}

export function read(segment: number, offset: number, into: Uint8Array): number {
  setRead(segment, offset)
  return native.segmentRead(into)
}

export function setScan(segment: number, changed: Partial<Record<keyof typeof ScanIn, number>> = {}) {
  const values = { segment, position: 0, expectedOffset: 0, flags: 0, endPosition: -1, ...changed }
  for (const [name, value] of Object.entries(values)) native.cells[ScanIn[name as keyof typeof ScanIn]] = value
}

type Cells = Readonly<Record<string, number>>

function named<Names extends Cells>(names: Names): Record<keyof Names, number> {
  return Object.fromEntries(Object.entries(names).map(([name, cell]) => [name, native.cells[cell]])) as Record<
    keyof Names,
    number
  >
}

export const appended = () => named(AppendOut)
export const gotten = () => named(ReadOut)
export const scanned = () => named(ScanOut)
export const stated = () => named(StatCell)

export function scanRow(index: number): Record<Exclude<keyof typeof ScanColumn, 'count'>, number> {
  const { count, ...columns } = ScanColumn
  return Object.fromEntries(
    Object.entries(columns).map(([name, column]) => [name, native.rows[index * count + column]]),
  ) as Record<Exclude<keyof typeof ScanColumn, 'count'>, number>
}
