/**
 * Seen to fail with tombstones left out, subscribed topics and expire timestamps not looked at, a retention that ends
 * one millisecond late, and metadata of any size.
 */
import { CommittedOffsets } from '../../../src/group/committed-offsets.ts'
import type { GroupLogRecord } from '../../../src/group/group-events.ts'
import { groupRecords } from '../../../src/protocol/group-log/group-records.ts'
import { type Command, describeScript, type Machine } from '../script.ts'

/** Places are `<topic>-<partition>=<offset>/<metadata>/<leader epoch>`. What is committed is applied, unless `held`. */
describeScript('group/scripts/committed-offsets.txt', (): Machine => {
  const offsets = new CommittedOffsets()
  let held: GroupLogRecord[] = []
  let wallMs = 0
  let metadataMaxBytes = 4096

  const place = (text: string): { topic: string; partition: number } => {
    const [, topic, partition] = /^(.*?)-(-?\d+)$/.exec(text) ?? [text, '', '0']
    return { topic: topic!, partition: Number(partition) }
  }
  const apply = (records: readonly GroupLogRecord[]): void => {
    for (const { key, value } of records) offsets.apply(groupRecords.decode(key, value)!)
  }
  const shown = ({ key, value }: GroupLogRecord): string => {
    const record = groupRecords.decode(key, value)
    if (record?.type !== 'OffsetCommit') return 'another record'
    const { topic, partition } = record.key
    return `${topic}-${partition} ${record.value === null ? 'gone' : `version ${record.valueVersion}`}`
  }
  const all = (group: string): string =>
    offsets
      .fetchAll(group)
      .map((each) => `${each.topic}-${each.partition} ${each.offset} "${each.metadata}" epoch=${each.leaderEpoch}`)
      .join('\n') || 'nothing'
  const commit = (command: Command, group: string): string => {
    // The script's arguments are named by what stands before `=`, so the line is read again.
    const places = command.line
      .split(' ')
      .filter((word) => /^[^=]*-?\d*=|^=/.test(word) && !/^(at|keep-ms)=/.test(word))
    const asked = places.map((word) => {
      const [where, what] = word.split('=') as [string, string]
      const [offset, metadata = '', leaderEpoch = '-1'] = what.split('/')
      return { ...place(where), offset: Number(offset), metadata, leaderEpoch: Number(leaderEpoch) }
    })
    const retentionMs = command.number('keep-ms', -1)
    const { records, outcome } = offsets.commit(group, asked, { wallMs, metadataMaxBytes, retentionMs })
    if (command.has('held')) held = records
    else apply(records)
    const refused = outcome.filter(({ error }) => error !== null)
    return [...records.map(shown), ...refused.map((each) => `${each.topic}-${each.partition} ${each.error}`)].join('\n')
  }

  return (command) => {
    wallMs = command.number('at', wallMs)
    const [first = '', second] = command.words
    switch (command.name) {
      case 'limit':
        metadataMaxBytes = Number(first)
        return 'ok'
      case 'commit':
        return commit(command, first)
      case 'apply':
        apply(held)
        return 'ok'
      case 'fetch': {
        if (second === undefined) return all(first)
        const { topic, partition } = place(second)
        const found = offsets.fetch(first, topic, partition)
        return found === undefined
          ? 'nothing'
          : `${found.offset} at ${found.commitTimestamp} until ${found.expireTimestamp}`
      }
      case 'gone': {
        const key = groupRecords.encodeKey('OffsetCommit', { group: first, ...place(second!) })
        apply([{ key, value: null }])
        return 'ok'
      }
      case 'group-record':
        apply([{ key: groupRecords.encodeKey('GroupMetadata', { group: first }), value: null }])
        return 'ok'
      case 'groups':
        return offsets.groupIds().join(' ') || 'none'
      case 'delete': {
        const records = offsets.tombstones(first)
        apply(records)
        return records.map(shown).join('\n')
      }
      case 'expired': {
        const from = command.text('from')
        const keep = command.text('keep', '')
        const { records, remaining } = offsets.expired(
          first,
          from === 'none'
            ? null
            : { from: from === 'commit' ? 'commit' : Number(from), keepTopics: keep === '' ? null : new Set([keep]) },
          { wallMs, retentionMs: command.number('retention') },
        )
        return [...records.map(shown), `${remaining} stay`].join('\n')
      }
      default:
        throw new Error(`there is no command ${command.name}`)
    }
  }
})
