/**
 * Fault row F35, hostile names. Seen to fail with `/` let into a name, with what lies behind 249 characters not looked
 * at, with `..` let through, with values that turn into names let through, with the name of the metadata log let
 * through, and with collisions of `.` and `_` not looked for.
 */
import assert from 'node:assert/strict'
import { dirname, resolve } from 'node:path'
import { VarveError } from '../../../src/errors.ts'
import { ControllerMachine } from '../../../src/metadata/controller-machine.ts'
import { MetadataImage } from '../../../src/metadata/metadata-image.ts'
import { collisionKey, isInternalTopic, requireTopicName } from '../../../src/metadata/topic-name.ts'
import { encodeMetadataRecord } from '../../../src/protocol/metadata-log/metadata-records.ts'
import { parsePartitionFolderName, partitionFolderName } from '../../../src/storage/segment-names.ts'

describe('topic names', () => {
  const taken: string[] = ['a', 'A-b', 'a.b_c', '...', '-', '__consumer_offsets', '0', 'x'.repeat(249), 'con', 'a-0']
  for (const name of taken) {
    it(`${name.slice(0, 20)} is one`, () => requireTopicName(name))
  }

  const refused: [title: string, name: unknown][] = [
    ['nothing', ''],
    ['the folder itself', '.'],
    ['the folder above', '..'],
    ['a path', 'a/../b'],
    ['a path of Windows', 'a\\..\\b'],
    ['NUL', 'a\0b'],
    ['NUL at the end', 'orders\0'],
    ['a line end, which a pattern may pass at the end', 'orders\n'],
    ['a space', 'a b'],
    ['a letter that only looks like one', 'ordеrs'],
    ['a character outside of the basic plane', 'a😀'],
    ['half a character', 'a\ud800'],
    ['250 characters', 'x'.repeat(250)],
    ['a million characters', 'x'.repeat(1_000_000)],
    ['percent', '%2e%2e'],
    ['a number', 7],
    ['null', null],
    ['an object that turns into a name', { toString: () => 'orders' }],
    ['a list of a name', ['orders']],
  ]
  for (const [title, name] of refused) {
    it(`${title} is refused, in a message of bounded length`, () => {
      assert.throws(
        () => requireTopicName(name),
        (failure) =>
          failure instanceof VarveError && failure.code === 'VARVE_INVALID_TOPIC' && failure.message.length < 700,
      )
    })
  }

  it('collide when they differ by dot and underscore alone', () => {
    assert.equal(collisionKey('a.b_c'), collisionKey('a_b.c'))
    assert.notEqual(collisionKey('a-b'), collisionKey('a.b'))
  })

  it('of Kafka’s own topics are internal', () => {
    for (const name of ['__consumer_offsets', '__transaction_state', '__share_group_state', '__cluster_metadata']) {
      assert.ok(isInternalTopic(name), name)
    }
    assert.ok(!isInternalTopic('__mine'))
  })
})

const pieces = [
  '.', '..', '/', '\\', '\0', '\n', '\r', ' ', '%2e', '%00', ':', '*', '?', '"', '|', '~', '$HOME', '-', '_', 'a', 'Z', '0',
  'orders', '-0', '-delete', '.log', '.lock', 'é', '\u202e', '\ufeff', '😀', '\ud800', 'x'.repeat(83), 'con', 'meta.properties',
  '__cluster_metadata', '0123456789abcdef0123456789abcdef',
] // biome-ignore format: a list

/** Numbers that look random and are the same in every run. */
function* numbers(seed: number): Generator<number, never> {
  let state = seed >>> 0
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    yield state >>> 8
  }
}

function hostileName(row: number): string {
  const random = numbers(row)
  const count = 1 + (random.next().value % 4)
  return Array.from({ length: count }, () => pieces[random.next().value % pieces.length]).join('')
}

describe('F35: hostile topic names', () => {
  it('10,000 of them: each is refused as an invalid topic, or its folders stand in the data folder and are told apart', () => {
    const root = resolve('/data/folder')
    const image = new MetadataImage()
    const machine = new ControllerMachine(image, { nodeId: 1, directoryId: 'A'.repeat(22), defaultPartitions: 2 })
    const folders = new Map<string, string>()
    const collisionKeys = new Set<string>()
    let [created, refused] = [0, 0]
    for (let row = 0; row < 10_000; row++) {
      const name = hostileName(row)
      const topicId = Buffer.from(String(row).padStart(16, '0')).toString('base64url')
      const { records, result } = machine.createTopics([{ name, topicId }])
      const [outcome] = result
      if (outcome instanceof VarveError) {
        refused++
        assert.ok(['VARVE_INVALID_TOPIC', 'VARVE_TOPIC_EXISTS'].includes(outcome.code), `${row}: ${outcome.code}`)
        assert.equal(records.length, 0)
        continue
      }
      created++
      for (const record of records) image.applyBytes(encodeMetadataRecord(record), row)
      assert.ok(!collisionKeys.has(collisionKey(name)), `${row}: "${name}" collides`)
      collisionKeys.add(collisionKey(name))
      for (const partition of [0, 1]) {
        const folder = partitionFolderName(name, partition)
        assert.equal(dirname(resolve(root, folder)), root, `${row}: "${name}" leaves the data folder`)
        assert.ok(Buffer.byteLength(folder) <= 255, `${row}: "${name}" is too long for a folder`)
        assert.ok(!folders.has(folder), `${row}: "${name}" and "${folders.get(folder)}" share a folder`)
        folders.set(folder, name)
        assert.notEqual(folder, '__cluster_metadata-0')
        const { topic, partition: index, deleted } = parsePartitionFolderName(folder)!
        assert.deepEqual([topic, index, deleted], [name, partition, false], `${row}: "${name}"`)
      }
    }
    assert.ok(created > 500 && refused > 5000, `${created} created, ${refused} refused`)
  })
})
