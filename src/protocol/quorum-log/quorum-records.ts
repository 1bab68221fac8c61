/**
 * Control records of `__cluster_metadata-0` and its snapshots, in control batches. Key: int16 version 0, int16 type (as
 * transaction markers have 0 and 1); value: a message whose first field is its version.
 */
import { VarveError } from '../../errors.ts'
import { ByteReader } from '../schema/byte-reader.ts'
import { ByteWriter } from '../schema/byte-writer.ts'
import type { Message, MessageInput, MessageValue } from '../schema/message.ts'
import { kraftVersion } from './kraft-version.ts'
import { leaderChange } from './leader-change.ts'
import { snapshotFooter } from './snapshot-footer.ts'
import { snapshotHeader } from './snapshot-header.ts'
import { voters } from './voters.ts'

export const quorumRecords = {
  LeaderChange: { id: 2, schema: leaderChange },
  SnapshotHeader: { id: 3, schema: snapshotHeader },
  SnapshotFooter: { id: 4, schema: snapshotFooter },
  KRaftVersion: { id: 5, schema: kraftVersion },
  Voters: { id: 6, schema: voters },
} as const

type Records = typeof quorumRecords
export type QuorumRecordType = keyof Records

/** A control record as read; `type` tells the shape of `value`, whose `version` is that of the message. */
export type QuorumRecord = {
  [T in QuorumRecordType]: { readonly type: T; readonly value: MessageValue<Records[T]['schema']> }
}[QuorumRecordType]

export type QuorumRecordInput = {
  [T in QuorumRecordType]: { readonly type: T; readonly value: MessageInput<Records[T]['schema']> }
}[QuorumRecordType]

const keyBytes = 4

/**
 * Reads a control record.
 *
 * @returns undefined for other types, transaction markers among them.
 * Errors: VARVE_INVALID_MESSAGE; VARVE_UNSUPPORTED_VERSION for a version that is not known.
 */
export function decodeQuorumRecord(key: Uint8Array | null, value: Uint8Array | null): QuorumRecord | undefined {
  // Later versions of the key may append fields: what we know stands first.
  if (key === null || key.byteLength < keyBytes) throw invalid('its key is not that of one')
  const id = new ByteReader(key, { position: 2 }).int16()
  const found = Object.entries(quorumRecords).find(([, record]) => record.id === id)
  if (found === undefined) return undefined
  if (value === null || value.byteLength < 2) throw invalid('its value has no version')
  const [type, { schema }] = found
  const anySchema: Message<unknown, never> = schema
  return { type, value: anySchema.decode(value, new ByteReader(value).int16()) } as QuorumRecord
}

/** Key and value of a control record. Errors: VARVE_UNSUPPORTED_VERSION, VARVE_INVALID_ARGUMENT. */
export function encodeQuorumRecord({ type, value }: QuorumRecordInput): { key: Buffer; value: Buffer } {
  const { id, schema } = quorumRecords[type]
  const key = new ByteWriter()
  key.int16(0)
  key.int16(id)
  const anySchema: Message<unknown, never> = schema
  return { key: key.finish(), value: anySchema.encode(value as never, value.version) }
}

function invalid(reason: string): VarveError {
  return new VarveError('VARVE_INVALID_MESSAGE', `A control record of the metadata log cannot be read: ${reason}.`, {
    details: { message: 'control record', reason },
  })
}
