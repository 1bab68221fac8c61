/** dump, verify and repair on folders that Kafka wrote and on damaged copies of them. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../conformance/temporary-folder.ts'
import { goldenMetadataPath, goldenPartitions, goldenPath, readExpected } from '../golden/golden-folders.ts'
import { varve } from './run-varve.ts'

const logName = '00000000000000000000.log'
const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

describe('varve verify', () => {
  const folder = temporaryFolder()
  const copy = (partition: string): string => {
    const path = join(folder(), partition)
    cpSync(goldenPath('clean', partition), path, { recursive: true })
    return path
  }
  /** Names, sizes and times: nothing is written, renamed or touched. */
  const facts = (path: string): string =>
    readdirSync(path, { withFileTypes: true })
      .map((entry) => {
        const own = join(path, entry.name)
        const { size, mtimeMs, ino } = statSync(own)
        return `${entry.name} ${size} ${mtimeMs} ${ino}${entry.isDirectory() ? facts(own) : ''}`
      })
      .join('\n')

  for (const state of ['clean', 'recovered'] as const)
    it(`passes what Kafka wrote: ${state}, and changes nothing`, () => {
      const before = facts(goldenPath(state))
      const { code, text, stderr } = varve(['verify', goldenPath(state)])
      assert.deepEqual([code, stderr], [0, ''])
      assert.match(text, /everything passes its checks/)
      for (const partition of goldenPartitions(state)) assert.ok(text.includes(`\n${partition}: `), partition)
      assert.equal(facts(goldenPath(state)), before)
    })

  it('tells the torn batch of a killed Kafka, what it costs and what an open would cut', () => {
    const { code, text } = varve(['verify', goldenPath('killed')])
    assert.equal(code, 1)
    assert.match(text, /damage: 0{20}\.log at 52899: truncated: the batch takes 671 bytes, 651 are left/)
    assert.match(text, /lost: from offset 790 on/)
    assert.match(text, /would cut 0{20}\.log at position 52899: 651 bytes, the log would end at offset 790/)
    assert.match(text, /notice: .*5844 zeros behind the last batch/)
  })

  it('prints one JSON document', () => {
    const path = copy('codec-none-0')
    const bytes = readFileSync(join(path, logName))
    bytes[100]! ^= 1
    writeFileSync(join(path, logName), bytes)
    const { code, text } = varve(['verify', path, '--json'])
    assert.equal(code, 1)
    const { damageCount, logs } = JSON.parse(text)
    assert.equal(damageCount, 1)
    assert.equal(logs[0].report.lost[0].offset, 0)
    assert.equal(logs[0].findings[0].check, 'batch')
    assert.equal(logs[0].findings[0].level, 'damage')
  })

  it('is told that a log is compacted, or knows it from the data folder', () => {
    assert.equal(varve(['verify', copy('compacted-0')]).code, 1)
    assert.equal(varve(['verify', copy('compacted-0'), '--compacted']).code, 0)
    assert.equal(varve(['verify', goldenPath('clean', 'compacted-0')]).code, 0)
  })
})

describe('varve dump', () => {
  const folder = temporaryFolder()
  it("says what the records of Kafka's own topics hold", () => {
    const metadata = varve(['dump', goldenMetadataPath('__cluster_metadata-0'), '--records'])
    assert.deepEqual([metadata.code, metadata.stderr], [0, ''])
    assert.match(metadata.text, / {4}0 {2}\S+Z {2}LeaderChange version 0 \{"version":0,"leaderId":1,/)
    assert.match(metadata.text, /TopicRecord version 0 \{"name":"orders","topicId":"N-soVF1LRRm9u7vkjdrzzw"\}/)
    const groups = varve(['dump', goldenMetadataPath('__consumer_offsets-0'), '--records', '--json'])
    assert.deepEqual([groups.code, groups.stderr], [0, ''])
    const decoded = jsonLines(groups.text).filter(({ type }) => type === 'record')
    assert.ok(decoded.every((row) => 'decoded' in row))
    const transactions = varve(['dump', goldenPath('clean', '__transaction_state-0'), '--records'])
    assert.match(transactions.text, /Transaction \{"transactionalId":"t1"\} version 1 \{"producerId":"2011",/)
    const snapshot = varve(['dump', goldenMetadataPath('bootstrap.checkpoint'), '--records'])
    assert.match(snapshot.text, /SnapshotHeader[\s\S]*FeatureLevelRecord[\s\S]*SnapshotFooter/)
  })

  it("prints as they are what it cannot read in Kafka's own topics, and says so", () => {
    const path = join(folder(), '__consumer_offsets-0')
    cpSync(goldenPath('clean', 'codec-none-0'), path, { recursive: true })
    const { code, text, stderr } = varve(['dump', path, '--records'])
    // The text 'key-0' has no type that is known; a newer Kafka's record would look so.
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(text, /key "key-0" {2}value "/)
    const metadata = join(folder(), '__cluster_metadata-0')
    cpSync(goldenPath('clean', 'codec-none-0'), metadata, { recursive: true })
    const refused = varve(['dump', metadata, '--records'])
    assert.equal(refused.code, 0)
    assert.match(refused.stderr, /offset 0: A metadata record has frame version \d+; 1 is known/)
    assert.match(refused.text, /key "key-0" {2}value "/)
  })

  for (const partition of ['codec-zstd-0', 'txn-0', 'headers-nulls-0', 'compacted-0', 'append-time-0'])
    it(`prints every batch and record: ${partition}`, () => {
      const expected = readExpected('clean', partition)
      const { code, text, stderr } = varve(['dump', goldenPath('clean', partition), '--records', '--json'])
      assert.deepEqual([code, stderr], [0, ''])
      const rows = jsonLines(text)
      const batches = rows.filter(({ type }) => type === 'batch')
      assert.deepEqual(
        batches.map(({ position, baseOffset, lastOffset, crc, compression }) => ({
          position,
          baseOffset,
          lastOffset,
          crc,
          codec: compression,
        })),
        expected.batches.map(({ position, baseOffset, lastOffset, crc, codec }) => ({
          position,
          baseOffset,
          lastOffset,
          crc,
          codec,
        })),
      )
      const records = rows.filter(({ type, marker }) => type === 'record' && marker === undefined)
      assert.deepEqual(
        records.map(({ offset, timestamp }) => [offset, timestamp]),
        expected.records.map(({ offset, timestamp }) => [offset, timestamp]),
      )
      const markers = rows.filter(({ marker }) => marker !== undefined)
      assert.deepEqual(
        markers.map(({ offset, marker }) => [offset, (marker as { type: string }).type]),
        expected.control.map(({ offset, type }) => [offset, type]),
      )
    })

  it('prints what each kind of file holds', () => {
    const clean = (...parts: string[]) => varve(['dump', goldenPath('clean', ...parts), '--json'])
    const rows = (...parts: string[]) => jsonLines(clean(...parts).text)
    assert.deepEqual(rows('epochs-0', '00000000000000000000.index')[0], {
      type: 'index-entry',
      file: '00000000000000000000.index',
      offset: 71,
      position: 4764,
    })
    assert.equal(rows('epochs-0', '00000000000000000000.timeindex').length, 9)
    assert.equal(rows('txn-0', '00000000000000000025.txnindex').length, 7)
    assert.equal(rows('txn-0', '00000000000000000820.snapshot').length, 6)
    assert.deepEqual(
      rows('epochs-0', 'leader-epoch-checkpoint').map(({ epoch, startOffset }) => [epoch, startOffset]),
      [
        [0, 0],
        [2, 150],
        [4, 300],
      ],
    )
    assert.equal(rows('recovery-point-offset-checkpoint').length, 19)
    assert.equal(rows('meta.properties').length, 1)
    assert.equal(rows('txn-0', 'partition.metadata').length, 1)
  })

  it('prints for people, indexes too, and nothing that moves a cursor', () => {
    const { code, text } = varve(['dump', goldenPath('clean', 'headers-nulls-0'), '--records', '--index'])
    assert.equal(code, 0)
    assert.match(text, /^ {2}@0 {2}offsets 0-/m)
    assert.match(text, /value null/)
    assert.match(text, /^0{20}\.timeindex\n {2}timestamp \d+ {2}offset \d+$/m)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/)
  })

  it('goes on behind damage and tells it on standard error', () => {
    const { code, text, stderr } = varve(['dump', goldenPath('killed', 'torn-0')])
    assert.equal(code, 1)
    assert.match(stderr, /at 52899: truncated/)
    assert.equal(text.match(/offsets/g)?.length, 79)
  })

  it('asks for one log of a data folder', () => {
    const { code, stderr } = varve(['dump', goldenPath('clean')])
    assert.equal(code, 2)
    assert.match(stderr, /name one of its logs \(__consumer_offsets-0, /)
  })
})

describe('varve repair', () => {
  const folder = temporaryFolder()
  const damagedCopy = (partition: string, damage: (path: string) => void, state: 'clean' | 'killed' = 'clean') => {
    const path = join(folder(), 'source')
    cpSync(goldenPath(state, partition), path, { recursive: true })
    damage(path)
    return path
  }
  const flip = (path: string, name: string, position: number) => {
    const bytes = readFileSync(join(path, name))
    bytes[position]! ^= 0x10
    writeFileSync(join(path, name), bytes)
  }
  const recordsOf = (path: string) =>
    jsonLines(varve(['export', path, '--json']).text).map(({ offset, timestamp, key, value }) => ({
      offset,
      timestamp,
      key,
      value,
    }))
  const target = () => join(folder(), 'target')

  it('copies a good log: the same records, nothing lost, exit code 0', () => {
    for (const partition of ['segments-0', 'trimmed-0', 'txn-0']) {
      const to = join(folder(), partition)
      const { code, text } = varve(['repair', goldenPath('clean', partition), '--to', to])
      assert.equal(code, 0, text)
      assert.deepEqual(recordsOf(to), recordsOf(goldenPath('clean', partition)))
    }
  })

  it('copies all but what is damaged, at the same offsets, and lists what is lost, exit code 3', () => {
    const source = damagedCopy('segments-0', (path) => {
      flip(path, logName, 2100)
      flip(path, logName, 9000)
      truncateSync(join(path, logs(path).at(-1)!), 5000)
      writeFileSync(join(path, '00000000000000000000.index'), 'not an index')
    })
    const before = readdirSync(source).map((name) => readFileSync(join(source, name), 'base64'))
    const { code, text } = varve(['repair', source, '--to', target()])
    assert.equal(code, 3)
    const lost = [...text.matchAll(/lost: offsets (\d+) to (\d+)/g)].map((match) => [
      Number(match[1]),
      Number(match[2]),
    ])
    assert.equal(lost.length, 2)
    const tail = Number(/lost: what there was from offset (\d+) on/.exec(text)![1])
    const expected = recordsOf(goldenPath('clean', 'segments-0')).filter(
      ({ offset }) =>
        (offset as number) < tail &&
        !lost.some(([from, to]) => (offset as number) >= from! && (offset as number) <= to!),
    )
    assert.deepEqual(recordsOf(target()), expected)
    assert.equal(varve(['verify', target()]).code, 0)
    assert.equal(varve(['verify', source]).code, 1)
    assert.deepEqual(
      readdirSync(source).map((name) => readFileSync(join(source, name), 'base64')),
      before,
      'the source is untouched',
    )
    const again = varve(['import', target()], 'goes on\n')
    assert.match(again.text, new RegExp(`offsets ${tail} to ${tail}`))
  })

  it('puts a leader epoch right that contradicts its neighbours', () => {
    const source = damagedCopy('epochs-0', (path) => flip(path, logName, 14))
    const { code, text } = varve(['repair', source, '--to', target()])
    assert.equal(code, 0)
    assert.match(text, /corrected: the leader epoch of the batch at offset 0$/m)
    assert.deepEqual(recordsOf(target()), recordsOf(goldenPath('clean', 'epochs-0')))
  })

  it('does not touch a folder that is in use, nor its own source', () => {
    const source = damagedCopy('codec-none-0', () => {})
    mkdirSync(target())
    writeFileSync(join(target(), 'mine'), '')
    assert.match(varve(['repair', source, '--to', target()]).stderr, /not empty.*VARVE_EXISTS/)
    for (const to of [source, join(source, 'in'), folder()]) assert.equal(varve(['repair', source, '--to', to]).code, 2)
    assert.equal(varve(['repair', goldenPath('clean'), '--to', target()]).code, 2)
  })

  const logs = (path: string) =>
    readdirSync(path)
      .filter((name) => name.endsWith('.log'))
      .sort()
})
