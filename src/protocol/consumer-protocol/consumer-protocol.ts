/**
 * Subscriptions and assignments as consumers exchange them through a group: an int16, the version, then the message.
 *
 * A version above the known ones is read as the highest known, and what it has behind that is passed by: newer
 * consumers share groups with older ones, so each version only adds to the end.
 */
import { VarveError } from '../../errors.ts'
import { ByteReader } from '../schema/byte-reader.ts'
import { encodeVersioned } from '../schema/keyed-record.ts'
import type { Message, MessageInput, MessageValue } from '../schema/message.ts'
import { assignment } from './assignment.ts'
import { subscription } from './subscription.ts'

export type Subscription = MessageValue<typeof subscription>
export type SubscriptionInput = MessageInput<typeof subscription>
export type Assignment = MessageValue<typeof assignment>
export type AssignmentInput = MessageInput<typeof assignment>

/** Errors: VARVE_INVALID_MESSAGE. */
export function decodeSubscription(bytes: Uint8Array): Subscription & { readonly version: number } {
  return decodeExtensible(subscription, bytes)
}

/** Errors: VARVE_INVALID_MESSAGE. */
export function decodeAssignment(bytes: Uint8Array): Assignment & { readonly version: number } {
  return decodeExtensible(assignment, bytes)
}

/** @param version Default: the highest. Errors: VARVE_UNSUPPORTED_VERSION, VARVE_INVALID_ARGUMENT. */
export function encodeSubscription(value: SubscriptionInput, version = subscription.versions.max): Buffer {
  return encodeVersioned(subscription, value as never, version)
}

/** @param version Default: the highest. Errors: VARVE_UNSUPPORTED_VERSION, VARVE_INVALID_ARGUMENT. */
export function encodeAssignment(value: AssignmentInput, version = assignment.versions.max): Buffer {
  return encodeVersioned(assignment, value as never, version)
}

function decodeExtensible<Value extends object>(
  schema: Message<Value, never>,
  bytes: Uint8Array,
): Value & { readonly version: number } {
  const version = bytes.byteLength < 2 ? -1 : new ByteReader(bytes).int16()
  if (version < 0) {
    const reason = bytes.byteLength < 2 ? 'it has no version' : `its version is ${version}`
    throw new VarveError('VARVE_INVALID_MESSAGE', `${schema.name} cannot be read: ${reason}.`, {
      details: { message: schema.name, reason },
    })
  }
  const known = Math.min(version, schema.versions.max)
  return { ...schema.decode(bytes, known, { position: 2, trailing: true }), version }
}
