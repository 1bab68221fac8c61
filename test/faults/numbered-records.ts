/**
 * Records whose bytes follow from their offsets, so that a reader needs no list of what was written to tell a record
 * that was lost, moved, changed or made up.
 */
import { BatchBuilder, type Log, type ReadRequest } from '../../src/doors/log.ts'
import type { Random } from './random.ts'

const filler = 'abcdefghijklmnopqrstuvwxyz0123456789'.repeat(64)

/** The value of the record at an offset: 10 to 2,000 bytes, most of them short. */
export function valueAt(offset: number): string {
  const mixed = Math.imul(offset ^ 0x5bd1e995, 0x2c1b3c6d) >>> 0
  const bytes = mixed % 8 === 0 ? 200 + ((mixed >>> 8) % 1800) : 10 + ((mixed >>> 8) % 100)
  return `${offset}:${filler.slice(mixed % 36, (mixed % 36) + bytes)}`
}

/** A batch for the log's end. Timestamps rise with offsets. */
export function numberedBatch(baseOffset: number, recordCount: number, startMs: number): BatchBuilder {
  const builder = new BatchBuilder()
  for (let offset = baseOffset; offset < baseOffset + recordCount; offset++) {
    builder.add({ key: `k${offset % 100}`, value: valueAt(offset), timestamp: startMs + offset })
  }
  return builder
}

/** How many records the next batch has: mostly one, now and then many. */
export const drawRecordCount = (random: Random): number => (random.oneIn(3) ? random.between(2, 40) : 1)

/**
 * Reads all records from an offset to the log's end, and compares each with what belongs there.
 * @throws at the first that is missing, out of place or different.
 */
export function checkNumbered(
  log: Pick<Log, 'read' | 'logStartOffset' | 'logEndOffset'>,
  from = log.logStartOffset,
  request: ReadRequest = {},
): void {
  const { logEndOffset } = log
  for (let next = from; next < logEndOffset; ) {
    const run = log.read(next, request)
    for (const batch of run) {
      for (const record of batch) {
        if (record.offset < from) continue
        if (record.offset !== next) throw new Error(`record ${record.offset} came where ${next} belongs`)
        if (record.text() !== valueAt(next)) throw new Error(`record ${next} is not what was appended`)
        next++
      }
    }
    if (run.nextOffset !== next) throw new Error(`after ${next - 1} a read goes on at ${run.nextOffset}`)
    if (run.batchCount === 0) throw new Error(`nothing can be read at ${next}, and the log ends at ${logEndOffset}`)
  }
}
