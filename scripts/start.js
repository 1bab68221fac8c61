// `npm start`: the whole way of a record, on files that are at hand. Imports every text file that the install brought
// into ./data, reads the records back, and compares every byte with the files.
import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exportRecords } from '../dist/src/cli/export.js'
import { describe, importFiles } from '../dist/src/cli/import.js'
import { bytesText, count, countOf, secondsText } from '../dist/src/cli/text.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'data')
const probe = Buffer.alloc(8192)

/** Git's rule: a file is text when its first bytes hold no NUL. */
function isText(path) {
  const descriptor = openSync(path, 'r')
  try {
    return !probe.subarray(0, readSync(descriptor, probe)).includes(0)
  } finally {
    closeSync(descriptor)
  }
}

function* textFilesIn(folder) {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* textFilesIn(path)
    else if (entry.isFile() && isText(path)) yield path
  }
}

/** Takes the exported bytes and holds them against the files, one after another. */
class Comparison {
  #files
  #index = 0
  #descriptor = -1
  #buffer = Buffer.alloc(1024 * 1024)
  bytes = 0

  constructor(files) {
    this.#files = files
  }

  accept(exported) {
    for (let at = 0; at < exported.length; ) {
      const wanted = Math.min(this.#buffer.length, exported.length - at)
      const length = this.#read(wanted)
      if (length === 0) throw new Error(`the log holds more than the files do, from byte ${this.bytes} on`)
      if (!this.#buffer.subarray(0, length).equals(exported.subarray(at, at + length)))
        throw new Error(`${this.#files[this.#index]} and the log differ`)
      at += length
      this.bytes += length
    }
  }

  /** Throws unless the files end here too. */
  end() {
    if (this.#read(1) > 0) throw new Error(`the log ends before ${this.#files[this.#index]} does`)
  }

  /** Bytes of the current file, or of the next one that has any; 0 after the last. */
  #read(wanted) {
    for (; this.#index < this.#files.length; this.#index++) {
      if (this.#descriptor < 0) this.#descriptor = openSync(this.#files[this.#index], 'r')
      const length = readSync(this.#descriptor, this.#buffer, 0, wanted, null)
      if (length > 0) return length
      closeSync(this.#descriptor)
      this.#descriptor = -1
    }
    return 0
  }
}

const files = [...textFilesIn(join(root, 'node_modules'))]
const summary = await importFiles(folder, files)
for (const line of describe(summary)) console.log(line)

const comparison = new Comparison(files)
const sink = { bytes: (bytes) => comparison.accept(bytes), drain: async () => {} }
const startedMs = performance.now()
const records = await exportRecords(folder, { from: summary.baseOffset, to: summary.endOffset }, sink)
comparison.end()
const seconds = (performance.now() - startedMs) / 1000
if (records !== summary.records) throw new Error(`${summary.records} records went in, ${records} came out`)

console.log(
  `read back and compared ${countOf(records, 'record')}: every one of ${count(comparison.bytes)} bytes is the same ` +
    `(${count(Math.round(records / seconds))} records/s, ${bytesText(comparison.bytes / seconds)}/s, in ${secondsText(seconds)})`,
)
console.log(`the log is in ${folder}: \`npx varve verify data\` checks it, \`npx varve dump data\` shows it`)
