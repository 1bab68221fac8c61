import { id64, int32, int64 } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** A broker takes a block of producer ids: all below `nextProducerId` are given away. */
export const producerIdsRecord = message('ProducerIdsRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    brokerId: int32(),
    brokerEpoch: int64({ default: -1 }),
    nextProducerId: id64(),
  },
})
