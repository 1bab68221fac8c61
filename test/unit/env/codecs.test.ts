import assert from 'node:assert/strict'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { compressFrameSync } from 'lz4-napi'
import snappyjs from 'snappyjs'
import { type CompressionName, compressionNames } from '../../../src/env/codecs.ts'
import { compressionCodecs } from '../../../src/env/node/codecs/index.ts'
import { lz4FrameBound } from '../../../src/env/node/codecs/lz4-frame.ts'
import { zstdCodec } from '../../../src/env/node/codecs/zstd.ts'
import { type ErrorCode, VarveError } from '../../../src/errors.ts'

const codecs = Object.fromEntries(compressionCodecs.map((codec) => [codec.name, codec]))
const codec = (name: CompressionName) => codecs[name]!
/** As on a Node version without zstd, whatever this one has. */
const zstdWithoutNode = zstdCodec(undefined)

const coded =
  (code: ErrorCode, message?: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof VarveError, String(error))
    assert.equal(error.code, code)
    if (message !== undefined) assert.match(error.message, message)
    return true
  }

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

const mebibyte = 1024 * 1024
const samples: [name: string, bytes: Buffer][] = [
  ['nothing', Buffer.alloc(0)],
  ['one byte', Buffer.from('a')],
  ['a line', Buffer.from('2026-01-01 INFO started in 12 ms\n')],
  ['a megabyte of lines', Buffer.from('2026-01-01 INFO request took 12 ms\n'.repeat(30_000))],
  ['exactly one block of 32 KiB', Buffer.alloc(32 * 1024, 'ab')],
  ['one byte more', Buffer.alloc(32 * 1024 + 1, 'ab')],
  ['noise', Buffer.from(Uint32Array.from({ length: 50_000 }, (_, i) => Math.imul(i, 2654435761) ^ (i << 7)).buffer)],
]

describe('codecs', () => {
  it('stand at the numbers that batches name them by', () => {
    assert.deepEqual(
      compressionCodecs.map(({ name, id }) => [name, id]),
      compressionNames.map((name, id) => [name, id]),
    )
  })

  for (const { name, compress, decompress, compressAsync, decompressAsync } of compressionCodecs.filter(
    ({ canCompress }) => canCompress,
  )) {
    for (const [sample, bytes] of samples) {
      it(`${name}: ${sample} comes back, with a limit that just allows it`, async () => {
        const plain = new Uint8Array(bytes)
        assert.deepEqual(Buffer.from(decompress(compress(bytes), bytes.length)), bytes)
        assert.deepEqual(Buffer.from(decompress(new Uint8Array(compress(plain)), bytes.length)), bytes)
        assert.deepEqual(Buffer.from(await decompressAsync(await compressAsync(plain), bytes.length)), bytes)
      })

      if (bytes.length > 0) {
        it(`${name}: ${sample} is refused with a limit one byte below`, async () => {
          const compressed = compress(bytes)
          assert.throws(() => decompress(compressed, bytes.length - 1), coded('VARVE_DECOMPRESSION_LIMIT'))
          await assert.rejects(decompressAsync(compressed, bytes.length - 1), coded('VARVE_DECOMPRESSION_LIMIT'))
        })
      }
    }

    it(`${name}: any bytes come back`, () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 2000, size: 'max' }), (bytes) => {
          assert.deepEqual(Buffer.from(decompress(compress(bytes), bytes.length)), Buffer.from(bytes))
        }),
      )
    })
  }

  it('input that is transferred away while a call runs is no matter', async () => {
    const text = Buffer.alloc(500_000, 'some text ')
    for (const target of compressionCodecs.filter(({ canCompress }) => canCompress)) {
      const input = Uint8Array.from(text)
      const compressing = target.compressAsync(input)
      structuredClone(input, { transfer: [input.buffer] })
      const compressed = Uint8Array.from(await compressing)
      const decompressing = target.decompressAsync(compressed, text.length)
      structuredClone(compressed, { transfer: [compressed.buffer] })
      assert.deepEqual(Buffer.from(await decompressing), text)
    }
  })

  it('input in shared memory is read once, from a copy', () => {
    for (const target of compressionCodecs.filter(({ id, canCompress }) => id > 0 && canCompress)) {
      const shared = new Uint8Array(new SharedArrayBuffer(1000)).fill(97)
      const compressed = target.compress(shared)
      const sharedCompressed = new Uint8Array(new SharedArrayBuffer(compressed.length))
      sharedCompressed.set(compressed)
      assert.deepEqual(Buffer.from(target.decompress(sharedCompressed, 1000)), Buffer.from(shared))
    }
  })

  it('snappy writes the framing that the Java client reads', () => {
    const compressed = Buffer.from(codec('snappy').compress(Buffer.alloc(40_000, 'ab')))
    assert.equal(compressed.subarray(0, 16).toString('hex'), '82534e41505059000000000100000001')
    const first = compressed.readInt32BE(16)
    assert.equal(compressed.length, 16 + 4 + first + 4 + compressed.readInt32BE(20 + first))
  })

  it('snappy reads a bare block too', () => {
    const bytes = Buffer.from('bare '.repeat(100))
    const block = snappyjs.compress(new Uint8Array(bytes))
    assert.deepEqual(Buffer.from(codec('snappy').decompress(block, 500)), bytes)
  })

  it('snappy reads every kind of element', () => {
    // "abcd", a copy of 4 from 4 back in each of the three forms, a literal with its length in one and in two bytes
    const long = Buffer.alloc(300, 'x')
    const block = Buffer.concat([
      hex('d003'), // 464 = 4 + 3 * 4 + 148 + 300
      hex('0c 61626364'),
      hex('01 04'),
      hex('0e 0400'),
      hex('0f 04000000'),
      hex('f0 93'),
      long.subarray(0, 148),
      hex('f4 2b01'),
      long,
    ])
    const expected = Buffer.concat([Buffer.from('abcd'.repeat(4)), long.subarray(0, 148), long])
    assert.deepEqual(Buffer.from(codec('snappy').decompress(block, 1000)), expected)
  })

  it('lz4 writes frames with independent blocks, all that the Java client reads', () => {
    for (const [, bytes] of samples) {
      const frame = codec('lz4').compress(bytes)
      assert.equal(Buffer.from(frame).readUInt32LE(0), 0x184d2204)
      assert.equal(frame[4]! & 0xe0, 0x60)
    }
  })

  it('lz4 knows what a frame expands to where the rough bound is above the limit', () => {
    const bytes = Buffer.from('some text that repeats, some text that repeats '.repeat(40))
    const frame = codec('lz4').compress(bytes)
    assert.equal(lz4FrameBound(frame, bytes.length), bytes.length)
    assert.ok(lz4FrameBound(frame, mebibyte) >= bytes.length)
  })

  it('zstd without Node cannot compress, and says which Node can', async () => {
    assert.equal(zstdWithoutNode.canCompress, false)
    assert.throws(() => zstdWithoutNode.compress(Buffer.from('a')), coded('VARVE_UNSUPPORTED', /Node 22\.15/))
    await assert.rejects(zstdWithoutNode.compressAsync(Buffer.from('a')), coded('VARVE_UNSUPPORTED'))
  })
})

/** Frame of zstd: descriptor and window as given, then blocks. */
function zstdFrame(header: string, ...blocks: Buffer[]): Buffer {
  return Buffer.concat([hex('28b52ffd'), hex(header), ...blocks])
}

function zstdBlock(type: 0 | 1 | 2, size: number, content: Buffer, last: boolean): Buffer {
  const field = (size << 3) | (type << 1) | (last ? 1 : 0)
  return Buffer.concat([Buffer.of(field & 0xff, (field >> 8) & 0xff, field >> 16), content])
}

const repeat128k = (last: boolean): Buffer => zstdBlock(1, 128 * 1024, Buffer.of(0x61), last)
const zstdBomb = (blocks: number, header = '0058'): Buffer =>
  zstdFrame(header, ...Array.from({ length: blocks }, (_, i) => repeat128k(i === blocks - 1)))

/** One block whose every sequence asks for a match of 131,074 bytes, which no block can hold. */
function zstdSpinner(sequences: number): Buffer {
  const content = Buffer.concat([
    hex('0861'), // one literal
    Buffer.of(0xff, (sequences - 0x7f00) & 0xff, (sequences - 0x7f00) >> 8),
    hex('54 00 00 34'), // one code for each of: literal length 0, offset 1, match length from 65,539 with 16 bits more
    Buffer.alloc(sequences * 2, 0xff),
    hex('01'),
  ])
  return zstdFrame('0058', zstdBlock(2, content.length, content, true))
}

const framing = '82534e41505059000000000100000001'
const zeros16MiB = Buffer.alloc(16 * mebibyte)
const lz4Frame = (flags: string, body: string): Buffer => hex(`04224d18 ${flags} ${body}`)

/** An LZ4 block that expands by 255: a literal, then one match whose length goes on and on. */
function lz4Bomb(size: number): Buffer {
  const block = Buffer.concat([hex('1f 61 0100'), Buffer.alloc(size, 0xff), hex('00 50 6162636465')])
  const length = Buffer.alloc(4)
  length.writeUInt32LE(block.length)
  return Buffer.concat([hex('04224d18 6070 73'), length, block, Buffer.alloc(4)])
}

const limit = 'VARVE_DECOMPRESSION_LIMIT'
const bad = 'VARVE_CORRUPT'
const hostile: [codec: CompressionName, name: string, bytes: () => Uint8Array, code: ErrorCode][] = [
  ['none', 'more than the limit', () => zeros16MiB, limit],
  ['gzip', '16 MiB of zeros, 1000:1', () => gzipSync(zeros16MiB), limit],
  [
    'gzip',
    'many members of 1 MiB',
    () => Buffer.concat(new Array<Buffer>(20).fill(gzipSync(Buffer.alloc(mebibyte)))),
    limit,
  ],
  ['gzip', 'a wrong size at the end', () => Buffer.concat([gzipSync('abc').subarray(0, -4), hex('ffffff7f')]), bad],
  ['gzip', 'a wrong checksum', () => Buffer.concat([gzipSync('abc').subarray(0, -8), Buffer.alloc(8)]), bad],
  ['gzip', 'no end', () => gzipSync('abc').subarray(0, -9), bad],
  ['gzip', 'no gzip', () => Buffer.from('plain text'), bad],
  ['gzip', 'nothing', () => Buffer.alloc(0), bad],
  ['snappy', 'a block that declares 4 GiB', () => hex('ffffffff0f 00 61'), bad],
  [
    'snappy',
    'a block that declares 2 MiB and could hold it',
    () => Buffer.concat([hex('80808001'), Buffer.alloc(100_000, hex('fe0100'))]),
    limit,
  ],
  ['snappy', 'a size of six bytes', () => hex('80808080 8001 00 61'), bad],
  ['snappy', 'a size that is cut off', () => hex('ff'), bad],
  [
    'snappy',
    'framed blocks that add up',
    () =>
      Buffer.concat([
        hex(framing),
        ...new Array<Buffer>(40).fill(
          Buffer.concat([int32(4 + 3000), hex('80f00300'), Buffer.alloc(3000, hex('fe0100'))]),
        ),
      ]),
    limit,
  ],
  [
    'snappy',
    'a framed block longer than the input',
    () => Buffer.concat([hex(framing), int32(0x7fffffff), hex('0161')]),
    bad,
  ],
  ['snappy', 'a framed block of length -1', () => Buffer.concat([hex(framing), int32(-1), hex('0161')]), bad],
  ['snappy', 'framing that is cut off', () => hex(framing).subarray(0, 12), bad],
  ['snappy', 'a literal of -4 bytes, which jumps back for ever', () => hex('0a fc fbffffff 000000000000'), bad],
  ['snappy', 'a literal past the end', () => hex('05 f0 ff 61'), bad],
  ['snappy', 'a copy from before the start', () => hex('08 00 61 0d 05'), bad],
  ['snappy', 'a copy from no distance', () => hex('08 00 61 0d 00'), bad],
  ['snappy', 'a literal cut off that would fill the block', () => hex('05 10 6162'), bad],
  ['snappy', 'a long literal, more than it declares', () => hex(`02 60 ${'61'.repeat(25)}`), bad],
  ['snappy', 'more than it declares', () => hex('02 08 616263'), bad],
  ['snappy', 'less than it declares', () => hex('05 08 616263'), bad],
  ['lz4', '16 MiB of zeros, 255:1', () => compressFrameSync(zeros16MiB), limit],
  ['lz4', 'one block of 4 MiB, 255:1', () => lz4Bomb(12_000), limit],
  ['lz4', 'a content size of 2^60', () => lz4Frame('6c40 0000000000000010 00', '02000080 6162 00000000 00000000'), bad],
  ['lz4', 'a content size above the limit', () => compressedWithSize(zeros16MiB), limit],
  ['lz4', 'a block length past the end', () => lz4Frame('6040 82', 'ffff0000 61'), bad],
  ['lz4', 'a block above its maximum', () => lz4Frame('6040 82', '00000180 61'), bad],
  ['lz4', 'no end mark', () => compressFrameSync(Buffer.from('abc')).subarray(0, -4), bad],
  [
    'lz4',
    'two frames',
    () => Buffer.concat([compressFrameSync(Buffer.from('abc')), compressFrameSync(Buffer.from('abc'))]),
    bad,
  ],
  ['lz4', 'a frame of version 2', () => lz4Frame('a040 82', '00000000'), bad],
  ['lz4', 'a dictionary', () => lz4Frame('6140 00000000 82', '00000000'), bad],
  ['lz4', 'nothing', () => Buffer.alloc(0), bad],
  ['zstd', '16 MiB in 500 bytes', () => zstdBomb(128), limit],
  ['zstd', '2 GiB in 64 KB', () => zstdBomb(16 * 1024), limit],
  ['zstd', 'a window of 2 TiB', () => zstdBomb(128, '00f8'), limit],
  ['zstd', 'a content size of 2^60, without the blocks for it', () => zstdBomb(2, 'c058 0000000000000010'), bad],
  ['zstd', 'a content size above the limit', () => zstdBomb(128, '8058 00000001'), limit],
  [
    'zstd',
    'a content size that is not what comes',
    () => zstdFrame('2003', zstdBlock(0, 4, Buffer.from('abcd'), true)),
    bad,
  ],
  [
    'zstd',
    'less than the content size, in a block that could hold it',
    () => zstdFrame('2005', zstdBlock(2, 6, hex('20 61626364 00'), true)),
    bad,
  ],
  ['zstd', 'a dictionary', () => zstdBomb(1, '0158 05'), bad],
  ['zstd', 'a block of a reserved type', () => zstdFrame('0058', hex('070000')), bad],
  ['zstd', 'no last block', () => zstdFrame('0058', zstdBlock(0, 1, Buffer.from('a'), false)), bad],
  ['zstd', 'a block past the end', () => zstdFrame('0058', zstdBlock(0, 100, Buffer.from('a'), true)), bad],
  ['zstd', 'two frames', () => Buffer.concat([zstdBomb(1), zstdBomb(1)]), bad],
  ['zstd', 'matches that no block can hold', () => zstdSpinner(0x7f00 + 8000), bad],
  ['zstd', 'nothing', () => Buffer.alloc(0), bad],
]

/** A frame with a content size in its header, which the library does not write. */
function compressedWithSize(bytes: Buffer): Buffer {
  const frame = compressFrameSync(bytes)
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(bytes.length))
  return Buffer.concat([
    frame.subarray(0, 4),
    Buffer.of(frame[4]! | 0x08, frame[5]!),
    size,
    Buffer.of(0),
    frame.subarray(7),
  ])
}

describe('hostile compressed data is refused, with a limit of 1 MiB', () => {
  for (const [name, what, make, code] of hostile) {
    const targets = name === 'zstd' && codec('zstd').canCompress ? [codec('zstd'), zstdWithoutNode] : [codec(name)]
    it(`${name}: ${what}`, async () => {
      const bytes = make()
      for (const target of targets) {
        const memory = process.memoryUsage().arrayBuffers
        assert.throws(() => target.decompress(bytes, mebibyte), coded(code))
        assert.ok(process.memoryUsage().arrayBuffers - memory < 4 * mebibyte, 'memory was taken first')
        await assert.rejects(target.decompressAsync(bytes, mebibyte), coded(code))
      }
    })
  }

  it('counts at least forty cases', () => assert.ok(hostile.length >= 40))

  it('what is within the limit is not', () => {
    assert.equal(codec('gzip').decompress(gzipSync(Buffer.alloc(mebibyte)), mebibyte).length, mebibyte)
    assert.equal(codec('lz4').decompress(compressFrameSync(Buffer.alloc(mebibyte)), mebibyte).length, mebibyte)
    assert.equal(codec('zstd').decompress(zstdBomb(8), mebibyte).length, mebibyte)
    assert.equal(zstdWithoutNode.decompress(zstdBomb(8), mebibyte).length, mebibyte)
  })

  it('zstd without Node takes no memory for the window that a small frame claims', () => {
    const memory = process.memoryUsage().arrayBuffers
    assert.equal(zstdWithoutNode.decompress(zstdBomb(1, '0088'), mebibyte).length, 128 * 1024)
    assert.ok(process.memoryUsage().arrayBuffers - memory < 4 * mebibyte)
  })

  for (const target of [...compressionCodecs.filter(({ id }) => id > 0), zstdWithoutNode]) {
    it(`${target.name}: any change gives bytes within the limit or a coded error`, () => {
      const text = Buffer.from('some text that repeats, some text that repeats; '.repeat(30))
      const original = target.canCompress ? target.compress(text) : zstdBomb(2)
      fc.assert(
        fc.property(fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }), (changes) => {
          const bytes = Buffer.from(original)
          for (const [at, byte] of changes) bytes[at % bytes.length] = byte
          try {
            assert.ok(target.decompress(bytes, 4096).length <= 4096)
          } catch (error) {
            assert.ok(error instanceof VarveError, String((error as Error).stack))
            assert.ok([limit, bad].includes(error.code))
          }
        }),
        { numRuns: 2000 },
      )
    })
  }
})
