/**
 * Seen to fail with a batch that is sent while it is open, with a waiting send overtaken by a smaller one, with a batch
 * produced before an older one that is encoded later, with terms or the topic's limit ignored, with the sequence of a
 * failed batch continued, with a new epoch begun while batches of the old one are under way, with an epoch past 2^15,
 * with a flush that counts what was sent after it, with a batch that lingers while somebody waits or a flush does, and
 * with a timer that is not armed again.
 */
import {
  type AccumulatorEffect,
  AccumulatorMachine,
  makePartitionQueue,
  type PartitionQueue,
  type SendBatch,
  type SendPart,
  type SendTerms,
} from '../../../src/producer/accumulator-machine.ts'
import type { Durability } from '../../../src/producer/produce-target.ts'
import { type Command, describeScript, type Machine } from '../script.ts'

interface NamedPart extends SendPart {
  readonly name: string
}

/** What a batch takes beside its records: a header. */
const header = 61

describeScript('producer/scripts/accumulator-machine.txt', (): Machine => {
  let machine = makeMachine()
  let nowMs = 0
  const queues = new Map<number, PartitionQueue<NamedPart>>()
  const terms = new Map<string, SendTerms>()
  const parts = new Map<string, NamedPart>()
  const batches = new Map<SendBatch<NamedPart>, number>()

  function makeMachine(command?: Command): AccumulatorMachine<NamedPart> {
    const number = (name: string, fallback: number): number => command?.number(name, fallback) ?? fallback
    return new AccumulatorMachine<NamedPart>({
      lingerMs: number('linger', 0),
      batchBytes: header + number('batch', 100),
      bufferBytes: number('buffer', 100_000),
      maxBlockMs: number('max-block', 1000),
      waitingSendsMax: number('max-waiting', 100),
      inFlightMax: number('in-flight', 5),
      idempotent: command?.has('plain') !== true,
    })
  }

  const idOf = (batch: SendBatch<NamedPart>): string => `b${batches.get(batch) ?? '?'}`
  const batchOf = (id: string): SendBatch<NamedPart> => [...batches].find(([, number]) => `b${number}` === id)![0]

  function told(effect: AccumulatorEffect<NamedPart>): string {
    switch (effect.type) {
      case 'place':
        if (!batches.has(effect.batch)) batches.set(effect.batch, batches.size + 1)
        return `place ${effect.part.name} in ${idOf(effect.batch)}`
      case 'refuse':
        return `refuse ${effect.part.name} ${effect.code}`
      case 'seal':
        return `seal ${idOf(effect.batch)}: ${effect.batch.parts.map(({ name }) => name).join(' ')}`
      case 'produce': {
        const { producerId, producerEpoch, baseSequence, queue } = effect.batch
        const producer = producerId < 0n ? '' : ` producer=${producerId}/${producerEpoch} sequence=${baseSequence}`
        return `produce ${idOf(effect.batch)} to ${queue.partition}${producer}`
      }
      case 'drop':
        return `drop ${idOf(effect.batch)}${effect.error === undefined ? '' : ` ${String(effect.error)}`}`
      case 'arm':
        return `arm ${effect.atMs}`
      case 'flushed':
        return `flushed ${effect.id}`
      default:
        return effect.type
    }
  }

  function partFrom(command: Command): NamedPart {
    const partition = command.number('to', 0)
    const durability = command.text('durability', '') as Durability | ''
    const expected = command.number('expected', -1)
    let queue = queues.get(partition)
    if (queue === undefined) {
      queue = makePartitionQueue<NamedPart>('orders', partition, header + 1000)
      queues.set(partition, queue)
    }
    queue.maxBatchBytes = header + command.number('max-batch', 1000)
    const shared = { durability: durability === '' ? undefined : durability, expectedOffset: undefined }
    if (!terms.has(durability)) terms.set(durability, shared)
    const part: NamedPart = {
      name: command.words[0]!,
      queue: queue as unknown as PartitionQueue<SendPart>,
      terms: expected < 0 ? terms.get(durability)! : { ...shared, expectedOffset: expected },
      recordCount: command.number('records', 1),
      sizeBytes: command.number('bytes', 10),
      round: 0,
      deadlineMs: 0,
      state: 'new',
      next: null,
    }
    parts.set(part.name, part)
    return part
  }

  function run(command: Command): AccumulatorEffect<NamedPart>[] {
    const name = command.words[0]!
    switch (command.name) {
      case 'send':
        return machine.step({ type: 'send', part: partFrom(command) }, nowMs)
      case 'burst-over':
        return machine.step({ type: 'burst-over' }, nowMs)
      case 'tick':
        return machine.step({ type: 'tick' }, nowMs)
      case 'encoded':
        return machine.step({ type: 'encoded', batch: batchOf(name) }, nowMs)
      case 'answered':
        return machine.step({ type: 'answered', batch: batchOf(name), appended: !command.has('failed') }, nowMs)
      case 'producer-id': {
        const identity = { producerId: BigInt(command.number('id')), producerEpoch: command.number('epoch', 0) }
        return machine.step({ type: 'producer-id', identity }, nowMs)
      }
      case 'no-producer-id':
        return machine.step({ type: 'no-producer-id', error: 'no-id' }, nowMs)
      case 'withdraw':
        return machine.step({ type: 'withdraw', part: parts.get(name)!, batch: batchOf(command.text('from')) }, nowMs)
      case 'cancel':
        return machine.step({ type: 'cancel', part: parts.get(name)! }, nowMs)
      case 'flush':
        return machine.step({ type: 'flush', id: command.number('id') }, nowMs)
      default:
        throw new Error(`there is no command ${command.name}`)
    }
  }

  return (command: Command) => {
    nowMs = command.number('at', nowMs)
    if (command.name === 'limits') {
      machine = makeMachine(command)
      return '-'
    }
    if (command.name === 'used') {
      const idle = machine.idle ? ' idle' : ''
      return `${machine.usedBytes} bytes, ${machine.waitingCount} waiting${idle}`
    }
    // Told first: an effect may name a batch that an earlier one began.
    const lines = run(command).map(told)
    return lines.length === 0 ? '-' : lines.join('\n')
  }
})
