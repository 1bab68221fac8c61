import { int8, string } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** A user's credential for one mechanism is removed. */
export const removeUserScramCredentialRecord = message('RemoveUserScramCredentialRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    name: string(),
    mechanism: int8(),
  },
})
