import { int16, int64 } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** First record of a `.checkpoint` file. */
export const snapshotHeader = message('SnapshotHeaderRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    version: int16(),
    /** Of the last batch that the snapshot covers, in milliseconds since 1970. */
    lastContainedLogTimestamp: int64(),
  },
})
