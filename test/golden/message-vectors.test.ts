/**
 * Every message and record in every version, with a value of its own in every field. Kafka's own classes read these
 * bytes as these values, and wrote them the same; how that was asked is told in kafka-4.3-metadata/README.md.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { allMessages, versionsOf } from '../unit/protocol/all-messages.ts'
import { assertSame } from './assert-same.ts'
import { goldenMetadataPath } from './golden-folders.ts'

interface Vector {
  readonly name: string
  readonly version: number
  readonly hex: string
  readonly value: unknown
}

describe("bytes that Kafka's own classes read and wrote", () => {
  const vectors = readFileSync(goldenMetadataPath('vectors.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Vector)

  it('are there for every message and version', () => {
    assert.deepEqual(
      vectors.map(({ name, version }) => `${name} ${version}`),
      allMessages.flatMap((message) => versionsOf(message).map((version) => `${message.name} ${version}`)),
    )
  })

  for (const { name, version, hex, value } of vectors) {
    it(`${name} version ${version}`, () => {
      const message = allMessages.find((one) => one.name === name)!
      const read = message.decode(Buffer.from(hex, 'hex'), version)
      assertSame(read, value, name)
      assert.equal(message.encode(read as never, version).toString('hex'), hex)
    })
  }
})
