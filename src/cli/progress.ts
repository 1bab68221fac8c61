/**
 * A progress bar on standard error, drawn only when that is a terminal: a log file or a pipe gets nothing of it.
 */
import type { WriteStream } from 'node:tty'
import { bytesText } from './text.ts'

const redrawMs = 100
const barCells = 24

export class ProgressBar {
  readonly #stream: WriteStream | null
  readonly #label: string
  /** 0 when it is not known. */
  readonly #total: number
  readonly #startedMs = performance.now()
  #done = 0
  #drawnMs = 0

  /** @param total Bytes to come; 0 when that is not known. */
  constructor(label: string, total: number, quiet = false, stream: WriteStream = process.stderr) {
    this.#stream = stream.isTTY && !quiet ? stream : null
    this.#label = label
    this.#total = total
  }

  add(bytes: number): void {
    this.#done += bytes
    if (this.#stream === null) return
    const now = performance.now()
    if (now - this.#drawnMs < redrawMs) return
    this.#drawnMs = now
    const rate = this.#done / Math.max(0.001, (now - this.#startedMs) / 1000)
    const share = this.#total === 0 ? 0 : Math.min(1, this.#done / this.#total)
    const cells = Math.round(share * barCells)
    const bar =
      this.#total === 0 ? '' : ` [${'#'.repeat(cells)}${'.'.repeat(barCells - cells)}] ${Math.floor(share * 100)}%`
    this.#stream.write(`\r\x1b[K${this.#label}${bar} ${bytesText(this.#done)}, ${bytesText(rate)}/s`)
  }

  /** Takes the bar away. */
  end(): void {
    this.#stream?.write('\r\x1b[K')
  }
}
