import { string } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** The records up to the next `EndTransactionRecord` count together or not at all (KIP-868). */
export const beginTransactionRecord = message('BeginTransactionRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    name: string({ nullable: '0+', default: null, tag: 0 }),
  },
})
