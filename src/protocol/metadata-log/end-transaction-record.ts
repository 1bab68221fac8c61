import { message } from '../schema/message.ts'

/** The records since the `BeginTransactionRecord` count. */
export const endTransactionRecord = message('EndTransactionRecord', {
  versions: '0',
  flexible: '0+',
  fields: {},
})
