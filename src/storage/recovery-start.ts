/**
 * From where a log must be checked when it is opened: a choice between varve's own checkpoint and Kafka's text files.
 *
 * Ours is the authority: Kafka's have no checksum, and one flipped digit in a recovery point would skip validation in
 * silence. But a folder may have been a Kafka's meanwhile. Kafka then has written all of its files anew; damage changes
 * one of them. Pure; the result still has to be clamped to what the segments really hold.
 */
import type { LogCheckpoint } from './varve-checkpoint.ts'

/** What Kafka's text files say of one log; undefined where a file does not name it or cannot be read. */
export interface KafkaOffsets {
  recoveryPoint: number | undefined
  logStartOffset: number | undefined
  highWatermark: number | undefined
}

export interface RecoveryStart {
  /** First offset that must be checked. */
  recoveryPoint: number
  /**
   * Where that is, if it may be trusted; the index prefix of the checkpoint then may too, once its CRC is compared.
   * Undefined: check from the start of the segment that holds the recovery point, and make its indexes anew.
   */
  position: { segmentBaseOffset: number; segmentPosition: number } | undefined
  /** Lowest offset that may be read; undefined: that of the first segment. */
  logStartOffset: number | undefined
  /** Undefined: unknown. */
  highWatermark: number | undefined
}

/**
 * Where to start.
 *
 * - No checkpoint of ours: Kafka's word, as Kafka itself takes it; without that, everything is checked.
 * - Kafka's files as we left them: ours.
 * - The recovery points file differs: the lower of both recovery points. Only if more than that file differs has Kafka
 *   been here; then its log start and high watermark are the newer ones, and positions of ours mean nothing.
 * @param changed Which of the two files that Kafka writes at every close are not as we wrote them.
 */
export function recoveryStart(
  own: LogCheckpoint | undefined,
  kafka: KafkaOffsets,
  changed: { recoveryFile: boolean; highWatermarkFile: boolean },
): RecoveryStart {
  if (own === undefined)
    return {
      recoveryPoint: kafka.recoveryPoint ?? 0,
      position: undefined,
      logStartOffset: kafka.logStartOffset,
      highWatermark: kafka.highWatermark,
    }
  const kafkaWroteLast = changed.recoveryFile && changed.highWatermarkFile
  const isKafkaLower =
    changed.recoveryFile && kafka.recoveryPoint !== undefined && kafka.recoveryPoint < own.recoveryPoint
  const { segmentBaseOffset, segmentPosition } = own
  return {
    recoveryPoint: isKafkaLower ? kafka.recoveryPoint! : own.recoveryPoint,
    position: kafkaWroteLast || isKafkaLower ? undefined : { segmentBaseOffset, segmentPosition },
    logStartOffset: kafkaWroteLast ? Math.max(own.logStartOffset, kafka.logStartOffset ?? 0) : own.logStartOffset,
    highWatermark: kafkaWroteLast ? (kafka.highWatermark ?? own.highWatermark) : own.highWatermark,
  }
}
