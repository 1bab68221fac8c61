import { int8, string } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/** A setting of a topic, a broker or a group is set, or with null dropped. */
export const configRecord = message('ConfigRecord', {
  versions: '0',
  flexible: '0+',
  fields: {
    /** 2 topic, 4 broker, 16 client metrics, 32 group. */
    resourceType: int8(),
    /** Empty for all brokers. */
    resourceName: string(),
    name: string(),
    value: string({ nullable: '0+' }),
  },
})
