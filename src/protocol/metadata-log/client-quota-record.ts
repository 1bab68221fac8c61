import { array, boolean, float64, string, struct } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** A quota of users, client ids or addresses is set or removed. */
export const clientQuotaRecord = message('ClientQuotaRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    entity: array(
      struct({
        /** `user`, `client-id` or `ip`. */
        entityType: string(),
        /** null is the default of the type. */
        entityName: string({ nullable: '0+' }),
      }),
    ),
    key: string(),
    value: float64(),
    remove: boolean(),
  },
})
