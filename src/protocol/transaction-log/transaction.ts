import { array, id64, int8, int16, int32, int64, string, struct } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** A transactional id. */
export const transactionKey = message('TransactionLogKey', {
  versions: '0',
  flexible: 'never',
  fields: {
    transactionalId: string(),
  },
})

/** Where its transaction stands. */
export const transactionValue = message('TransactionLogValue', {
  versions: '0-1',
  flexible: '1+',
  fields: {
    producerId: id64(),
    /** Before and after the producer id is replaced: when its epochs are used up. */
    previousProducerId: id64({ versions: '1+', default: -1n, tag: 0 }),
    nextProducerId: id64({ versions: '1+', default: -1n, tag: 1 }),
    producerEpoch: int16(),
    nextProducerEpoch: int16({ versions: '1+', default: -1, tag: 3 }),
    transactionTimeoutMs: int32(),
    /** 0 empty, 1 ongoing, 2 prepares to commit, 3 to abort, 4 committed, 5 aborted, 6 dead, 7 prepares to be fenced. */
    transactionStatus: int8(),
    /** null when the transaction has none, in Kafka's own records. */
    transactionPartitions: array(struct({ topic: string(), partitionIds: array(int32()) }), { nullable: '0+' }),
    transactionLastUpdateTimestampMs: int64(),
    /** -1 outside of a transaction. */
    transactionStartTimestampMs: int64(),
    /** 2 has the producer epoch raised by each transaction (KIP-890). */
    clientTransactionVersion: int16({ versions: '1+', tag: 2 }),
  },
})
