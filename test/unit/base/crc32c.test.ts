import assert from 'node:assert/strict'
import { crc32c } from '../../../src/base/crc32c.ts'

describe('CRC-32C', () => {
  it('of the examples in RFC 3720', () => {
    assert.equal(crc32c(new TextEncoder().encode('123456789')), 0xe306_9283)
    assert.equal(crc32c(new Uint8Array(32)), 0x8a91_36aa)
    assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8_ab43)
    assert.equal(crc32c(new Uint8Array(0)), 0)
  })

  it('continues from a seed, wherever the bytes are parted', () => {
    const bytes = Uint8Array.from({ length: 100 }, (_, i) => i * 7)
    for (let at = 0; at <= bytes.length; at += 1)
      assert.equal(crc32c(bytes.subarray(at), crc32c(bytes.subarray(0, at))), crc32c(bytes))
  })
})
