import { array, int8, int32, int64, uuid } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** What changes in the state of a registered broker. */
export const brokerRegistrationChangeRecord = message('BrokerRegistrationChangeRecord', {
  versions: '0-3',
  flexible: '0+',
  fields: {
    brokerId: int32(),
    brokerEpoch: int64(),
    /** -1 unfenced, 0 no change, 1 fenced. */
    fenced: int8({ tag: 0 }),
    /** 0 no change, 1 begins. */
    inControlledShutdown: int8({ versions: '1+', tag: 1 }),
    logDirs: array(uuid(), { versions: '2+', tag: 2 }),
    /** null is no change. */
    cordonedLogDirs: array(uuid(), { versions: '3+', nullable: '3+', default: null, tag: 3 }),
  },
})
