import { int32, int64 } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** A broker leaves the cluster for good. */
export const unregisterBrokerRecord = message('UnregisterBrokerRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    brokerId: int32(),
    brokerEpoch: int64(),
  },
})
