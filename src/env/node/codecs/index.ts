/** The real codecs, in the order of their numbers. */
import type { CompressionCodecs } from '../../codecs.ts'
import { gzip } from './gzip.ts'
import { lz4 } from './lz4.ts'
import { none } from './none.ts'
import { snappy } from './snappy.ts'
import { withSteadyInput } from './steady-input.ts'
import { zstd } from './zstd.ts'

export const compressionCodecs: CompressionCodecs = [none, gzip, snappy, lz4, zstd].map(withSteadyInput)
