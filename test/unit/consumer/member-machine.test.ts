/**
 * Seen to fail with a join that does not wait for what is given up, with several assignors taken for cooperative when
 * one is, with user data of nothing, with answers and errors of old generations or requests heeded, with a generation
 * that was missed not noticed, with errors that end a member tried again, with heartbeats that pile up, with a topic that
 * grew not shared anew, with what could not be given out not looked after, with a static member that leaves, and with a consumer that does not poll kept.
 */
import type { MemberEffect, MemberTimer } from '../../../src/consumer/member-events.ts'
import { MemberMachine } from '../../../src/consumer/member-machine.ts'
import type { ErrorCode } from '../../../src/errors.ts'
import type { TopicPartition } from '../../../src/group/assignors/assignor.ts'
import { assignors } from '../../../src/group/assignors/assignors.ts'
import { byTopic } from '../../../src/group/assignors/sticky.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../../src/protocol/consumer-protocol/consumer-protocol.ts'
import { type Command, describeScript, type Machine } from '../script.ts'

/** Partitions are `t-0,t-1`. `member` makes the machine that the case is about; else it is a dynamic one of `range`. */
describeScript('consumer/scripts/member-machine.txt', (): Machine => {
  const machineOf = (command: Command | null): MemberMachine =>
    new MemberMachine({
      topics: (command?.text('topics', 't') ?? 't').split(','),
      groupInstanceId: command?.text('instance', '') || null,
      assignors: (command?.text('assignors', 'range') ?? 'range').split(',').map((name) => assignors.get(name)!),
      sessionTimeoutMs: 10_000,
      heartbeatIntervalMs: 3_000,
      maxPollIntervalMs: 60_000,
      retryBackoffMs: 100,
    })
  let machine = machineOf(null)
  let nowMs = 0

  const places = (text: string): TopicPartition[] =>
    text === ''
      ? []
      : text.split(',').map((part) => ({ topic: part.split('-')[0]!, partition: Number(part.split('-')[1]) }))
  const list = (partitions: readonly TopicPartition[]): string =>
    `[${partitions.map(({ topic, partition }) => `${topic}-${partition}`)}]`
  const listTopics = (topics: readonly { topic: string; partitions: readonly number[] }[]): string =>
    list(topics.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition }))))
  const shown = (effect: MemberEffect): string => {
    switch (effect.type) {
      case 'join': {
        const offers = effect.protocols.map(({ name, metadata }) => {
          const { topics, ownedPartitions, generationId, userData } = decodeSubscription(metadata)
          const said = userData === null ? '' : ` user-data=${userData.toString('hex')}`
          return `${name} topics=${topics} owned=${listTopics(ownedPartitions)} generation=${generationId}${said}`
        })
        return `join ${effect.request} member=${effect.memberId} instance=${effect.groupInstanceId}: ${offers.join(' | ')}`
      }
      case 'sync': {
        const given = effect.assignments.map(
          ({ memberId, assignment }) => `${memberId}=${listTopics(decodeAssignment(assignment).assignedPartitions)}`,
        )
        return `sync ${effect.request} member=${effect.memberId} generation=${effect.generation} [${given.join(' ')}]`
      }
      case 'heartbeat':
        return `heartbeat ${effect.request} member=${effect.memberId} generation=${effect.generation}`
      case 'leave':
        return `leave member=${effect.memberId}`
      case 'count-partitions':
        return `count-partitions ${effect.topics}`
      case 'deliver':
        return `deliver ${effect.what} ${list(effect.partitions)}`
      case 'arm':
        return `arm ${effect.timer} at ${effect.dueMs}`
      case 'cancel':
        return `cancel ${effect.timer}`
      case 'ended':
        return `ended ${effect.error}`
    }
  }
  /** `<id>:<topics>:<owned>`, parted by `/`. */
  const members = (text: string) =>
    text === ''
      ? []
      : text.split('/').map((part) => {
          const [memberId, topics, owned = ''] = part.split(':')
          const metadata =
            topics === 'broken'
              ? Uint8Array.of(1)
              : encodeSubscription({ topics: topics!.split('+'), ownedPartitions: byTopic(places(owned)) })
          return { memberId: memberId!, groupInstanceId: null, metadata }
        })

  return (command) => {
    nowMs = command.number('at', nowMs)
    const step = (event: Parameters<MemberMachine['step']>[0]): string =>
      machine.step(event, nowMs).map(shown).join('\n') || '-'
    const request = command.number('request', 0)
    switch (command.name) {
      case 'member':
        machine = machineOf(command)
        return 'ok'
      case 'state':
        return `${machine.state} member=${machine.memberId} generation=${machine.generation} owns ${list(machine.owned)}`
      case 'joined':
        return step({
          type: 'joined',
          request,
          result: {
            memberId: command.text('member', 'me'),
            generation: command.number('generation'),
            protocolType: 'consumer',
            protocol: command.text('protocol', 'range'),
            leader: command.text('leader', 'other'),
            skipAssignment: command.has('skip'),
            members: members(command.text('members', '')),
          },
        })
      case 'synced': {
        const partitions = command.text('partitions')
        const assignment =
          partitions === 'broken'
            ? Uint8Array.of(1)
            : partitions === 'none'
              ? new Uint8Array(0)
              : encodeAssignment({ assignedPartitions: byTopic(places(partitions)) })
        return step({ type: 'synced', request, assignment })
      }
      case 'refused': {
        const memberId = command.text('member', '')
        const error = command.words[0] as ErrorCode
        return step({ type: 'refused', request, error, ...(memberId === '' ? {} : { memberId }) })
      }
      case 'commit-refused':
        return step({
          type: 'commit-refused',
          generation: command.number('generation'),
          error: command.words[0] as ErrorCode,
        })
      case 'counts':
        return step({
          type: 'partition-counts',
          counts: new Map(command.words.map((word) => [word.split(':')[0]!, Number(word.split(':')[1])])),
        })
      case 'subscribe':
        return step({ type: 'subscribe', topics: command.words })
      case 'timer':
        return step({ type: 'timer', timer: command.words[0] as MemberTimer })
      case 'alive':
        return step({ type: 'alive', request })
      case 'start':
      case 'polled':
      case 'delivered':
      case 'leave':
        return step({ type: command.name })
      default:
        throw new Error(`there is no command ${command.name}`)
    }
  }
})
