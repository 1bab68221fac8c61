/** Every message and record that is defined in src/protocol/, for tests that walk them all. */
import { assignment } from '../../../src/protocol/consumer-protocol/assignment.ts'
import { cooperativeStickyUserData, stickyUserData } from '../../../src/protocol/consumer-protocol/sticky-user-data.ts'
import { subscription } from '../../../src/protocol/consumer-protocol/subscription.ts'
import { groupRecords } from '../../../src/protocol/group-log/group-records.ts'
import { metadataRecords } from '../../../src/protocol/metadata-log/metadata-records.ts'
import { quorumRecords } from '../../../src/protocol/quorum-log/quorum-records.ts'
import type { Message } from '../../../src/protocol/schema/message.ts'
import { transactionRecords } from '../../../src/protocol/transaction-log/transaction-records.ts'

export type AnyMessage = Message<unknown, never>

export const allMessages: readonly AnyMessage[] = [
  ...Object.values(metadataRecords).map(({ schema }) => schema),
  ...Object.values(quorumRecords).map(({ schema }) => schema),
  ...[groupRecords.kinds, transactionRecords.kinds].flatMap((kinds) =>
    Object.values(kinds as Record<string, { key: AnyMessage; value: AnyMessage }>).flatMap(({ key, value }) => [
      key,
      value,
    ]),
  ),
  subscription,
  assignment,
  stickyUserData,
  cooperativeStickyUserData,
]

export function versionsOf({ versions }: AnyMessage): number[] {
  return Array.from({ length: versions.max - versions.min + 1 }, (_, i) => versions.min + i)
}
