import { string } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** A delegation token is removed. */
export const removeDelegationTokenRecord = message('RemoveDelegationTokenRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    tokenId: string(),
  },
})
