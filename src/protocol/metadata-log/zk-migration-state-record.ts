import { int8 } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** How far a cluster has left ZooKeeper; 0, none, in new ones. */
export const zkMigrationStateRecord = message('ZkMigrationStateRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    zkMigrationState: int8(),
  },
})
