/** A process that appends to a log until it is killed: `node endless-writer.js <folder> <segment bytes> <records a batch>`. */
import { BatchBuilder, openLog } from '../../src/doors/log.ts'
import { plainInputs } from './workloads.ts'

const [folder, segmentBytes, perBatch] = process.argv.slice(2)
const count = Number(perBatch)
const log = await openLog(folder!, { retentionMs: -1, internalSegmentBytes: Number(segmentBytes) })
const builder = new BatchBuilder()
for (;;) {
  builder.reset()
  for (const input of plainInputs(log.logEndOffset, count)) builder.add(input)
  const { lastOffset } = log.append(builder)
  process.stdout.write(`${lastOffset + 1}\n`)
  // So that flushes and checkpoints in the background run too.
  if (lastOffset % 50 === 49) await new Promise((resolve) => setImmediate(resolve))
}
