/**
 * `quorum-state` in `__cluster_metadata-0`: who leads the metadata quorum in which term, as the node knew it last. Kafka
 * writes it on one line, and makes it anew from the log where it is missing. Pure.
 */

export const quorumStateName = 'quorum-state'

export interface QuorumState {
  /** -1 is nobody. */
  readonly leaderId: number
  readonly leaderEpoch: number
  /** Ids, of a quorum whose voters stand in the configuration (`kraft.version` 0); empty where they stand in the log. */
  readonly voters: readonly number[]
}

/** As Kafka 4.3 writes it for a node that leads. The layout (`data_version`) follows the level of `kraft.version`. */
export function encodeQuorumState({ leaderId, leaderEpoch, voters }: QuorumState, kraftVersion: number): string {
  if (kraftVersion === 0) {
    return JSON.stringify({
      clusterId: '',
      leaderId,
      leaderEpoch,
      votedId: -1,
      appliedOffset: 0,
      currentVoters: voters.map((voterId) => ({ voterId })),
      data_version: 0,
    })
  }
  return JSON.stringify({
    leaderId,
    leaderEpoch,
    votedId: -1,
    votedDirectoryId: 'AAAAAAAAAAAAAAAAAAAAAA',
    data_version: 1,
  })
}

/** Undefined for what is none: the log says the same. */
export function decodeQuorumState(text: string): QuorumState | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { leaderId, leaderEpoch, currentVoters = [] } = value as Record<string, unknown>
  if (!isInt32(leaderId) || !isInt32(leaderEpoch) || leaderEpoch < 0 || !Array.isArray(currentVoters)) return undefined
  const voters = currentVoters.map((voter: unknown) => (voter as { voterId?: unknown } | null)?.voterId)
  return voters.every(isInt32) ? { leaderId, leaderEpoch, voters } : undefined
}

const isInt32 = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) === ((value as number) | 0)
