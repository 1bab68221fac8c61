import { array, int16, int32, struct, uuid } from '../schema/field.ts'
import { message } from '../schema/message.ts'

const voter = struct({ voterId: int32(), voterDirectoryId: uuid({ versions: '1+' }) })

/** Who leads the metadata quorum from here on; the first record of its term. */
export const leaderChange = message('LeaderChangeMessage', {
  versions: '0-1',
  flexible: '0+',
  fields: {
    version: int16(),
    leaderId: int32(),
    voters: array(voter),
    /** Those whose votes made it leader. */
    grantingVoters: array(voter),
  },
})
