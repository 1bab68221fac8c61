import { array, boolean, int32, int64, string, uuid } from '../schema/field.ts'
import { message } from '../schema/message.ts'
import { endPoint, featureRange } from './registration.ts'

/** A broker joins the cluster, with a new epoch: the offset of this record. */
export const registerBrokerRecord = message('RegisterBrokerRecord', {
  versions: '0-4',
  flexible: '0+',
  fields: {
    brokerId: int32(),
    isMigratingZkBroker: boolean({ versions: '2+' }),
    /** Made anew at each start of the process. */
    incarnationId: uuid(),
    brokerEpoch: int64(),
    endPoints: array(endPoint),
    features: array(featureRange),
    rack: string({ nullable: '0+' }),
    /** Registered, but not to be used before an UnfenceBroker or a BrokerRegistrationChange record says so. */
    fenced: boolean({ default: true }),
    inControlledShutdown: boolean({ versions: '1+' }),
    /** Ids of its data folders: `directory.id` of their meta.properties. */
    logDirs: array(uuid(), { versions: '3+', tag: 0 }),
    /** Those that take no new partitions (KIP-1066). */
    cordonedLogDirs: array(uuid(), { versions: '4+', nullable: '4+', default: null, tag: 1 }),
  },
})
