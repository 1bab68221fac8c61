/** Compressing and decompressing 16 KiB of lines that look like a log. */
import { compressionCodecs } from '../../src/doors/record.ts'
import type { MicroCase } from './micro-case.ts'

const input = (() => {
  let lines = ''
  for (let i = 0; lines.length < 16 * 1024; i++) {
    lines += `{"time":${1_700_000_000_000 + i * 37},"user":"user-${(i * 7919) % 1000}","path":"/items/${(i * 31) % 97}","ms":${(i * 13) % 250}}\n`
  }
  return Buffer.from(lines.slice(0, 16 * 1024))
})()

export const codecCases: readonly MicroCase[] = compressionCodecs
  .filter(({ id, canCompress }) => id > 0 && canCompress)
  .flatMap((codec) => {
    const compressed = codec.compress(input)
    const bytes = { count: input.length, unit: 'byte' } as const
    return [
      { name: `${codec.name}: compress 16 KiB`, ...bytes, run: () => codec.compress(input) },
      { name: `${codec.name}: decompress 16 KiB`, ...bytes, run: () => codec.decompress(compressed, input.length) },
    ]
  })
