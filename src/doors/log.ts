/**
 * `varve/log`: one partition log in one folder, synchronous where it can be. For people who build engines of their own.
 */
import { addon } from '../storage/native/loader.ts'

export type { Clock, Timer } from '../env/clock.ts'
export type { Logger } from '../env/logger.ts'
export { type ErrorCode, VarveError } from '../errors.ts'
export type { Appendable } from '../log/batch-input.ts'
export type { BatchRun } from '../log/batch-run.ts'
export type { FollowOptions } from '../log/follow.ts'
export type { AppendAck, Durability, Log, LogStats, ReadRequest } from '../log/log.ts'
export type { AppendResult } from '../log/log-appender.ts'
export type { LogReader } from '../log/log-reader.ts'
export type { RecoveryProgress } from '../log/recovery.ts'
export type { TimestampedOffset } from '../log/timestamp-lookup.ts'
export type { RecordBatch } from '../record/record-batch.ts'
export type { LogSettingOptions, LogSettings } from '../settings/log-settings.ts'
export { type OpenOptions, openLog, type ReadOptions, type WriteOptions } from '../store/open-log.ts'
export { BatchBuilder, type BatchBuilderOptions } from './record.ts'

// Without an addon nothing here works: better to say so at the import than at the first call.
addon()
