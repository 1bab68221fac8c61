/**
 * Every setting of a log, in one table: Kafka's name, our name, type, default, bounds, one line of doc.
 *
 * Options, command lines, topic configurations and the reference in the docs are all made from it: a setting that is
 * not here does not exist.
 */

interface SettingBase {
  /** Kafka's name, or ours in Kafka's manner where Kafka has no such setting (`ownName`). */
  readonly kafkaName: string
  /** Kafka does not know this setting. */
  readonly ownName?: true
  /** Known, but no part of the engine acts on it so far: only the default is accepted, so that nobody relies on it. */
  readonly withoutEffect?: true
  readonly doc: string
}

export interface IntegerSetting extends SettingBase {
  readonly type: 'integer'
  readonly unit: 'bytes' | 'ms' | 'minutes' | 'members'
  readonly default: number
  /** Inclusive. */
  readonly min: number
  /** Inclusive. */
  readonly max: number
  /** A value outside of the bounds that is allowed too, and what it means. */
  readonly special?: { readonly value: number; readonly meaning: string }
}

export interface RatioSetting extends SettingBase {
  readonly type: 'ratio'
  readonly default: number
  readonly min: number
  readonly max: number
}

export interface BooleanSetting extends SettingBase {
  readonly type: 'boolean'
  readonly default: boolean
}

export interface ChoiceSetting<Choice extends string = string> extends SettingBase {
  readonly type: 'choice'
  readonly choices: readonly Choice[]
  readonly default: Choice
}

/** Any of the choices at once, at least one. */
export interface SetSetting<Choice extends string = string> extends SettingBase {
  readonly type: 'set'
  readonly choices: readonly Choice[]
  readonly default: readonly Choice[]
}

export type Setting = IntegerSetting | RatioSetting | BooleanSetting | ChoiceSetting | SetSetting

const kib = 1024
const mib = 1024 * kib
const secondMs = 1000
const hourMs = 3600 * secondMs
const dayMs = 24 * hourMs
const int32Max = 0x7fff_ffff
/** Stands for Kafka's 2^63 - 1: no limit. */
const unlimited = Number.MAX_SAFE_INTEGER
/** Longest span in ms that leaves room for adding it to a time of today. */
const msMax = unlimited

export const logSettingTable = {
  segmentBytes: {
    kafkaName: 'segment.bytes',
    type: 'integer',
    unit: 'bytes',
    default: 1024 * mib,
    min: mib,
    max: int32Max,
    doc: 'Size at which a segment is sealed and the next one begun.',
  },
  internalSegmentBytes: {
    kafkaName: 'internal.segment.bytes',
    type: 'integer',
    unit: 'bytes',
    default: 0,
    min: 128,
    max: int32Max,
    special: { value: 0, meaning: 'segment.bytes counts' },
    doc: 'For tests: a segment size below the lower bound of segment.bytes.',
  },
  segmentMs: {
    kafkaName: 'segment.ms',
    type: 'integer',
    unit: 'ms',
    default: 7 * dayMs,
    min: 1,
    max: msMax,
    doc: 'Span of record timestamps after which a segment is sealed even if it is not full.',
  },
  segmentIndexBytes: {
    kafkaName: 'segment.index.bytes',
    type: 'integer',
    unit: 'bytes',
    default: 10 * mib,
    min: 24, // a time index entry and the slot that is kept for sealing
    max: int32Max,
    doc: 'Largest size of each index of a segment; a full index seals the segment.',
  },
  indexIntervalBytes: {
    kafkaName: 'index.interval.bytes',
    type: 'integer',
    unit: 'bytes',
    default: 4 * kib,
    min: 0,
    max: int32Max,
    doc: 'Bytes appended between two index entries: smaller finds faster, larger takes less space.',
  },
  retentionMs: {
    kafkaName: 'retention.ms',
    type: 'integer',
    unit: 'ms',
    default: 7 * dayMs,
    min: 0,
    max: msMax,
    special: { value: -1, meaning: 'no limit' },
    doc: 'Age at which a sealed segment is deleted, counted from its largest record timestamp.',
  },
  retentionBytes: {
    kafkaName: 'retention.bytes',
    type: 'integer',
    unit: 'bytes',
    default: -1,
    min: 0,
    max: unlimited,
    special: { value: -1, meaning: 'no limit' },
    doc: 'Size to which the log is cut back by whole segments; at least so much stays.',
  },
  fileDeleteDelayMs: {
    kafkaName: 'file.delete.delay.ms',
    type: 'integer',
    unit: 'ms',
    default: 60 * secondMs,
    min: 0,
    max: msMax,
    doc: 'How long a deleted segment stays under the suffix .deleted before its space is freed.',
  },
  maxMessageBytes: {
    kafkaName: 'max.message.bytes',
    type: 'integer',
    unit: 'bytes',
    default: mib + 12,
    min: 0,
    max: int32Max,
    doc: 'Largest batch that is accepted, as it is stored (compressed, if it is).',
  },
  messageTimestampType: {
    kafkaName: 'message.timestamp.type',
    type: 'choice',
    choices: ['CreateTime', 'LogAppendTime'],
    default: 'CreateTime',
    doc: "Whether records keep the producer's timestamps or get the time of their append.",
  },
  messageTimestampBeforeMaxMs: {
    kafkaName: 'message.timestamp.before.max.ms',
    type: 'integer',
    unit: 'ms',
    default: unlimited,
    min: 0,
    max: msMax,
    doc: 'How far a record timestamp may lie in the past (CreateTime only).',
  },
  messageTimestampAfterMaxMs: {
    kafkaName: 'message.timestamp.after.max.ms',
    type: 'integer',
    unit: 'ms',
    default: hourMs,
    min: 0,
    max: msMax,
    doc: 'How far a record timestamp may lie in the future (CreateTime only).',
  },
  cleanupPolicy: {
    kafkaName: 'cleanup.policy',
    type: 'set',
    choices: ['delete', 'compact'],
    default: ['delete'],
    doc: 'Whether old segments are deleted by age and size, compacted to the last record of each key, or both.',
  },
  minCompactionLagMs: {
    kafkaName: 'min.compaction.lag.ms',
    withoutEffect: true,
    type: 'integer',
    unit: 'ms',
    default: 0,
    min: 0,
    max: msMax,
    doc: 'How long a record stays as it is before compaction may remove it.',
  },
  maxCompactionLagMs: {
    kafkaName: 'max.compaction.lag.ms',
    withoutEffect: true,
    type: 'integer',
    unit: 'ms',
    default: unlimited,
    min: 1,
    max: msMax,
    doc: 'How long a record may go without compaction, whatever the dirty ratio.',
  },
  minCleanableDirtyRatio: {
    kafkaName: 'min.cleanable.dirty.ratio',
    withoutEffect: true,
    type: 'ratio',
    default: 0.5,
    min: 0,
    max: 1,
    doc: 'Share of not yet compacted bytes at which a log is compacted.',
  },
  deleteRetentionMs: {
    kafkaName: 'delete.retention.ms',
    withoutEffect: true,
    type: 'integer',
    unit: 'ms',
    default: dayMs,
    min: 0,
    max: msMax,
    doc: 'How long compaction keeps a tombstone, so that a slow reader still sees the deletion.',
  },
  preallocate: {
    kafkaName: 'preallocate',
    withoutEffect: true,
    type: 'boolean',
    default: false,
    doc: 'Allocate a whole segment when it is made, not step by step.',
  },
  compressionType: {
    kafkaName: 'compression.type',
    withoutEffect: true,
    type: 'choice',
    choices: ['producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'],
    default: 'producer',
    doc: 'Codec of stored batches; "producer" keeps each batch as it came.',
  },
  durability: {
    kafkaName: 'durability',
    ownName: true,
    type: 'choice',
    choices: ['buffered', 'interval', 'synced'],
    default: 'synced',
    doc: 'When an append counts as done: in the page cache, in it and flushed every flush.ms, or on disk.',
  },
  flushIntervalMs: {
    kafkaName: 'flush.ms',
    type: 'integer',
    unit: 'ms',
    default: 100,
    min: 1,
    max: msMax,
    doc: 'Longest time that data waits for a flush with durability "interval".',
  },
  producerIdExpirationMs: {
    kafkaName: 'producer.id.expiration.ms',
    type: 'integer',
    unit: 'ms',
    default: dayMs,
    min: 1,
    max: msMax,
    doc: 'Idle time, by record timestamps, after which an idempotent producer is forgotten.',
  },
  checkpointIntervalBytes: {
    kafkaName: 'checkpoint.interval.bytes',
    ownName: true,
    type: 'integer',
    unit: 'bytes',
    default: 64 * mib,
    min: 64 * kib,
    max: unlimited,
    doc: 'Bytes appended between two moves of the recovery point: bounds what is checked after a crash.',
  },
  diskReserveBytes: {
    kafkaName: 'disk.reserve.bytes',
    ownName: true,
    type: 'integer',
    unit: 'bytes',
    default: 4 * mib,
    min: 0,
    max: unlimited,
    doc: 'Free space of the disk that appends leave alone, for indexes and checkpoints; below it they are refused.',
  },
} as const satisfies Record<string, Setting>

export type LogSettingName = keyof typeof logSettingTable

type ValueOf<S extends Setting> = S extends { readonly type: 'integer' | 'ratio' }
  ? number
  : S extends { readonly type: 'boolean' }
    ? boolean
    : S extends { readonly type: 'choice'; readonly choices: readonly (infer C)[] }
      ? C
      : S extends { readonly type: 'set'; readonly choices: readonly (infer C)[] }
        ? readonly C[]
        : never

/** All settings of a log, checked, by our names. */
export type LogSettings = { readonly [Name in LogSettingName]: ValueOf<(typeof logSettingTable)[Name]> }

type KafkaName<Name extends LogSettingName> = (typeof logSettingTable)[Name]['kafkaName']

/** What a caller may pass: any of the settings, by either name. */
export type LogSettingOptions = { [Name in LogSettingName]?: ValueOf<(typeof logSettingTable)[Name]> | undefined } & {
  [Name in LogSettingName as KafkaName<Name>]?: ValueOf<(typeof logSettingTable)[Name]> | undefined
}

const nameByKafkaName = new Map<string, LogSettingName>(
  (Object.keys(logSettingTable) as LogSettingName[]).map((name) => [logSettingTable[name].kafkaName, name]),
)

/** Our name of a setting given by either name; undefined when there is none such. */
export function logSettingName(name: string): LogSettingName | undefined {
  if (Object.hasOwn(logSettingTable, name)) return name as LogSettingName
  return nameByKafkaName.get(name)
}

/** The settings of a log that was given none. */
export const defaultLogSettings: LogSettings = Object.freeze(
  Object.fromEntries(
    Object.entries(logSettingTable).map(([name, setting]) => [
      name,
      setting.type === 'set' ? Object.freeze([...setting.default]) : setting.default,
    ]),
  ),
) as LogSettings
