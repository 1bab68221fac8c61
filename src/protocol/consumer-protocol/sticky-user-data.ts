import { array, int32, string, struct } from '../schema/field.ts'
import { message } from '../schema/message.ts'

/**
 * User data of a subscription to the Java client's `sticky` assignor: what the member had. No version stands before it;
 * a reader tries version 1 and then 0.
 */
export const stickyUserData = message('StickyAssignorUserData', {
  versions: '0-1',
  flexible: 'never',
  fields: {
    previousAssignment: array(struct({ topic: string(), partitions: array(int32()) })),
    generation: int32({ versions: '1', default: -1 }),
  },
})

/** The same of `cooperative-sticky`, for readers that do not know the generation in the subscription itself. */
export const cooperativeStickyUserData = message('CooperativeStickyAssignorUserData', {
  versions: '0',
  flexible: 'never',
  fields: {
    generation: int32(),
  },
})
