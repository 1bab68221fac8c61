import { int16 } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** Last record of a `.checkpoint` file: without it the file is not whole. */
export const snapshotFooter = message('SnapshotFooterRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    version: int16(),
  },
})
