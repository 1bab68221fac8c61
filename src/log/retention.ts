/**
 * Which of the oldest segments may go: by age, by total size, by log start offset. Kafka's rules, from numbers alone.
 */
export type RetentionReason = 'time' | 'size' | 'log-start'

export interface RetentionLimits {
  /** `retention.ms`; negative for no limit. */
  retentionMs: number
  /** `retention.bytes`; negative for no limit. */
  retentionBytes: number
  /** `cleanup.policy` contains `delete`; else segments go by log start offset only. */
  deleteOld: boolean
}

export interface RetentionSegment {
  baseOffset: number
  sizeBytes: number
  /** Largest record timestamp in it; -1 for none. */
  maxTimestamp: number
  /** When its file last changed (wall time): its age if no record has a timestamp. */
  modifiedMs: number
}

export interface RetentionLog {
  /** Lowest offset that may be read. */
  logStartOffset: number
  /** Exclusive. */
  logEndOffset: number
  /** Nothing at or past it is deleted. A log without replicas passes its log end. */
  highWatermark: number
}

export interface RetentionPlan {
  /** Why each of the oldest segments goes, oldest first; its length is how many. */
  reasons: RetentionReason[]
  /** All segments go: roll first, so that an empty active segment at the log end stays. */
  rollFirst: boolean
  /** The log start once they are gone; never lower than before. */
  logStartOffset: number
}

/**
 * @param segments All segments, oldest first; the last one is active.
 * @param nowMs A time that may be trusted with deleting: see `retention-clock.ts`.
 */
export function planRetention(
  segments: readonly RetentionSegment[],
  log: RetentionLog,
  limits: RetentionLimits,
  nowMs: number,
): RetentionPlan {
  let totalBytes = 0
  for (const segment of segments) totalBytes += segment.sizeBytes
  const reasons: RetentionReason[] = []
  // The three rules are asked of the oldest segment again and again, so that one rule never skips over a segment.
  for (const segment of segments) {
    const next = segments[reasons.length + 1]
    if (next === undefined && segment.sizeBytes === 0) break // the empty active one stays
    if ((next?.baseOffset ?? log.logEndOffset) > log.highWatermark) break
    const reason = reasonToDelete(segment, next, totalBytes, log, limits, nowMs)
    if (reason === undefined) break
    reasons.push(reason)
    totalBytes -= segment.sizeBytes
  }
  const rollFirst = reasons.length > 0 && reasons.length === segments.length
  const firstOffset = rollFirst ? log.logEndOffset : (segments[reasons.length]?.baseOffset ?? log.logStartOffset)
  return {
    reasons,
    rollFirst,
    logStartOffset: reasons.length > 0 ? Math.max(log.logStartOffset, firstOffset) : log.logStartOffset,
  }
}

function reasonToDelete(
  segment: RetentionSegment,
  next: RetentionSegment | undefined,
  totalBytes: number,
  log: RetentionLog,
  limits: RetentionLimits,
  nowMs: number,
): RetentionReason | undefined {
  if (next !== undefined && next.baseOffset <= log.logStartOffset) return 'log-start'
  if (!limits.deleteOld) return undefined
  const newestMs = segment.maxTimestamp >= 0 ? segment.maxTimestamp : segment.modifiedMs
  if (limits.retentionMs >= 0 && nowMs - newestMs > limits.retentionMs) return 'time'
  // What stays must still be at least retention.bytes: the limit is kept from above.
  if (limits.retentionBytes >= 0 && totalBytes - segment.sizeBytes >= limits.retentionBytes) return 'size'
  return undefined
}
