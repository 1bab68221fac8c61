/** What holds for every command: help, wrong arguments, streams, exit codes. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openLog } from '../../src/doors/log.ts'
import { temporaryFolder } from '../conformance/temporary-folder.ts'
import { goldenPath } from '../golden/golden-folders.ts'
import { varve, varvePath } from './run-varve.ts'

const commands = [
  'topic',
  'group',
  'produce',
  'consume',
  'import',
  'export',
  'dump',
  'verify',
  'repair',
  'bench',
  'build',
]

describe('varve', () => {
  const folder = temporaryFolder()

  it('lists its commands, to standard error when none was named', () => {
    const asked = varve(['--help'])
    assert.deepEqual([asked.code, asked.stderr], [0, ''])
    for (const command of commands) assert.match(asked.text, new RegExp(`^ +${command} `, 'm'))
    const bare = varve([])
    assert.deepEqual([bare.code, bare.text, bare.stderr], [2, '', asked.text])
    assert.equal(varve(['dumb']).code, 2)
  })

  for (const command of commands)
    it(`${command} --help tells usage and exit codes, and does nothing else`, () => {
      const { code, text, stderr } = varve([command, '--help'])
      assert.deepEqual([code, stderr], [0, ''])
      assert.match(text, new RegExp(`^usage: varve ${command}|varve bench`, 'm'))
      if (command === 'bench') return // it has its own
      assert.match(text, /^exit codes: 0 /m)
      for (const line of text.split('\n')) assert.ok(line.length <= 120, line)
    })

  for (const [args, said] of [
    [['verify'], /the folder to verify is missing/],
    [['verify', 'a', 'b'], /'b' is one argument too many/],
    [['verify', 'a', '--jsno'], /--jsno/],
    [['export', 'a', '--from', 'x'], /--from takes a whole number, not 'x'/],
    [['export', 'a', '--from', '5', '--to', '4'], /--to lies below --from/],
    [['import', 'a', '--compression', 'zip'], /--compression takes none, gzip, snappy, lz4, zstd, not 'zip'/],
    [['repair', 'a'], /--to <new folder> is missing/],
    [['topic'], /what to do is missing/],
    [['group', 'reset', 'a'], /--topic and --to are needed/],
    [
      ['group', 'reset', 'a', '--topic', 't', '--to', 'soon'],
      /--to takes earliest, latest, an offset, a time or a span/,
    ],
    [['topic', 'list', 'a'], /'a' is one argument too many/],
    [['produce', 'a', '--durability', 'safe'], /--durability takes buffered, interval, synced, not 'safe'/],
    [['consume', 'a', '--format', '%z'], /--format has no '%z'/],
    [['consume', 'a', '--from', 'then'], /--from takes earliest, latest, an offset or a time, not 'then'/],
  ] as const)
    it(`refuses \`${args.join(' ')}\` with a hint, exit code 2`, () => {
      const { code, text, stderr } = varve(args)
      assert.deepEqual([code, text], [2, ''])
      assert.match(stderr, said)
      assert.match(stderr, new RegExp(`See varve ${args[0]} --help`))
    })

  for (const command of ['export', 'dump', 'verify', 'repair'])
    it(`${command} of a folder that is not there says so, exit code 1`, () => {
      const path = join(folder(), 'none')
      const { code, text, stderr } = varve([
        command,
        path,
        ...(command === 'repair' ? ['--to', join(folder(), 'to')] : []),
      ])
      assert.deepEqual([code, text], [1, ''])
      assert.match(stderr, /none/)
      assert.match(stderr, /VARVE_NOT_FOUND/)
    })

  it('verify and dump of a file or a folder of something else say so', () => {
    mkdirSync(join(folder(), 'photos'))
    writeFileSync(join(folder(), 'photos', 'a.jpg'), 'x')
    assert.match(varve(['verify', join(folder(), 'photos')]).stderr, /holds no log.*VARVE_FOREIGN_FOLDER/)
    assert.match(varve(['verify', join(folder(), 'photos', 'a.jpg')]).stderr, /is a file.*VARVE_NOT_A_FOLDER/)
    assert.match(
      varve(['dump', join(folder(), 'photos', 'a.jpg')]).stderr,
      /'a.jpg' is not the name of a file of a log/,
    )
  })

  it('import into a folder that is open names the one who has it', async () => {
    const log = await openLog(join(folder(), 'log'))
    const { code, stderr } = varve(['import', join(folder(), 'log')], 'a\n')
    await log.close()
    assert.equal(code, 1)
    assert.match(stderr, new RegExp(`process ${process.pid}.*VARVE_LOCKED`))
  })

  for (const [name, args] of [
    ['dump', ['dump', goldenPath('clean', 'segments-0'), '--records']],
    ['export', ['export', 'LOG']],
  ] as const)
    it(`${name} ends quietly when whoever reads its output has had enough`, async () => {
      const log = join(folder(), 'log')
      if (name === 'export') varve(['import', log], 'a line of some length\n'.repeat(200_000))
      const child = spawn(process.execPath, [varvePath, ...args.map((arg) => (arg === 'LOG' ? log : arg))])
      const errors: Buffer[] = []
      child.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
      await once(child.stdout, 'data')
      child.stdout.destroy()
      const [code] = await once(child, 'close')
      assert.deepEqual([code, Buffer.concat(errors).toString()], [0, ''])
    })
})
