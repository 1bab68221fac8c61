import { int16, string } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** The cluster finalizes a level of a feature, such as `metadata.version`; 0 drops it. */
export const featureLevelRecord = message('FeatureLevelRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    name: string(),
    featureLevel: int16(),
  },
})
