import { int8, string, uuid } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** An access control entry is added. The numbers are those of the ACL requests. */
export const accessControlEntryRecord = message('AccessControlEntryRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    id: uuid(),
    resourceType: int8(),
    resourceName: string(),
    patternType: int8(),
    principal: string(),
    host: string(),
    operation: int8(),
    permissionType: int8(),
  },
})
