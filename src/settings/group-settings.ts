/**
 * Every setting of the group coordinator, in one table, like those of a log in `log-settings.ts`.
 *
 * Names, defaults and bounds are Kafka's, but for the initial delay: 3 s in Kafka, for fleets that start together; 0
 * here, where a program's first consumer should not wait.
 */
import type { IntegerSetting } from './log-settings.ts'

const minuteMs = 60_000
const int32Max = 0x7fff_ffff

export const groupSettingTable = {
  groupMinSessionTimeoutMs: {
    kafkaName: 'group.min.session.timeout.ms',
    type: 'integer',
    unit: 'ms',
    default: 6_000,
    min: 1,
    max: int32Max,
    doc: 'Shortest session timeout that a member may ask for.',
  },
  groupMaxSessionTimeoutMs: {
    kafkaName: 'group.max.session.timeout.ms',
    type: 'integer',
    unit: 'ms',
    default: 30 * minuteMs,
    min: 1,
    max: int32Max,
    doc: 'Longest session timeout that a member may ask for.',
  },
  groupMaxSize: {
    kafkaName: 'group.max.size',
    type: 'integer',
    unit: 'members',
    default: int32Max,
    min: 1,
    max: int32Max,
    doc: 'Most members of a group.',
  },
  groupInitialRebalanceDelayMs: {
    kafkaName: 'group.initial.rebalance.delay.ms',
    type: 'integer',
    unit: 'ms',
    default: 0,
    min: 0,
    max: int32Max,
    doc: 'How long the first member of an empty group waits for others.',
  },
  groupNewMemberJoinTimeoutMs: {
    kafkaName: 'group.new.member.join.timeout.ms',
    type: 'integer',
    unit: 'ms',
    default: 5 * minuteMs,
    min: 1,
    max: int32Max,
    doc: 'How long a new member may wait in a rebalance before it is taken for gone: it cannot send heartbeats yet.',
  },
  offsetMetadataMaxBytes: {
    kafkaName: 'offset.metadata.max.bytes',
    type: 'integer',
    unit: 'bytes',
    default: 4_096,
    min: 0,
    max: 32_767, // what the record's field holds
    doc: 'Largest text beside a committed offset.',
  },
  offsetsRetentionMinutes: {
    kafkaName: 'offsets.retention.minutes',
    type: 'integer',
    unit: 'minutes',
    default: 7 * 24 * 60,
    min: 1,
    max: int32Max,
    doc: 'How long committed offsets are kept once their group has no members, or without members since their commit.',
  },
  offsetsRetentionCheckIntervalMs: {
    kafkaName: 'offsets.retention.check.interval.ms',
    type: 'integer',
    unit: 'ms',
    default: 10 * minuteMs,
    min: 1,
    max: int32Max,
    doc: 'How often is looked for offsets that are past their retention.',
  },
} as const satisfies Record<string, IntegerSetting>

/** All settings of the coordinator, checked. */
export type GroupSettings = { readonly [Name in GroupSettingName]: number }

export type GroupSettingName = keyof typeof groupSettingTable

type KafkaName<Name extends GroupSettingName> = (typeof groupSettingTable)[Name]['kafkaName']

/** What a caller may pass: any of the settings, by either name. */
export type GroupSettingOptions = { [Name in GroupSettingName]?: number | undefined } & {
  [Name in GroupSettingName as KafkaName<Name>]?: number | undefined
}

/** The settings of a coordinator that was given none. */
export const defaultGroupSettings: GroupSettings = Object.freeze(
  Object.fromEntries(Object.entries(groupSettingTable).map(([name, setting]) => [name, setting.default])),
) as GroupSettings
