import { message } from '../schema/message.ts'

/** Nothing: an idle leader writes one now and then, so that the log end moves on. */
export const noOpRecord = message('NoOpRecord', {
  versions: '0',
  flexible: '0+',
  fields: {},
})
