/** Lines into a log and out again: the same bytes, whatever they are. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { exportRecords } from '../../src/cli/export.ts'
import { importFiles } from '../../src/cli/import.ts'
import { LineSplitter } from '../../src/cli/line-splitter.ts'
import { temporaryFolder } from '../conformance/temporary-folder.ts'
import { varve } from './run-varve.ts'

/** Deterministic bytes of every value. */
function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let state = 1
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

const awkward: Record<string, Buffer> = {
  empty: Buffer.alloc(0),
  'no final newline': Buffer.from('one\ntwo'),
  'a lone newline': Buffer.from('\n'),
  'empty lines': Buffer.from('\n\na\n\n'),
  crlf: Buffer.from('a\r\nb\r\n\r\n'),
  'no newline at all': Buffer.from('x'),
  binary: noise(100_000),
  'not UTF-8': Buffer.from([0xff, 0xfe, 0x0a, 0xc3]),
  'a line of 1 MiB': Buffer.concat([Buffer.alloc(1024 * 1024, 'x'), Buffer.from('\nnext\n')]),
  'lines around a batch': Buffer.concat([65_400, 65_535, 65_536, 1, 0].map((n) => Buffer.from(`${'y'.repeat(n)}\n`))),
}

describe('import and export', () => {
  const folder = temporaryFolder()
  const log = () => join(folder(), 'log')

  for (const [name, bytes] of Object.entries(awkward))
    it(`give the same bytes: ${name}`, async () => {
      const path = join(folder(), 'text')
      writeFileSync(path, bytes)
      await importFiles(log(), [path])
      const pieces: Buffer[] = []
      const sink = { bytes: (piece: Uint8Array) => void pieces.push(Buffer.from(piece)), drain: async () => {} }
      await exportRecords(log(), {}, sink)
      const all = Buffer.concat(pieces)
      assert.ok(all.equals(bytes), `${all.length} bytes of ${bytes.length}`)
    })

  for (const compression of ['none', 'lz4'])
    it(`of several files equal cat of them, ${compression}`, () => {
      const paths = Object.entries(awkward).map(([name, bytes]) => {
        const path = join(folder(), name)
        writeFileSync(path, bytes)
        return path
      })
      const ran = varve(['import', log(), ...paths, '--json', '--compression', compression])
      assert.deepEqual([ran.code, ran.stderr], [0, ''])
      const all = Buffer.concat(Object.values(awkward))
      const summary = JSON.parse(ran.text)
      assert.equal(summary.bytes, all.length)
      assert.equal(summary.durability, 'synced')
      assert.equal(summary.records, summary.endOffset)
      assert.ok(varve(['export', log()]).stdout.equals(all))
      assert.equal(varve(['verify', log()]).code, 0)
    })

  it('take a range of offsets, from inside of a batch', () => {
    varve(['import', log()], 'a\nb\nc\nd\n')
    varve(['import', log()], 'e\nf')
    assert.equal(varve(['export', log(), '--from', '1', '--to', '3']).text, 'b\nc\n')
    assert.equal(varve(['export', log(), '--from', '3']).text, 'd\ne\nf')
    assert.equal(varve(['export', log(), '--to', '0']).text, '')
    const past = varve(['export', log(), '--from', '7', '--to', '9'])
    assert.equal(past.text, '')
    const json = varve(['export', log(), '--from', '5', '--json']).text.trim().split('\n')
    assert.equal(json.length, 1)
    const { timestamp, ...rest } = JSON.parse(json[0]!)
    assert.ok(timestamp > 0)
    assert.deepEqual(rest, { offset: 5, key: null, value: 'f', headers: [['varve.line-end', 'none']] })
  })

  it('take standard input, and its end without a newline', () => {
    varve(['import', log()], 'a\nb')
    varve(['import', log(), '-'], 'c\n')
    assert.equal(varve(['export', log()]).text, 'a\nbc\n')
  })

  it('write what stands before damage, then say where it is, exit code 1', () => {
    const text = `${'line of text\n'.repeat(40_000)}`
    varve(['import', log()], text)
    const path = join(log(), '00000000000000000000.log')
    const bytes = readFileSync(path)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(path, bytes)
    const { code, stdout, stderr } = varve(['export', log()])
    assert.equal(code, 1)
    assert.match(stderr, /VARVE_CORRUPT/)
    assert.ok(stdout.length > text.length / 3 && text.startsWith(stdout.toString()))
  })

  it('name durability, and count', () => {
    const { text } = varve(['import', log()], 'a\nb\n')
    assert.match(text, /imported 2 records \(4 bytes\)/)
    assert.match(text, /offsets 0 to 1, durability synced: all of it is on disk/)
  })

  it('make nothing when a file is not there, is a folder, or has too long a line', () => {
    const good = join(folder(), 'good')
    writeFileSync(good, 'a\n')
    assert.match(varve(['import', log(), good, join(folder(), 'gone')]).stderr, /gone; nothing was imported/)
    assert.equal(varve(['import', log(), folder()]).code, 2)
    assert.deepEqual(
      readdirSync(folder()).filter((name) => name === 'log'),
      [],
    )
    const long = join(folder(), 'long')
    writeFileSync(long, Buffer.alloc(64 * 1024 * 1024 + 1, 'x'))
    const { code, stderr } = varve(['import', log(), good, long])
    assert.equal(code, 1)
    assert.match(stderr, /1 record is in the log, appended before this/)
    assert.match(stderr, /long: line 1 has more than 67108864 bytes.*VARVE_RECORD_TOO_LARGE/)
    assert.equal(varve(['export', log()]).text, 'a\n')
  })
})

describe('a line splitter', () => {
  it('finds the same lines however the bytes come', () => {
    const chunk = fc.array(fc.constantFrom(0x0a, 0x0d, 0x61, 0xff), { maxLength: 20 })
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 12 }), (chunks) => {
        const lines: string[] = []
        let open = false
        const splitter = new LineSplitter(1000, (bytes, start, end, terminated) => {
          lines.push(bytes.toString('latin1', start, end))
          open = !terminated
        })
        const reused = Buffer.alloc(20)
        for (const bytes of chunks) {
          // The chunk's memory is used again, as it is while a file is read.
          reused.set(bytes)
          splitter.push(reused.subarray(0, bytes.length))
        }
        splitter.end()
        const text = Buffer.from(chunks.flat()).toString('latin1')
        assert.equal(
          lines
            .map((line) => `${line}\n`)
            .join('')
            .slice(0, open ? -1 : undefined),
          text,
        )
      }),
    )
  })

  it('refuses a line that is too long before it holds it all', () => {
    const splitter = new LineSplitter(10, () => {})
    splitter.push(Buffer.from('1234567890\n12345'))
    assert.throws(() => splitter.push(Buffer.from('678901')), { code: 'VARVE_RECORD_TOO_LARGE', details: { line: 2 } })
  })
})
