import { uuid } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** An access control entry is removed. */
export const removeAccessControlEntryRecord = message('RemoveAccessControlEntryRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    id: uuid(),
  },
})
