import assert from 'node:assert/strict'
import fc from 'fast-check'
import { crc32c } from '../../../src/base/crc32c.ts'
import { compressionCodecs } from '../../../src/env/node/codecs/index.ts'
import { makeBatchFields, readBatchFields } from '../../../src/log/batch-fields.ts'
import { BatchInput, emptyBatch } from '../../../src/log/batch-input.ts'
import { BatchBuilder } from '../../../src/record/batch-builder.ts'
import { Attribute, HeaderField } from '../../../src/record/batch-header.ts'

function inBytes(builder: BatchBuilder) {
  const { bytes } = builder
  const fields = makeBatchFields()
  readBatchFields(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, fields)
  return { ...fields, marker: undefined }
}

describe('the input of an append', () => {
  it('takes from a builder what the header of its bytes says', () => {
    const record = fc.record({
      value: fc.string(),
      timestamp: fc.option(fc.nat(Number.MAX_SAFE_INTEGER), { nil: undefined }),
    })
    const producer = fc.record({
      producerId: fc.bigInt(0n, (1n << 63n) - 1n),
      producerEpoch: fc.nat(0x7fff),
      baseSequence: fc.oneof(fc.constant(-1), fc.nat(0x7fff_ffff)),
      transactional: fc.boolean(),
    })
    const batch = fc.tuple(fc.option(producer), fc.array(record, { minLength: 1, maxLength: 20 }))
    fc.assert(
      fc.property(fc.array(batch, { minLength: 1, maxLength: 4 }), fc.boolean(), (list, compressed) => {
        const codec = compressed ? compressionCodecs[1] : undefined
        const builder = new BatchBuilder({ crc32c, codec, now: () => 5 })
        const input = new BatchInput()
        for (const [producerFields, records] of list) {
          builder.reset()
          builder.setProducer(producerFields)
          for (const one of records) builder.add(one)
          assert.deepEqual({ ...emptyBatch(), ...input.load(builder).batches[0]! }, inBytes(builder))
        }
      }),
      { numRuns: 200 },
    )
  })

  it('sees what an earlier append stamped into the bytes of a builder', () => {
    const builder = new BatchBuilder({ crc32c })
    builder.add({ value: 'v', timestamp: 7 })
    builder.finish()
    const { bytes } = builder
    bytes.writeBigInt64BE(41n, HeaderField.baseOffset)
    bytes.writeInt32BE(3, HeaderField.leaderEpoch)
    bytes.writeInt16BE(Attribute.appendTime, HeaderField.attributes)
    const [batch] = new BatchInput().load(builder).batches
    assert.deepEqual([batch!.baseOffset, batch!.leaderEpoch, batch!.attributes], [41, 3, Attribute.appendTime])
  })
})
