/** A process that owns a table of tails: publishes each number it is sent as an end position; 0 ends it. */
import { TailCell } from '../../../../src/storage/native/addon.ts'
import { addon } from '../../../../src/storage/native/loader.ts'

const native = addon()
const tails = native.tailsOpen(0, process.argv[2]!, true)
if (tails === 0) throw new Error(native.lastError().message)
const slot = native.tailsSlot(tails, 'log')

// A parent whose test failed half-way sends nothing any more; its channel alone would keep both of us alive.
setTimeout(() => process.exit(1), 60_000)
process.on('disconnect', () => process.exit(1))

process.on('message', (endPosition: number) => {
  if (endPosition === 0) process.exit(0)
  native.tailRead(tails, slot)
  native.cells[TailCell.endPosition] = endPosition
  native.tailPublish(tails, slot)
  native.tailWake(tails, slot)
})
process.send!('ready')
