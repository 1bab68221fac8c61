/**
 * Kafka's dump tool reads the records of our groups. Seen to fail with a group's record written in version 4, with its two
 * timeouts exchanged, and with the expiry of an offset left out.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BatchBuilder, openLog } from '../../src/doors/log.ts'
import { stickyAssignor } from '../../src/group/assignors/sticky.ts'
import { GroupCoordinator, type GroupLog } from '../../src/group/group-coordinator.ts'
import { encodeAssignment, encodeSubscription } from '../../src/protocol/consumer-protocol/consumer-protocol.ts'
import { StillClock } from '../faults/still-clock.ts'
import { dumpFaults, parseBatches } from './dump-report.ts'
import { kafkaPeer } from './kafka-peer.ts'
import { describeWithKafka } from './needs-kafka.ts'

describeWithKafka("Kafka's dump tool and the records of groups", function () {
  this.timeout(120_000)
  let folder: string

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'varve-group-log-'))
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  it('reads members, offsets and what was deleted as we meant them', async () => {
    const partition = join(folder, '__consumer_offsets-0')
    const log = await openLog(partition, { retentionMs: -1 })
    const clock = new StillClock(1_700_000_000_000)
    const groupLog: GroupLog = {
      async append(records) {
        const builder = new BatchBuilder()
        for (const { key, value } of records) builder.add({ key, value, timestamp: clock.wallMs() })
        await log.appendDurable(builder)
      },
    }
    let ids = 0
    const coordinator = new GroupCoordinator({ clock, log: groupLog, randomId: () => `id${++ids}` })
    coordinator.start()
    const simple = { memberId: '', groupInstanceId: null, generation: -1 }
    const commitOf = (offset: number, metadata: string) => [
      { topic: 't', partition: 2, offset, leaderEpoch: 4, metadata },
    ]

    const metadata = encodeSubscription({
      topics: ['t'],
      userData: stickyAssignor.userData([{ topic: 't', partition: 2 }], 7),
      ownedPartitions: [],
      generationId: 7,
    })
    const { memberId, generation } = await coordinator.join('g', {
      ...simple,
      groupInstanceId: 'i',
      clientId: 'c',
      clientHost: '/local',
      protocolType: 'consumer',
      protocols: [{ name: 'sticky', metadata }],
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      memberIdRequired: true,
      skipAssignmentSupported: true,
    })
    const identity = { memberId, groupInstanceId: 'i', generation }
    const assignment = encodeAssignment({ assignedPartitions: [{ topic: 't', partitions: [2] }] })
    const assignments = [{ memberId, assignment }]
    await coordinator.sync('g', { ...identity, protocolType: null, protocol: null, assignments })
    await coordinator.commit('g', { ...identity, offsets: commitOf(42, 'n') })
    await coordinator.leave('g', { members: [identity] })
    await coordinator.commit('kept', { ...simple, offsets: commitOf(7, ''), retentionMs: 1_000 })
    await coordinator.delete('g')
    await coordinator.close()
    await log.close()

    const [file] = readdirSync(partition).filter((name) => name.endsWith('.log'))
    const path = join(partition, file!)
    const output = await kafkaPeer.dump('--offsets-decoder', '--print-data-log', '--files', path)
    assert.deepEqual(dumpFaults(output, [path]), [])
    const read = parseBatches(output).flatMap(({ records }) =>
      records.map(({ text }) => {
        const [, key, payload] = /^key: (.*?) payload: (.*)$/.exec(text) ?? []
        assert.ok(key !== undefined && payload !== undefined, text)
        return { key: JSON.parse(key), payload: payload === '<DELETE>' ? null : JSON.parse(payload) }
      }),
    )
    const groupKey = { type: '2', data: { group: 'g' } }
    const offsetKey = (group: string) => ({ type: '1', data: { group, topic: 't', partition: 2 } })
    const common = { protocolType: 'consumer', currentStateTimestamp: clock.wallMs() }
    assert.deepEqual(
      read.map(({ key, payload }) => [key, payload?.data ?? null, payload?.version ?? null]),
      [
        [
          groupKey,
          {
            ...common,
            generation: 1,
            protocol: 'sticky',
            leader: 'i-id1',
            members: [
              {
                memberId: 'i-id1',
                groupInstanceId: 'i',
                clientId: 'c',
                clientHost: '/local',
                rebalanceTimeout: 60_000,
                sessionTimeout: 10_000,
                subscription: {
                  topics: ['t'],
                  userData: Buffer.from(stickyAssignor.userData([{ topic: 't', partition: 2 }], 7)!).toString('base64'),
                  ownedPartitions: [],
                  generationId: 7,
                  rackId: null,
                },
                assignment: { assignedPartitions: [{ topic: 't', partitions: [2] }], userData: null },
              },
            ],
          },
          '3',
        ],
        [offsetKey('g'), { offset: 42, leaderEpoch: 4, metadata: 'n', commitTimestamp: clock.wallMs() }, '3'],
        [groupKey, { ...common, generation: 2, protocol: null, leader: null, members: [] }, '3'],
        [
          offsetKey('kept'),
          { offset: 7, metadata: '', commitTimestamp: clock.wallMs(), expireTimestamp: clock.wallMs() + 1_000 },
          '1',
        ],
        [offsetKey('g'), null, null],
        [groupKey, null, null],
      ],
    )
  })
})
