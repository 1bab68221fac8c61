/**
 * Metadata that varve does not act on and must not lose: quotas, access control, passwords, tokens, and records of types
 * that are not known here. Each is kept as the record that made it, until another takes its place or removes it. Pure.
 */
import type { MetadataRecord } from '../protocol/metadata-log/metadata-records.ts'

/** Of these, those that go before the producer ids in Kafka's snapshots. */
const beforeProducerIds: ReadonlySet<string> = new Set(['ClientQuotaRecord'])

export class KeptRecords {
  /** By what a later record of the same thing names it with. */
  readonly #records = new Map<string, MetadataRecord>()
  /** Of types that are not known: all of them, in order, since any may depend on those before. */
  readonly #unknown: Uint8Array[] = []

  fold(record: MetadataRecord): void {
    const key = keyOf(record)
    if (isRemoval(record)) this.#records.delete(key)
    else this.#records.set(key, keep(record))
  }

  /** The value of a record that cannot be read. The bytes are copied. */
  addUnknown(bytes: Uint8Array): void {
    this.#unknown.push(Uint8Array.from(bytes))
  }

  get before(): MetadataRecord[] {
    return [...this.#records.values()].filter(({ type }) => beforeProducerIds.has(type))
  }

  get behind(): MetadataRecord[] {
    return [...this.#records.values()].filter(({ type }) => !beforeProducerIds.has(type))
  }

  get unknown(): readonly Uint8Array[] {
    return this.#unknown
  }
}

/** What names the thing that a record is about; the same for the record that removes it. */
function keyOf(record: MetadataRecord): string {
  switch (record.type) {
    case 'ClientQuotaRecord': {
      const { entity, key } = record.value
      const parts = entity.map(({ entityType, entityName }) => [entityType, entityName]).sort()
      return JSON.stringify(['quota', parts, key])
    }
    case 'AccessControlEntryRecord':
    case 'RemoveAccessControlEntryRecord':
      return JSON.stringify(['access', record.value.id])
    case 'UserScramCredentialRecord':
    case 'RemoveUserScramCredentialRecord':
      return JSON.stringify(['scram', record.value.name, record.value.mechanism])
    case 'DelegationTokenRecord':
    case 'RemoveDelegationTokenRecord':
      return JSON.stringify(['token', record.value.tokenId])
    default:
      return JSON.stringify([record.type])
  }
}

function isRemoval(record: MetadataRecord): boolean {
  switch (record.type) {
    case 'ClientQuotaRecord':
      return record.value.remove
    case 'RemoveAccessControlEntryRecord':
    case 'RemoveUserScramCredentialRecord':
    case 'RemoveDelegationTokenRecord':
      return true
    default:
      return false
  }
}

/** Bytes in a decoded record are slices of what was read, which may be a whole segment's: they get memory of their own. */
function keep(record: MetadataRecord): MetadataRecord {
  if (record.type !== 'UserScramCredentialRecord') return record
  const { salt, storedKey, serverKey } = record.value
  const value = {
    ...record.value,
    salt: Buffer.from(salt),
    storedKey: Buffer.from(storedKey),
    serverKey: Buffer.from(serverKey),
  }
  return { ...record, value }
}
