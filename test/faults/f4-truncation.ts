// A segment cut at every byte: of 64 batches, those that are whole stay, and the cut ones go, whatever stands behind.
//
// Step = 3 * length + tail: the segment's first `length` bytes, followed by nothing, by zeros, or by garbage. The log is
// opened as after a crash without a checkpoint, then appended to and opened once more.
import assert from 'node:assert/strict'
import { segmentFileName } from '../../src/storage/segment-names.ts'
import { openLog } from '../../src/store/open-log.ts'
import { Random } from './random.ts'
import { eachStep, type FaultRow } from './row.ts'
import { batchOf, diskOf, freeDisk } from './simulated-folder.ts'
import { readStoredLog, storedBatches } from './stored-log.ts'
import { folder, startMs } from './workload.ts'

const batchCount = 64
const segmentBytes = 16 * 1024
const tails = ['nothing', 'zeros', 'garbage'] as const

const segment = Buffer.concat(
  Array.from({ length: batchCount }, (_, i) =>
    batchOf(
      Array.from({ length: 1 + (i % 2) }, (_, k) => `value ${i} ${k}`),
      startMs + i,
    ).build({ baseOffset: i + Math.floor(i / 2) }),
  ),
)
const whole = storedBatches(segment)
const steps = tails.length * (segment.length + 1)

function tailOf(kind: (typeof tails)[number], length: number, step: number): Uint8Array {
  const bytes = Buffer.alloc(kind === 'nothing' ? 0 : Math.min(4096, segmentBytes - length))
  const random = new Random(step)
  if (kind === 'garbage') for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256)
  return bytes
}

export const row: FaultRow = {
  id: 'F4',
  title: 'truncation at every byte',
  unit: 'lengths',
  gate: 2 * steps,
  long: 2 * steps,
  variants: ['mapped', 'pwrite'],
  seenToFailOn:
    'a recovery that sets the end one byte behind the last whole batch (recovery.ts: setEnd(end.position + 1, ...))',
  async run(options) {
    await eachStep(options, async (step) => {
      const kind = tails[step % tails.length]!
      const length = Math.floor(step / tails.length)
      const bytes = Buffer.concat([segment.subarray(0, length), tailOf(kind, length, step)])
      const disk = diskOf(new Map([[segmentFileName(0, 'log'), bytes]]), folder)
      const settings = { disk, internalSegmentBytes: segmentBytes, indexIntervalBytes: 300 }
      let position = 0
      const expected = whole.filter(({ sizeBytes }) => {
        position += sizeBytes
        // A batch whose last bytes are zero is whole again where zeros follow.
        return bytes.subarray(0, position).equals(segment.subarray(0, position))
      })
      const end = expected.at(-1)?.nextOffset ?? 0

      const log = await openLog(folder, settings)
      assert.deepEqual(readStoredLog(log), { logStartOffset: 0, logEndOffset: end, batches: expected }, kind)
      // The end is where it should be to the byte: the next batch stands there, and no other behind it.
      const appended = log.append(batchOf(['next', 'batch']))
      assert.deepEqual(appended, { baseOffset: end, lastOffset: end + 1 })
      const { batches } = readStoredLog(log)
      assert.equal(batches.length, expected.length + 1)
      await log.close()
      const size = expected.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      assert.equal(disk.stat(`${folder}/${segmentFileName(0, 'log')}`)!.size, size + batches.at(-1)!.sizeBytes)
      const again = await openLog(folder, settings)
      assert.deepEqual(readStoredLog(again), { logStartOffset: 0, logEndOffset: end + 2, batches })
      await again.close()
      freeDisk(disk)
    })
  },
}
