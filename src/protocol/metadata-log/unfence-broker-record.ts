import { int32, int64 } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** A broker may be used. Superseded by `BrokerRegistrationChangeRecord`. */
export const unfenceBrokerRecord = message('UnfenceBrokerRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    id: int32(),
    epoch: int64(),
  },
})
