/**
 * Every error that varve raises, in one table: code, what it means, whether trying again may help, and Kafka's number.
 */
interface ErrorKind {
  readonly meaning: string
  readonly retriable: boolean
  readonly kafkaCode?: number
}

const kind = (meaning: string, retriable = false, kafkaCode?: number): ErrorKind =>
  kafkaCode === undefined ? { meaning, retriable } : { meaning, retriable, kafkaCode }

export const errorKinds = {
  VARVE_INVALID_ARGUMENT: kind('an argument or option has a wrong name, type or value', false, 42),
  VARVE_INVALID_RECORD: kind('a record or batch that was passed in is malformed', false, 87),
  VARVE_INVALID_MESSAGE: kind('the bytes of a message are not what its schema says', false, 42),
  VARVE_UNSUPPORTED_VERSION: kind('a message or record has a type or version that is not known here', false, 35),
  VARVE_CORRUPT: kind('stored bytes fail their checks', false, 2),
  VARVE_IO: kind('the system refused a read, a write or a flush', false, 56),
  VARVE_NO_SPACE: kind('the disk is full; appends resume by themselves when there is space again', true, 56),
  VARVE_NOT_FOUND: kind('a file or folder is not there', false),
  VARVE_EXISTS: kind('a file or folder is there already', false),
  VARVE_PERMISSION: kind('the system denies access', false),
  VARVE_READ_ONLY: kind('the file system or the handle is read-only', false),
  VARVE_NOT_A_FOLDER: kind('a file stands where a folder should be', false),
  VARVE_FOREIGN_FOLDER: kind('the folder holds files that are not a log', false),
  VARVE_LOCKED: kind('another writer has the folder open', true),
  VARVE_FORMAT_TOO_NEW: kind('a file was written by a newer version of varve', false),
  VARVE_BUSY: kind('the log is being truncated, or too much waits already; try again when that is done', true),
  VARVE_CLOSED: kind('the handle is closed', false),
  VARVE_OFFSET_OUT_OF_RANGE: kind('the offset is below the log start or past the log end', false, 1),
  VARVE_OFFSET_MISMATCH: kind('the log does not end where a conditional append expected', false),
  VARVE_NOT_LEADER: kind('the partition is led elsewhere, or by nobody', true, 6),
  VARVE_FENCED_LEADER_EPOCH: kind('the named term of the leader is over', true, 74),
  VARVE_UNKNOWN_LEADER_EPOCH: kind('the named term of the leader has not begun here', true, 75),
  VARVE_UNKNOWN_TOPIC: kind('there is no such topic or partition', true, 3),
  VARVE_UNKNOWN_TOPIC_ID: kind('there is no topic with this id', true, 100),
  VARVE_TOPIC_EXISTS: kind('there is a topic of this name already', false, 36),
  VARVE_INVALID_TOPIC: kind('the name cannot be that of a topic, or collides with another one', false, 17),
  VARVE_INVALID_PARTITIONS: kind('the number of partitions cannot be given to the topic', false, 37),
  VARVE_INVALID_REPLICATION_FACTOR: kind('there are not as many brokers as replicas were asked for', false, 38),
  VARVE_INVALID_REPLICA_ASSIGNMENT: kind('the replicas cannot be placed as asked', false, 39),
  VARVE_INVALID_CONFIG: kind('a setting has an unknown name or a value that is not allowed', false, 40),
  VARVE_POLICY_VIOLATION: kind('the request passes a limit of the store', false, 44),
  VARVE_BUFFER_FULL: kind('the buffer of a producer stayed full for too long', true),
  VARVE_PARTIAL_SEND: kind('some records of one call were appended, and others not', false),
  VARVE_RECORD_TOO_LARGE: kind('a batch is larger than max.message.bytes', false, 10),
  VARVE_SEGMENT_FULL: kind('internal: the batch does not fit the active segment', true),
  VARVE_BUFFER_TOO_SMALL: kind('internal: the first batch does not fit the buffer', true),
  VARVE_TOO_MANY_FILES: kind('no file descriptor is left', true),
  VARVE_NO_MEMORY: kind('no memory is left', true),
  VARVE_UNSUPPORTED: kind('not available on this system, Node version or kind of store', false, 35),
  VARVE_FAILED: kind('an earlier flush failed: the log is offline until it is opened again', false, 56),
  VARVE_TIMED_OUT: kind('what was waited for did not happen in time', true, 7),
  VARVE_OUT_OF_ORDER_SEQUENCE: kind('a producer sequence number does not follow the last one', false, 45),
  VARVE_INVALID_PRODUCER_EPOCH: kind('the producer was replaced by a newer one with the same id', false, 47),
  VARVE_INVALID_TIMESTAMP: kind('a record timestamp is outside of what the log accepts', false, 32),
  VARVE_INVALID_TRANSACTION_STATE: kind('a producer wrote outside of its open transaction', false, 48),
  VARVE_COORDINATOR_FENCED: kind('a transaction marker comes from a coordinator that was replaced', false, 52),
  VARVE_OFFSET_METADATA_TOO_LARGE: kind('the text beside a committed offset is larger than it may be', false, 12),
  VARVE_COORDINATOR_NOT_AVAILABLE: kind('the group could not be written, or is being deleted', true, 15),
  VARVE_ILLEGAL_GENERATION: kind('the member is not in the present generation of its group', false, 22),
  VARVE_INCONSISTENT_GROUP_PROTOCOL: kind('the group has no protocol in common with the member', false, 23),
  VARVE_INVALID_GROUP_ID: kind('a group needs an id', false, 24),
  VARVE_UNKNOWN_MEMBER_ID: kind('the group has no such member', false, 25),
  VARVE_INVALID_SESSION_TIMEOUT: kind('the session timeout is outside of what the coordinator allows', false, 26),
  VARVE_REBALANCE_IN_PROGRESS: kind('the group is being balanced anew: the member should join again', true, 27),
  VARVE_GROUP_NOT_EMPTY: kind('the group has members', false, 68),
  VARVE_GROUP_NOT_FOUND: kind('there is no such group', false, 69),
  VARVE_MEMBER_ID_REQUIRED: kind('join again with the member id that details name', true, 79),
  VARVE_GROUP_FULL: kind('the group has as many members as group.max.size allows', false, 81),
  VARVE_FENCED_INSTANCE_ID: kind('another member has taken over the group instance id', false, 82),
  VARVE_GROUP_SUBSCRIBED: kind('the group is subscribed to the topic', false, 86),
  VARVE_DECOMPRESSION_LIMIT: kind('compressed data expands beyond its limit', false, 87),
  VARVE_NATIVE_MISSING: kind('there is no native addon for this platform', false),
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof errorKinds

export interface VarveErrorOptions {
  details?: Record<string, unknown>
  cause?: unknown
}

/** The one error class. Branch on `code`, never on the text of `message`. */
export class VarveError extends Error {
  readonly code: ErrorCode
  readonly retriable: boolean
  readonly kafkaCode?: number
  readonly details: Readonly<Record<string, unknown>>

  /**
   * @param message What happened, on what, and what to do.
   */
  constructor(code: ErrorCode, message: string, options: VarveErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'VarveError'
    this.code = code
    const { retriable, kafkaCode } = errorKinds[code] as ErrorKind
    this.retriable = retriable
    if (kafkaCode !== undefined) this.kafkaCode = kafkaCode
    this.details = options.details ?? {}
  }
}
