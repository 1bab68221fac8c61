import { array, boolean, int32, uuid } from '../schema/field.ts'
import { message } from '../schema/message.ts'
import { endPoint, featureRange } from './registration.ts'

/** A controller tells where it listens and which feature levels it knows. */
export const registerControllerRecord = message('RegisterControllerRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    controllerId: int32(),
    /** Made anew at each start of the process. */
    incarnationId: uuid(),
    zkMigrationReady: boolean(),
    endPoints: array(endPoint),
    features: array(featureRange),
  },
})
