/**
 * Reads what Kafka's dump tool prints. Its exit code proves nothing, and `--index-sanity-check` passes an index whose
 * positions are all wrong: only the text tells.
 */

export interface DumpedBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly count: number
  readonly baseSequence: number
  readonly lastSequence: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly leaderEpoch: number
  readonly transactional: boolean
  readonly control: boolean
  readonly position: number
  readonly timestampType: string
  readonly timestamp: number
  readonly size: number
  readonly codec: string
  readonly valid: boolean
  readonly records: DumpedRecord[]
}

export interface DumpedRecord {
  readonly offset: number
  readonly timestamp: number
  /** -1 for null. */
  readonly keySize: number
  readonly valueSize: number
  readonly sequence: number
  /** Names with commas between. */
  readonly headerNames: string
  /** 'key: <text> payload: <text>' (up to a line break in it), or for a marker 'endTxnMarker: <type> coordinatorEpoch: <n>'. */
  readonly text: string
}

const batchLine = new RegExp(
  [
    /^baseOffset: (\d+) lastOffset: (\d+) count: (\d+) baseSequence: (-?\d+) lastSequence: (-?\d+)/,
    / producerId: (-?\d+) producerEpoch: (-?\d+) partitionLeaderEpoch: (\d+) isTransactional: (\w+) isControl: (\w+)/,
    / deleteHorizonMs: \S+ position: (\d+) (\w+): (-?\d+) size: (\d+) magic: 2 compresscodec: (\w+) crc: \d+ isvalid: (\w+)$/,
  ]
    .map(({ source }) => source)
    .join(''),
)

const recordLine =
  /^\| offset: (\d+) (?:\w+: )?(-?\d+) keySize: (-?\d+) valueSize: (-?\d+) sequence: (-?\d+) headerKeys: \[(.*?)\] ?(.*)$/s

/** Batches of `.log` files, in the order of the output. */
export function parseBatches(output: string): DumpedBatch[] {
  const batches: DumpedBatch[] = []
  for (const line of output.split('\n')) {
    const batch = batchLine.exec(line)
    const record = recordLine.exec(line)
    if (batch !== null) {
      const number = (group: number): number => Number(batch[group])
      batches.push({
        baseOffset: number(1),
        lastOffset: number(2),
        count: number(3),
        baseSequence: number(4),
        lastSequence: number(5),
        producerId: number(6),
        producerEpoch: number(7),
        leaderEpoch: number(8),
        transactional: batch[9] === 'true',
        control: batch[10] === 'true',
        position: number(11),
        timestampType: batch[12]!,
        timestamp: number(13),
        size: number(14),
        codec: batch[15]!,
        valid: batch[16] === 'true',
        records: [],
      })
    } else if (record !== null) {
      const number = (group: number): number => Number(record[group])
      batches.at(-1)?.records.push({
        offset: number(1),
        timestamp: number(2),
        keySize: number(3),
        valueSize: number(4),
        sequence: number(5),
        headerNames: record[6]!,
        text: record[7]!,
      })
    }
  }
  return batches
}

/** `name: value` pairs of the lines about `.txnindex` entries or producers of a snapshot. */
export function parsePairs(output: string): Record<string, string>[] {
  return output
    .split('\n')
    .filter((line) => /^(?:version|producerId): /.test(line))
    .map((line) => Object.fromEntries([...line.matchAll(/(\w+): (\S+)/g)].map(([, name, value]) => [name!, value!])))
}

const badWords =
  /invalid bytes|isvalid: false|Mismatch|Exception|out of order|not found|Index offset|Could not|corrupt/i

/** Lines of the output that tell of damage, and a line for every file that the tool did not come to. */
export function dumpFaults(output: string, files: readonly string[]): string[] {
  const faults = output.split('\n').filter((line) => badWords.test(line) && !line.startsWith('| '))
  for (const file of files) if (!output.includes(`Dumping ${file}`)) faults.push(`${file} was not dumped`)
  return faults
}
