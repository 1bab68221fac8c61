import type { Assignor, TopicPartition } from '../group/assignors/assignor.ts'
import { assignors } from '../group/assignors/assignors.ts'
import { requireKnownOptions } from '../settings/known-options.ts'
import type { Isolation } from './fetch-source.ts'
import { invalidOption } from './invalid-option.ts'
import { defaultMaxBytes } from './next-batch.ts'

/** 'cooperative-sticky' lets members keep what stays theirs; the others give all up in each rebalance. */
export type AssignorName = 'range' | 'roundrobin' | 'sticky' | 'cooperative-sticky'

export interface ConsumerOptions {
  /** Members of one group share the partitions; each group gets every record. */
  readonly group: string
  /** Names of topics, or a pattern, which also takes in topics that are made later. */
  readonly topics: string | readonly string[] | RegExp
  /** Where the group starts in partitions that it has committed nothing of. Default 'earliest': nothing is skipped. */
  readonly from?: 'earliest' | 'latest' | undefined
  /** Asking for the next batch commits the one before. Default true; false leaves it to `batch.commit()`. */
  readonly autoCommit?: boolean | undefined
  /** How long finished batches wait for others to share a commit with. Default 1,000. */
  readonly autoCommitIntervalMs?: number | undefined
  /** Default 'read_uncommitted'. */
  readonly isolation?: Isolation | undefined
  /** Most bytes of one batch, though never less than one stored batch. Default 65,536. */
  readonly maxBytes?: number | undefined
  /** Zero-copy views of sealed data, where the store can give them. Default false. */
  readonly views?: boolean | undefined
  /** Who shares partitions out, in the order of preference. Default 'cooperative-sticky'. */
  readonly assignor?: AssignorName | readonly AssignorName[] | undefined
  /** Makes a static member: one that comes back under this name within `sessionTimeoutMs` has its partitions still. */
  readonly groupInstanceId?: string | undefined
  /** Shown by `groups.describe`. */
  readonly clientId?: string | undefined
  /** How long the group keeps a member that it does not hear of. Default 45,000. */
  readonly sessionTimeoutMs?: number | undefined
  /** Default 200: in one process a heartbeat costs microseconds, and members learn of a rebalance by it. */
  readonly heartbeatIntervalMs?: number | undefined
  /** Longest work on one batch; who takes longer loses its partitions. Default 300,000. */
  readonly maxPollIntervalMs?: number | undefined
  /** Ends the loop by rejecting with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Told what was added; awaited before the first of its records comes. */
  readonly onAssigned?: ((partitions: readonly TopicPartition[]) => void | Promise<void>) | undefined
  /** Told what goes to another member; finished batches are committed, and it is awaited before the other gets it. */
  readonly onRevoked?: ((partitions: readonly TopicPartition[]) => void | Promise<void>) | undefined
  /** Told what another member may have already: nothing of it can be committed. */
  readonly onLost?: ((partitions: readonly TopicPartition[]) => void | Promise<void>) | undefined
}

/** Options with their defaults filled in. */
export interface ConsumerSettings {
  readonly group: string
  readonly topics: readonly string[] | RegExp
  readonly from: 'earliest' | 'latest'
  readonly autoCommit: boolean
  readonly autoCommitIntervalMs: number
  readonly isolation: Isolation
  readonly maxBytes: number
  readonly views: boolean
  readonly assignors: readonly Assignor[]
  /** Null for a dynamic member. */
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly maxPollIntervalMs: number
}

const optionNames = [
  'group',
  'topics',
  'from',
  'autoCommit',
  'autoCommitIntervalMs',
  'isolation',
  'maxBytes',
  'views',
  'assignor',
  'groupInstanceId',
  'clientId',
  'sessionTimeoutMs',
  'heartbeatIntervalMs',
  'maxPollIntervalMs',
  'signal',
  'onAssigned',
  'onRevoked',
  'onLost',
] as const

/** Kafka's limit of texts in its protocol. */
const groupNameMax = 32_767

/** @throws VARVE_INVALID_ARGUMENT naming the option. */
export function consumerSettings(options: ConsumerOptions): ConsumerSettings {
  requireKnownOptions(options, optionNames)
  const { group, topics, from = 'earliest', isolation = 'read_uncommitted', assignor = 'cooperative-sticky' } = options
  if (typeof group !== 'string' || group === '' || group.length > groupNameMax) {
    throw invalidOption('group', 'the name of the group', group)
  }
  const names = typeof topics === 'string' ? [topics] : topics
  const isList =
    Array.isArray(names) && names.length > 0 && names.every((name) => typeof name === 'string' && name !== '')
  if (!isList && !(topics instanceof RegExp))
    throw invalidOption('topics', 'a topic, a list of topics or a RegExp', topics)
  if (from !== 'earliest' && from !== 'latest') throw invalidOption('from', '"earliest" or "latest"', from)
  if (isolation !== 'read_uncommitted' && isolation !== 'read_committed') {
    throw invalidOption('isolation', '"read_uncommitted" or "read_committed"', isolation)
  }
  const chosen = typeof assignor === 'string' ? [assignor] : assignor
  if (!Array.isArray(chosen) || chosen.length === 0 || !chosen.every((name) => assignors.has(name))) {
    throw invalidOption('assignor', `one or several of ${[...assignors.keys()].join(', ')}`, assignor)
  }
  for (const name of ['onAssigned', 'onRevoked', 'onLost'] as const) {
    const callback = options[name]
    if (callback !== undefined && typeof callback !== 'function') throw invalidOption(name, 'a function', callback)
  }
  for (const name of ['groupInstanceId', 'clientId'] as const) {
    const text = options[name]
    if (text !== undefined && (typeof text !== 'string' || text === '')) throw invalidOption(name, 'a text', text)
  }
  for (const name of ['autoCommit', 'views'] as const) {
    const value = options[name]
    if (value !== undefined && typeof value !== 'boolean') throw invalidOption(name, 'true or false', value)
  }
  return {
    group,
    topics: names as readonly string[] | RegExp,
    from,
    isolation,
    assignors: chosen.map((name) => assignors.get(name)!),
    autoCommit: options.autoCommit ?? true,
    autoCommitIntervalMs: wholeNumber(options, 'autoCommitIntervalMs', 1000, 0),
    maxBytes: wholeNumber(options, 'maxBytes', defaultMaxBytes, 1),
    views: options.views ?? false,
    groupInstanceId: options.groupInstanceId ?? null,
    clientId: options.clientId ?? 'varve',
    sessionTimeoutMs: wholeNumber(options, 'sessionTimeoutMs', 45_000, 1),
    heartbeatIntervalMs: wholeNumber(options, 'heartbeatIntervalMs', 200, 1),
    maxPollIntervalMs: wholeNumber(options, 'maxPollIntervalMs', 300_000, 1),
  }
}

type NumberName = 'autoCommitIntervalMs' | 'maxBytes' | 'sessionTimeoutMs' | 'heartbeatIntervalMs' | 'maxPollIntervalMs'

function wholeNumber(options: ConsumerOptions, name: NumberName, fallback: number, min: number): number {
  const value = options[name] ?? fallback
  if (!Number.isSafeInteger(value) || value < min || value > 0x7fff_ffff) {
    throw invalidOption(name, `an integer from ${min} to 2,147,483,647`, value)
  }
  return value
}
