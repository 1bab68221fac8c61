/**
 * `partition.metadata`: which topic a partition folder belongs to. Exactly `version: 0\ntopic_id: <22 characters>`,
 * without a newline at the end; the id is the same in all partitions of a topic. Pure.
 */
import { VarveError } from '../errors.ts'

export const partitionMetadataName = 'partition.metadata'

/** 16 bytes as base64url without padding. The last character carries 2 bits of its 6: four spellings are valid. */
export function isTopicId(text: string): boolean {
  return /^[A-Za-z0-9_-]{21}[AQgw]$/.test(text)
}

export function encodePartitionMetadata(topicId: string): string {
  if (!isTopicId(topicId))
    throw new VarveError('VARVE_INVALID_ARGUMENT', `"${topicId}" is no topic id: it takes 22 base64url characters.`)
  return `version: 0\ntopic_id: ${topicId}`
}

/** The topic id. Throws `VARVE_CORRUPT` for any other text (a newline at the end is let through, for editors' sake). */
export function decodePartitionMetadata(text: string): string {
  const match = /^version: 0\ntopic_id: (\S+)\n?$/.exec(text)
  if (match === null || !isTopicId(match[1]!))
    throw new VarveError('VARVE_CORRUPT', `${partitionMetadataName} holds no topic id of version 0.`)
  return match[1]!
}
