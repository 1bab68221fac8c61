import { array, int16, int32, string, struct, uint16, uuid } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** The voters of the quorum and where they listen (KIP-853). */
export const voters = message('VotersRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    version: int16(),
    voters: array(
      struct({
        voterId: int32(),
        voterDirectoryId: uuid(),
        endpoints: array(struct({ name: string(), host: string(), port: uint16() })),
        kRaftVersionFeature: struct({ minSupportedVersion: int16(), maxSupportedVersion: int16() }),
      }),
    ),
  },
})
