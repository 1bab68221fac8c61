import { array, int64, string } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** A delegation token is made or renewed. Times are in milliseconds since 1970. */
export const delegationTokenRecord = message('DelegationTokenRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    owner: string(),
    requester: string(),
    renewers: array(string()),
    issueTimestamp: int64(),
    maxTimestamp: int64(),
    expirationTimestamp: int64(),
    tokenId: string(),
  },
})
