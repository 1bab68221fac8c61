/** The records of `__transaction_state`: where each transactional id stands. */
import { type KeyedRecord, KeyedRecords } from '../schema/keyed-record.ts'
import { transactionKey, transactionValue } from './transaction.ts'

export const transactionRecords = new KeyedRecords('__transaction_state', {
  Transaction: { key: transactionKey, value: transactionValue },
})

export type TransactionRecord = KeyedRecord<typeof transactionRecords.kinds>
