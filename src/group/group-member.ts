/** A member of a classic group, as its coordinator sees it. */
import type { MemberProtocol, RequestToken } from './group-events.ts'

export interface GroupMember {
  /** A static member that comes back gets a new one. */
  memberId: string
  readonly groupInstanceId: string | null
  clientId: string
  clientHost: string
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  /** In the member's order of preference. Of a member that was read back from the log: the chosen one alone. */
  protocols: readonly MemberProtocol[]
  /** In the last generation whose leader has assigned; empty before. */
  assignment: Uint8Array
  /** The join that waits for an answer. Invariant: a member has a running session timer, or waits for an answer. */
  joinToken: RequestToken | null
  /** The sync that waits for an answer. */
  syncToken: RequestToken | null
  /** It has asked for its assignment of the present generation. */
  synced: boolean
  /** It has been in no generation yet, so it sends no heartbeats. */
  isNew: boolean
  /** See `JoinRequest.skipAssignmentSupported`. */
  skipAssignmentSupported: boolean
}

export const noBytes = new Uint8Array(0)

/** Requests may lie in memory that is used again: what is kept is copied. */
export function copiedProtocols(protocols: readonly MemberProtocol[]): readonly MemberProtocol[] {
  return protocols.map(({ name, metadata }) => ({ name, metadata: new Uint8Array(metadata) }))
}

/** The same protocols in the same order with the same metadata: joining again changes nothing. */
export function sameProtocols(one: readonly MemberProtocol[], other: readonly MemberProtocol[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ name, metadata }, index) => {
      const counterpart = other[index]!
      return name === counterpart.name && sameBytes(metadata, counterpart.metadata)
    })
  )
}

export function metadataFor(member: GroupMember, protocol: string | null): Uint8Array {
  return member.protocols.find(({ name }) => name === protocol)?.metadata ?? noBytes
}

/** Names that every member supports. */
export function sharedProtocols(members: readonly GroupMember[]): Set<string> {
  const [first, ...others] = members
  const shared = new Set(first?.protocols.map(({ name }) => name))
  for (const { protocols } of others) {
    for (const name of shared) if (!protocols.some((protocol) => protocol.name === name)) shared.delete(name)
  }
  return shared
}

/**
 * The protocol of the next generation: each member votes for the first of its own that all support. Of equal votes the
 * lesser name wins, whatever the order of the members; null without members or without a shared protocol.
 */
export function electedProtocol(members: readonly GroupMember[]): string | null {
  const shared = sharedProtocols(members)
  const votes = new Map<string, number>()
  for (const { protocols } of members) {
    const choice = protocols.find(({ name }) => shared.has(name))
    if (choice !== undefined) votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1)
  }
  let elected: string | null = null
  for (const [name, count] of votes) {
    const most = elected === null ? 0 : votes.get(elected)!
    if (elected === null || count > most || (count === most && name < elected)) elected = name
  }
  return elected
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.byteLength === other.byteLength && one.every((byte, index) => byte === other[index])
}
