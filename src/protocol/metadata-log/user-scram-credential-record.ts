import { bytes, int8, int32, string } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** What a user's password is checked with (RFC 5802). */
export const userScramCredentialRecord = message('UserScramCredentialRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    name: string(),
    /** 1 SCRAM-SHA-256, 2 SCRAM-SHA-512. */
    mechanism: int8(),
    salt: bytes(),
    storedKey: bytes(),
    serverKey: bytes(),
    iterations: int32(),
  },
})
