/** Seen to fail with a codec asked for nulls, either way, and with a value decoded twice. */
import assert from 'node:assert/strict'
import { bytes, type Codec, json, open, type Store, text } from '../../src/index.ts'
import { temporaryFolder } from './temporary-folder.ts'

interface Order {
  id: number
  paid: boolean
}

describe('a typed topic', () => {
  let store: Store
  afterEach(() => store.close())
  const folder = temporaryFolder()
  beforeEach(async () => {
    store = await open(folder(), { durability: 'buffered' })
    await store.createTopic('orders')
  })
  const orders = () => store.topic('orders', { key: text(), value: json<Order>() })

  it('carries values of its type, and nulls', async () => {
    const ack = await orders().send({ key: 'u1', value: { id: 1, paid: true }, headers: { a: 'b' } })
    assert.equal(ack.offset, 0)
    const acks = await orders().send([
      { key: 'u2', value: null },
      { key: null, value: { id: 3, paid: false } },
      { value: { id: 4, paid: false } },
    ])
    assert.deepEqual(
      acks.map(({ offset }) => offset),
      [1, 2, 3],
    )
    const found: unknown[] = []
    for await (const batch of orders().read()) {
      for (const { offset, key, value, record } of batch) {
        found.push([offset, key, value?.id ?? null])
        // A deletion, not the text "null".
        if (key === 'u2') assert.equal(record.value, null)
      }
    }
    assert.deepEqual(found, [
      [0, 'u1', 1],
      [1, 'u2', null],
      [2, null, 3],
      [3, null, 4],
    ])
  })

  it('names the record that a codec refuses to encode, and sends none', async () => {
    const even: Codec<number> = {
      encode: (value) => {
        if (value % 2 !== 0) throw new Error('odd')
        return String(value)
      },
      decode: (stored) => Number(stored.toString()),
    }
    const topic = store.topic('orders', { value: even })
    await assert.rejects(topic.send([{ value: 2 }, { value: 3 }]), {
      code: 'VARVE_INVALID_RECORD',
      details: { topic: 'orders', index: 1, what: 'value' },
    })
    await assert.rejects(store.topic('orders', { value: json() }).send({ value: undefined }), {
      code: 'VARVE_INVALID_RECORD',
    })
    assert.equal(store.describeTopic('orders').partitions[0]!.highWatermark, 0)
  })

  it('names the record that a codec cannot decode; the others of the batch can be read', async () => {
    await store.send('orders', [{ value: '{"id":1}' }, { value: 'not JSON' }, { value: '{"id":3}' }])
    const found: unknown[] = []
    for await (const batch of orders().read()) {
      for (const record of batch) {
        try {
          found.push(record.value?.id)
        } catch (failure) {
          found.push((failure as { details: { offset: number } }).details.offset, record.record.text())
        }
      }
    }
    assert.deepEqual(found, [1, 1, 'not JSON', 3])
  })

  it('decodes a value once', async () => {
    let decoded = 0
    const counting: Codec<string> = { encode: (value) => value, decode: (stored) => `${stored} ${++decoded}` }
    const topic = store.topic('orders', { value: counting })
    await topic.send({ value: 'a' })
    for await (const batch of topic.read()) {
      for (const record of batch) assert.deepEqual([record.value, record.value], ['a 1', 'a 1'])
    }
  })

  it('is read by members of a group', async () => {
    await orders().send([{ value: { id: 1, paid: true } }])
    for await (const batch of orders().consume({ group: 'billing' })) {
      await batch.batch.commit()
      assert.deepEqual(
        [...batch].map(({ value }) => value?.id),
        [1],
      )
      break
    }
    assert.equal((await store.groups.lag('billing'))[0]!.lag, 0)
  })

  it('gives bytes where nobody says more', async () => {
    await store.topic('orders', { key: bytes() }).send({ key: Buffer.from('k'), value: Buffer.from('v') })
    for await (const batch of store.topic('orders').read()) {
      for (const { key, value } of batch) assert.deepEqual([String(key), String(value)], ['k', 'v'])
    }
    assert.throws(() => store.topic('orders', { values: text() } as never), { code: 'VARVE_INVALID_ARGUMENT' })
  })
})
