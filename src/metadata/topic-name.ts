/**
 * What a topic may be called, as Kafka has it. A topic's name becomes the name of folders, so what passes here can form
 * no path: no separator, no NUL, neither `.` nor `..`. Pure.
 */
import { VarveError } from '../errors.ts'
import { isTopicName } from '../storage/segment-names.ts'

/** Kafka's own metadata log stands under this name; it is no topic. */
export const metadataTopic = '__cluster_metadata'

/** Topics that Kafka keeps for itself: consumers are not told of them unless they ask by name. */
const internalTopics: ReadonlySet<string> = new Set([
  '__consumer_offsets',
  '__transaction_state',
  '__share_group_state',
  metadataTopic,
])

export function isInternalTopic(name: string): boolean {
  return internalTopics.has(name)
}

/** Of what a hostile name is, so much is repeated in a message. */
const shownCharacters = 80

/** @throws VARVE_INVALID_TOPIC for what cannot be a topic's name. */
export function requireTopicName(name: unknown): asserts name is string {
  if (typeof name === 'string' && isTopicName(name)) return
  const shown =
    typeof name === 'string' ? JSON.stringify(name.slice(0, shownCharacters)) : `a value of type ${typeof name}`
  throw new VarveError(
    'VARVE_INVALID_TOPIC',
    `${shown} is no topic name: use 1 to 249 letters, digits, ".", "_" or "-", and not "." or "..".`,
    { details: typeof name === 'string' ? { topic: name.slice(0, shownCharacters) } : {} },
  )
}

/**
 * Two topics whose names have the same key must not exist side by side: Kafka names its metrics after topics, where `.`
 * turns into `_`.
 */
export function collisionKey(name: string): string {
  return name.replaceAll('.', '_')
}
