/**
 * Seen to fail with fetches that do not wait for commits on their way, with writes told of out of order, with records
 * applied although their write failed, with timers of a forgotten group kept, with damaged records ending a replay, with
 * restored sessions not armed, with deletion that does not wait for commits, and with a close that leaves somebody waiting.
 */
import assert from 'node:assert/strict'
import { VarveError } from '../../../src/errors.ts'
import { GroupCoordinator } from '../../../src/group/group-coordinator.ts'
import type { JoinRequest } from '../../../src/group/group-events.ts'
import { groupRecords } from '../../../src/protocol/group-log/group-records.ts'
import { defaultGroupSettings } from '../../../src/settings/group-settings.ts'
import { StillClock } from '../../faults/still-clock.ts'
import { MemoryGroupLog } from './memory-group-log.ts'

const joinRequest: JoinRequest = {
  memberId: '',
  groupInstanceId: null,
  clientId: 'c',
  clientHost: '/local',
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: Uint8Array.of(1) }],
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  memberIdRequired: false,
  skipAssignmentSupported: true,
}
const simple = { memberId: '', groupInstanceId: null, generation: -1 }
const offsetAt = (offset: number, partition = 0) => ({ topic: 't', partition, offset, leaderEpoch: 3, metadata: 'm' })
/** Until everything that is due has run. */
const burst = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const code =
  (wanted: string, more: (error: VarveError) => void = () => {}) =>
  (error: unknown): true => {
    assert.ok(error instanceof VarveError)
    assert.equal(error.code, wanted)
    more(error)
    return true
  }

describe('group coordinator', () => {
  let clock: StillClock
  let log: MemoryGroupLog
  let ids: number
  let coordinator: GroupCoordinator
  const open = (settings = defaultGroupSettings): GroupCoordinator => {
    const opened = new GroupCoordinator({ clock, log, settings, randomId: () => `id${++ids}` })
    for (const { key, value } of log.records) opened.replay(key, value)
    opened.start()
    return opened
  }
  /** A member of a stable group of one. */
  const joined = async (): Promise<{ memberId: string; generation: number; groupInstanceId: null }> => {
    const { memberId, generation } = await coordinator.join('g', joinRequest)
    const identity = { memberId, generation, groupInstanceId: null }
    const assignments = [{ memberId, assignment: Uint8Array.of(7) }]
    const { assignment } = await coordinator.sync('g', { ...identity, protocolType: null, protocol: null, assignments })
    assert.deepEqual(assignment, Uint8Array.of(7))
    return identity
  }

  beforeEach(() => {
    clock = new StillClock(1_000_000)
    log = new MemoryGroupLog()
    ids = 0
    coordinator = open()
  })
  afterEach(() => coordinator.close())

  it('carries a member through join, sync, heartbeat, commit and leave', async () => {
    const member = await joined()
    await coordinator.heartbeat('g', member)
    assert.deepEqual(await coordinator.commit('g', { ...member, offsets: [offsetAt(5)] }), [
      { topic: 't', partition: 0, error: null },
    ])
    assert.deepEqual(coordinator.list(), [{ groupId: 'g', protocolType: 'consumer', state: 'Stable' }])
    assert.equal(coordinator.describe('g')!.members[0]!.memberId, member.memberId)
    const left = await coordinator.leave('g', { members: [member] })
    assert.equal(left.members[0]!.error, null)
    assert.equal(coordinator.describe('g')!.state, 'Empty')
  })

  it('gives errors as the one error class, with the number of Kafka', async () => {
    await assert.rejects(
      coordinator.join('g', { ...joinRequest, memberIdRequired: true }),
      code('VARVE_MEMBER_ID_REQUIRED', ({ details, kafkaCode }) => {
        assert.equal(kafkaCode, 79)
        assert.equal(details.memberId, 'c-id1')
      }),
    )
    await assert.rejects(coordinator.heartbeat('h', { ...simple, generation: 1 }), code('VARVE_UNKNOWN_MEMBER_ID'))
  })

  it('keeps nothing of a group that nobody joined', async () => {
    await assert.rejects(coordinator.heartbeat('h', simple), code('VARVE_UNKNOWN_MEMBER_ID'))
    assert.deepEqual(coordinator.list(), [])
    assert.equal(coordinator.describe('h'), undefined)
    await assert.rejects(coordinator.join('g', { ...joinRequest, memberIdRequired: true }), VarveError)
    assert.equal(coordinator.list().length, 1)
    clock.advance(10_000)
    assert.deepEqual(coordinator.list(), [])
  })

  it('lets the session of a silent member end', async () => {
    await joined()
    clock.advance(9_999)
    assert.equal(coordinator.describe('g')!.state, 'Stable')
    clock.advance(1)
    assert.equal(coordinator.describe('g')!.state, 'Empty')
  })

  it('a fetch sees every commit that was accepted before it, written or not', async () => {
    log.held = true
    const commit = coordinator.commit('g', { ...simple, offsets: [offsetAt(5)] })
    let fetched = false
    const fetch = coordinator.fetchOffsets('g').then((offsets) => {
      fetched = true
      return offsets
    })
    await burst()
    assert.equal(fetched, false)
    log.release()
    await commit
    assert.equal((await fetch)[0]!.offset, 5)
    assert.deepEqual(await coordinator.fetchOffsets('g', [{ topic: 't', partition: 9 }]), [])
  })

  it('writes count in the order in which they were begun, whichever is done first', async () => {
    log.held = true
    const done: number[] = []
    const commits = [5, 6, 7].map((offset) =>
      coordinator.commit('g', { ...simple, offsets: [offsetAt(offset)] }).then(() => done.push(offset)),
    )
    await burst()
    log.release(true)
    await Promise.all(commits)
    assert.deepEqual(done, [5, 6, 7])
    assert.equal((await coordinator.fetchOffsets('g'))[0]!.offset, 7)
  })

  it('what could not be written does not count, and the caller may try again', async () => {
    await coordinator.commit('g', { ...simple, offsets: [offsetAt(5)] })
    const failure = new Error('no space')
    log.failure = failure
    await assert.rejects(
      coordinator.commit('g', { ...simple, offsets: [offsetAt(6)] }),
      code('VARVE_COORDINATOR_NOT_AVAILABLE', ({ cause, retriable, kafkaCode }) => {
        assert.equal(cause, failure)
        assert.equal(retriable, true)
        assert.equal(kafkaCode, 15)
      }),
    )
    assert.equal((await coordinator.fetchOffsets('g'))[0]!.offset, 5)
    const { memberId, generation } = await coordinator.join('g', joinRequest)
    const sync = { memberId, generation, groupInstanceId: null, protocolType: null, protocol: null, assignments: [] }
    await assert.rejects(coordinator.sync('g', sync), code('VARVE_COORDINATOR_NOT_AVAILABLE'))
    log.failure = null
    const again = await coordinator.join('g', { ...joinRequest, memberId })
    await coordinator.sync('g', { ...sync, generation: again.generation })
    assert.equal(coordinator.describe('g')!.state, 'Stable')
  })

  it('an offset with too much text is refused, and the others of the commit are taken', async () => {
    const offsets = [offsetAt(5), { ...offsetAt(6, 1), metadata: 'x'.repeat(4097) }]
    const outcome = await coordinator.commit('g', { ...simple, offsets })
    assert.deepEqual(
      outcome.map(({ error }) => error),
      [null, 'VARVE_OFFSET_METADATA_TOO_LARGE'],
    )
    assert.equal((await coordinator.fetchOffsets('g')).length, 1)
  })

  it('knows after a restart what its log has, and gives members their session timeout', async () => {
    const member = await joined()
    await coordinator.commit('g', { ...member, offsets: [offsetAt(5)] })
    await coordinator.commit('simple', { ...simple, offsets: [offsetAt(9)] })
    await coordinator.close()
    clock.advance(3_600_000)
    coordinator = open()
    assert.deepEqual(
      coordinator.list().map(({ groupId, state }) => `${groupId} ${state}`),
      ['g Stable', 'simple Empty'],
    )
    await coordinator.heartbeat('g', member)
    assert.equal((await coordinator.fetchOffsets('g'))[0]!.offset, 5)
    clock.advance(10_000)
    assert.equal(coordinator.describe('g')!.state, 'Empty')
  })

  it('members that do not come back after a restart are out', async () => {
    await joined()
    await coordinator.close()
    coordinator = open()
    clock.advance(9_999)
    assert.equal(coordinator.describe('g')!.state, 'Stable')
    clock.advance(1)
    assert.equal(coordinator.describe('g')!.state, 'Empty')
  })

  it('passes damaged and unknown records of its log by', async () => {
    await coordinator.commit('g', { ...simple, offsets: [offsetAt(5)] })
    await coordinator.close()
    const key = groupRecords.encodeKey('GroupMetadata', { group: 'h' })
    log.records.unshift({ key, value: Uint8Array.of(0, 3, 1) }, { key: Uint8Array.of(0, 99), value: null })
    log.records.unshift({ key: Uint8Array.of(1), value: null })
    coordinator = open()
    coordinator.replay(null, null)
    assert.equal((await coordinator.fetchOffsets('g'))[0]!.offset, 5)
    assert.equal(coordinator.describe('h'), undefined)
  })

  it('deletes groups without members with their offsets, and single offsets', async () => {
    const member = await joined()
    await assert.rejects(coordinator.delete('g'), code('VARVE_GROUP_NOT_EMPTY'))
    await coordinator.leave('g', { members: [member] })
    await coordinator.commit('g', { ...simple, offsets: [offsetAt(5), offsetAt(6, 1)] })
    const partitions = [
      { topic: 't', partition: 1 },
      { topic: 't', partition: 9 },
    ]
    const deleted = await coordinator.deleteOffsets('g', partitions)
    assert.deepEqual(
      deleted.map(({ error }) => error),
      [null, null],
    )
    assert.equal((await coordinator.fetchOffsets('g')).length, 1)
    await coordinator.delete('g')
    assert.deepEqual(coordinator.list(), [])
    await assert.rejects(coordinator.delete('g'), code('VARVE_GROUP_NOT_FOUND'))
    await coordinator.close()
    coordinator = open()
    assert.deepEqual(coordinator.list(), [])
    assert.deepEqual(await coordinator.fetchOffsets('g'), [])
  })

  it('deletion covers the commit that is on its way', async () => {
    log.held = true
    const commit = coordinator.commit('g', { ...simple, offsets: [offsetAt(5)] })
    const deletion = coordinator.delete('g')
    log.held = false
    log.release()
    await commit
    await deletion
    assert.deepEqual(await coordinator.fetchOffsets('g'), [])
    assert.equal(log.records.at(-1)!.value, null)
  })

  it('offsets expire, counted from when the group became empty, and the group with them', async () => {
    await coordinator.close()
    coordinator = open({ ...defaultGroupSettings, offsetsRetentionMinutes: 60 })
    const member = await joined()
    await coordinator.commit('g', { ...member, offsets: [offsetAt(5)] })
    await coordinator.leave('g', { members: [member] })
    clock.advance(59 * 60_000)
    await burst()
    assert.equal((await coordinator.fetchOffsets('g')).length, 1)
    clock.advance(11 * 60_000)
    await burst()
    assert.deepEqual(await coordinator.fetchOffsets('g'), [])
    assert.deepEqual(coordinator.list(), [])
  })

  it('a close answers those who wait, waits for writes, and ends every call', async () => {
    await joined()
    const join = coordinator.join('g', joinRequest)
    log.held = true
    const commit = coordinator.commit('h', { ...simple, offsets: [offsetAt(5)] })
    const closing = coordinator.close()
    await assert.rejects(join, code('VARVE_CLOSED'))
    await assert.rejects(commit, code('VARVE_CLOSED'))
    let closed = false
    closing.then(() => {
      closed = true
    })
    await burst()
    assert.equal(closed, false)
    log.release()
    await closing
    assert.equal(log.records.length, 2)
    await assert.rejects(coordinator.join('g', joinRequest), code('VARVE_CLOSED'))
    await assert.rejects(coordinator.fetchOffsets('g'), code('VARVE_CLOSED'))
    clock.advance(60_000)
    await coordinator.close()
  })
})
