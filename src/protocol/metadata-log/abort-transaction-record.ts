import { string } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** The records since the `BeginTransactionRecord` do not count. */
export const abortTransactionRecord = message('AbortTransactionRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    reason: string({ nullable: '0+', default: null, tag: 0 }),
  },
})
