/**
 * zstd decoding in plain JavaScript, for Node versions without it (before 22.15), fenced in on three sides.
 *
 * - Output: counted as it comes, block by block, and stopped at the limit.
 * - Memory: `fzstd` takes memory for the window that a header claims (up to 2 GiB), and moves all of it for every block.
 *   No match can reach further back than there is output, so the claim is cut down to that first.
 * - Time: `fzstd` does not check a block's output size while it decodes. A block of 128 KiB can ask for 8 GB of byte
 *   copies, all beyond the end of its buffer and without effect. A watchdog ends that.
 */
import { createContext, Script } from 'node:vm'
import { Decompress } from 'fzstd'
import { badInput, overLimit } from './codec-errors.ts'
import { windowDescriptorFor, type ZstdFrame } from './zstd-frame.ts'

/** Generous, since a machine may stall: 10 MB/s is a tenth of what `fzstd` does, on top of half a second. */
const timeBaseMs = 500
const bytesPerMs = 10_000
/** Up to here the worst input takes some 50 ms, and the watchdog, a thread each time, is not worth its cost. */
const harmlessBytes = 512
const harmlessOutputBytes = 1024 * 1024

let watched: { context: { task: () => void }; script: Script } | undefined

/** @param frame What `readZstdFrame` says of `bytes`. */
export function decompressWithinBounds(bytes: Uint8Array, frame: ZstdFrame, maxBytes: number): Uint8Array {
  const outputMax = Math.min(frame.bound, maxBytes)
  const parts: Uint8Array[] = []
  let total = 0
  const task = (): void => {
    const decoder = new Decompress((part) => {
      total += part.byteLength
      if (total > maxBytes) throw overLimit('zstd', maxBytes)
      parts.push(part)
    })
    decoder.push(withSmallWindow(bytes, frame, outputMax), true)
  }
  if (bytes.byteLength <= harmlessBytes && outputMax <= harmlessOutputBytes) {
    task()
  } else {
    watch(task, timeBaseMs + Math.ceil(outputMax / bytesPerMs))
  }
  if (frame.contentBytes !== undefined && frame.contentBytes !== total) {
    throw badInput('zstd', `it declares ${frame.contentBytes} bytes and holds ${total}`)
  }
  return Buffer.concat(parts, total)
}

function withSmallWindow(bytes: Uint8Array, frame: ZstdFrame, outputMax: number): Uint8Array {
  if (frame.windowAt < 0 || frame.windowBytes <= outputMax) return bytes
  const copy = Uint8Array.from(bytes)
  copy[frame.windowAt] = Math.min(windowDescriptorFor(outputMax), bytes[frame.windowAt]!)
  return copy
}

/** Runs a task on this thread and ends it after a time, wherever it is. */
function watch(task: () => void, timeoutMs: number): void {
  if (watched === undefined) {
    const context = { task }
    createContext(context)
    watched = { context, script: new Script('task()') }
  }
  watched.context.task = task
  try {
    watched.script.runInContext(watched.context, { timeout: timeoutMs })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') {
      throw badInput('zstd', `it keeps the decoder busy for more than ${timeoutMs} ms`, error)
    }
    throw error
  } finally {
    watched.context.task = idle
  }
}

function idle(): void {}
