import assert from 'node:assert/strict'
import { VarveError } from '../../../src/errors.ts'
import {
  defaultLogSettings,
  type LogSettings,
  logSettingName,
  logSettingTable,
  type Setting,
} from '../../../src/settings/log-settings.ts'
import { nearestName } from '../../../src/settings/nearest-name.ts'
import { logSettingText, parseLogSettings, parseLogSettingTexts } from '../../../src/settings/parse-log-settings.ts'

const refused = (option: string, message: RegExp) => (error: unknown) =>
  error instanceof VarveError &&
  error.code === 'VARVE_INVALID_ARGUMENT' &&
  error.details.option === option &&
  message.test(error.message)

describe('the table of settings', () => {
  it('has defaults that are within their own bounds', () => {
    assert.deepEqual(parseLogSettings({ ...defaultLogSettings }), defaultLogSettings)
  })

  it("has Kafka's names in Kafka's spelling, each once, and ours as their twins", () => {
    const kafkaNames = Object.values(logSettingTable).map(({ kafkaName }) => kafkaName)
    assert.equal(new Set(kafkaNames).size, kafkaNames.length)
    for (const [name, setting] of Object.entries(logSettingTable) as [string, Setting][]) {
      assert.match(setting.kafkaName, /^[a-z]+(\.[a-z]+)*$/)
      const twin = setting.kafkaName.replaceAll(/\.([a-z])/g, (_, letter: string) => letter.toUpperCase())
      // flush.ms is the one that says more in our name.
      if (name !== 'flushIntervalMs') assert.equal(name, twin)
      assert.equal(logSettingName(setting.kafkaName), name)
      assert.equal(logSettingName(name), name)
      assert.match(setting.doc, /^[A-Z].*\.$/)
    }
    assert.equal(logSettingName('constructor'), undefined)
    assert.equal(logSettingName('__proto__'), undefined)
  })

  it("has Kafka 4.3's defaults", () => {
    const texts = Object.fromEntries(
      Object.entries(defaultLogSettings).map(([name, value]) => [
        logSettingTable[name as keyof LogSettings].kafkaName,
        logSettingText(value),
      ]),
    )
    const kafka = {
      'cleanup.policy': 'delete',
      'compression.type': 'producer',
      'delete.retention.ms': '86400000',
      'file.delete.delay.ms': '60000',
      'index.interval.bytes': '4096',
      'max.message.bytes': '1048588',
      'message.timestamp.after.max.ms': '3600000',
      'message.timestamp.type': 'CreateTime',
      'min.cleanable.dirty.ratio': '0.5',
      'min.compaction.lag.ms': '0',
      preallocate: 'false',
      'producer.id.expiration.ms': '86400000',
      'retention.bytes': '-1',
      'retention.ms': '604800000',
      'segment.bytes': '1073741824',
      'segment.index.bytes': '10485760',
      'segment.ms': '604800000',
    }
    assert.deepEqual({ ...texts, ...kafka }, texts)
  })
})

describe('settings from options', () => {
  it('take either name, and defaults for the rest', () => {
    const settings = parseLogSettings({ 'retention.ms': 1000, segmentBytes: 2 ** 20, preallocate: undefined })
    assert.equal(settings.retentionMs, 1000)
    assert.equal(settings.segmentBytes, 2 ** 20)
    assert.equal(settings.preallocate, false)
    assert.deepEqual({ ...settings, retentionMs: 604_800_000, segmentBytes: 2 ** 30 }, defaultLogSettings)
  })

  it('change only what is given when there are settings already', () => {
    const base = parseLogSettings({ retentionMs: 5 })
    assert.equal(parseLogSettings({ segmentMs: 7 }, base).retentionMs, 5)
  })

  it('cannot be changed afterwards, neither they nor what was passed in', () => {
    const policy: ('delete' | 'compact')[] = ['compact', 'delete', 'compact']
    const settings = parseLogSettings({ cleanupPolicy: policy })
    policy.push('delete')
    assert.deepEqual(settings.cleanupPolicy, ['compact', 'delete'])
    assert.ok(Object.isFrozen(settings) && Object.isFrozen(settings.cleanupPolicy))
    assert.ok(Object.isFrozen(defaultLogSettings) && Object.isFrozen(defaultLogSettings.cleanupPolicy))
  })

  it('name the setting that was meant', () => {
    const cases: [option: string, meant: string][] = [
      ['retentionMS', 'retentionMs'],
      ['retention_ms', 'retentionMs'],
      ['segmentByte', 'segmentBytes'],
      ['segemnt.bytes', 'segmentBytes'],
      ['durabilty', 'durability'],
      ['log.retention.ms', 'retentionMs'],
    ]
    for (const [option, meant] of cases)
      assert.throws(
        () => parseLogSettings({ [option]: 1 }),
        refused(option, new RegExp(`^There is no setting "${option}": did you mean "${meant}"\\?$`)),
      )
    assert.throws(() => parseLogSettings({ colour: 1 }), refused('colour', /^There is no setting "colour"\.$/))
    assert.throws(() => parseLogSettings(JSON.parse('{"__proto__":1}')), refused('__proto__', /no setting/))
  })

  it('refuse one setting under both names', () => {
    assert.throws(
      () => parseLogSettings({ retentionMs: 1, 'retention.ms': 1 }),
      refused('retention.ms', /^Setting "retention\.ms" was given as "retentionMs" too: pass one of them\.$/),
    )
  })

  it('refuse a wrong type or a value out of bounds, and say what is allowed', () => {
    const cases: [option: string, value: unknown, message: string][] = [
      ['segmentBytes', '1gb', 'must be an integer from 1048576 to 2147483647 (bytes); it is "1gb".'],
      ['segment.bytes', 2 ** 20 - 1, 'must be an integer from 1048576 to 2147483647 (bytes); it is 1048575.'],
      ['segmentBytes', 2 ** 31, 'must be an integer from 1048576 to 2147483647 (bytes); it is 2147483648.'],
      ['segmentMs', 1.5, 'must be an integer from 1 to 9007199254740991 (ms); it is 1.5.'],
      ['segmentMs', Number.NaN, 'must be an integer from 1 to 9007199254740991 (ms); it is NaN.'],
      ['segmentMs', 10n, 'must be an integer from 1 to 9007199254740991 (ms); it is 10n.'],
      ['retentionMs', -2, 'must be an integer from 0 to 9007199254740991 (ms), or -1 (no limit); it is -2.'],
      ['minCleanableDirtyRatio', 1.01, 'must be a number from 0 to 1; it is 1.01.'],
      ['minCleanableDirtyRatio', Number.NaN, 'must be a number from 0 to 1; it is NaN.'],
      ['preallocate', 1, 'must be true or false; it is 1.'],
      ['durability', 'sync', 'must be one of "buffered", "interval", "synced"; it is "sync".'],
      ['durability', null, 'must be one of "buffered", "interval", "synced"; it is null.'],
      ['cleanupPolicy', 'delete', 'must be an array of "delete", "compact", at least one; it is "delete".'],
      ['cleanupPolicy', [], 'must be an array of "delete", "compact", at least one; it is an array.'],
      ['cleanupPolicy', ['compress'], 'must be an array of "delete", "compact", at least one; it is an array.'],
      ['cleanupPolicy', {}, 'must be an array of "delete", "compact", at least one; it is an object.'],
    ]
    for (const [option, value, message] of cases)
      assert.throws(
        () => parseLogSettings({ [option]: value }),
        (error: unknown) => {
          assert.ok(error instanceof VarveError)
          assert.equal(error.message, `Setting "${option}" ${message}`)
          return error.code === 'VARVE_INVALID_ARGUMENT' && error.details.option === option
        },
      )
  })

  it('accept the bounds themselves and the special values', () => {
    parseLogSettings({ segmentBytes: 2 ** 20, segmentMs: 1, retentionMs: -1, retentionBytes: -1 })
    parseLogSettings({ segmentBytes: 2 ** 31 - 1, retentionMs: 0, internalSegmentBytes: 0 })
    assert.throws(() => parseLogSettings({ internalSegmentBytes: 1 }), refused('internalSegmentBytes', /from 128/))
  })

  it('refuse what would have no effect', () => {
    const cases = { minCleanableDirtyRatio: 1, preallocate: true, 'compression.type': 'zstd', deleteRetentionMs: 0 }
    for (const [option, value] of Object.entries(cases))
      assert.throws(
        () => parseLogSettings({ [option]: value }),
        (error: unknown) =>
          error instanceof VarveError && error.code === 'VARVE_UNSUPPORTED' && error.details.option === option,
      )
    parseLogSettings({ minCleanableDirtyRatio: 0.5, preallocate: false, compressionType: 'producer' })
  })

  it('refuse what is no object', () => {
    for (const options of [null, [], 'segmentBytes', 7])
      assert.throws(() => parseLogSettings(options as never), /^VarveError: Settings must be an object/)
  })
})

describe('settings from text', () => {
  it('read what they print', () => {
    const texts = Object.fromEntries(
      Object.entries(defaultLogSettings).map(([name, value]) => [name, logSettingText(value)]),
    )
    assert.deepEqual(parseLogSettingTexts(texts), defaultLogSettings)
  })

  it("read topic configurations as Kafka's clients send them", () => {
    const settings = parseLogSettingTexts({
      'cleanup.policy': 'compact, delete',
      'retention.ms': '-1',
      'max.compaction.lag.ms': '9223372036854775807',
      'min.cleanable.dirty.ratio': '0.5',
      preallocate: 'false',
    })
    assert.deepEqual(settings.cleanupPolicy, ['compact', 'delete'])
    assert.equal(settings.retentionMs, -1)
    assert.equal(settings.maxCompactionLagMs, Number.MAX_SAFE_INTEGER)
    assert.equal(settings.minCleanableDirtyRatio, 0.5)
    assert.equal(settings.preallocate, false)
  })

  it('refuse what is no number, and unknown names', () => {
    for (const text of ['', ' 1', '1e3', '0x10', '1kb', 'NaN', '--1'])
      assert.throws(() => parseLogSettingTexts({ 'segment.ms': text }), refused('segment.ms', /must be an integer/))
    assert.throws(
      () => parseLogSettingTexts({ preallocate: 'yes' }),
      refused('preallocate', /true or false; it is "yes"/),
    )
    assert.throws(() => parseLogSettingTexts({ retention: '1' }), refused('retention', /no setting/))
  })
})

describe('the nearest name', () => {
  it('counts a swap as one slip, and ignores case and separators', () => {
    assert.equal(nearestName('kye', ['value', 'key']), 'key')
    assert.equal(nearestName('KEY_NAME', ['keyName']), 'keyName')
    assert.equal(nearestName('', ['key']), undefined)
    assert.equal(nearestName('offset', ['key', 'value']), undefined)
    assert.equal(nearestName('k'.repeat(100_000), ['key']), undefined)
  })
})
