import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fails, native, ok, system, temporaryFolder } from './native-under-test.ts'

const bytes = (text: string) => new Uint8Array(Buffer.from(text))
const text = (content: Uint8Array | undefined) => (content === undefined ? undefined : Buffer.from(content).toString())

describe('the addon: small files', () => {
  const folder = temporaryFolder()
  const at = (name: string) => join(folder.path, name)

  it('replaces a file whole and reads it back', () => {
    ok(native.replaceFile(system, at('small'), bytes('first')))
    ok(native.replaceFile(system, at('small'), bytes('second, longer')))
    assert.equal(text(native.readFile(system, at('small'))), 'second, longer')
    assert.equal(native.readFile(system, at('small'))?.constructor, Uint8Array)
    ok(native.replaceFile(system, at('empty'), new Uint8Array(0)))
    assert.equal(text(native.readFile(system, at('empty'))), '')
  })

  it('writes in place, with a hole before it', () => {
    ok(native.writeFileAt(system, at('slots'), 4, bytes('two'), false))
    ok(native.writeFileAt(system, at('slots'), 0, bytes('one'), true))
    assert.equal(readFileSync(at('slots'), 'latin1'), 'one\0two')
  })

  it('names a missing file, with call, path and errno', () => {
    assert.equal(native.readFile(system, at('missing')), undefined)
    const error = native.lastError()
    assert.equal(error.code, 'VARVE_NOT_FOUND')
    assert.equal(error.errnoName, 'ENOENT')
    assert.equal(error.path, at('missing'))
    assert.equal(error.call, 'open')
    assert.match(error.message, /open failed on .*missing/)
    assert.equal(native.statusNames[native.cells[0]!], 'VARVE_NOT_FOUND')
  })

  it('makes, lists and removes folders, and renames, links and removes files', () => {
    ok(native.makeFolder(system, at('folder')))
    fails(native.makeFolder(system, at('folder')), 'VARVE_EXISTS')
    ok(native.replaceFile(system, at('folder/a'), bytes('a')))
    ok(native.rename(system, at('folder/a'), at('folder/b')))
    ok(native.link(system, at('folder/b'), at('folder/c')))
    ok(native.makeFolder(system, at('folder/inner')))
    ok(native.syncFolder(system, at('folder')))
    const entries = native.list(system, at('folder'))!.sort((one, other) => (one.name < other.name ? -1 : 1))
    assert.deepEqual(entries, [
      { name: 'b', folder: false },
      { name: 'c', folder: false },
      { name: 'inner', folder: true },
    ])
    fails(native.removeFolder(system, at('folder')), 'VARVE_EXISTS')
    ok(native.remove(system, at('folder/b')))
    ok(native.remove(system, at('folder/c')))
    ok(native.removeFolder(system, at('folder/inner')))
    ok(native.removeFolder(system, at('folder')))
    assert.equal(native.list(system, at('folder')), undefined)
    assert.equal(native.lastError().code, 'VARVE_NOT_FOUND')
    fails(native.remove(system, at('folder')), 'VARVE_NOT_FOUND')
  })

  it('states size, time, kind, inode and device of a file', () => {
    ok(native.replaceFile(system, at('stated'), new Uint8Array(5000)))
    ok(native.stat(system, at('stated')))
    const [, size, modifiedMs, isFolder, inode, device, allocated] = native.cells
    const facts = statSync(at('stated'))
    assert.deepEqual(
      [size, modifiedMs, isFolder, inode, device],
      [5000, Math.floor(facts.mtimeMs), 0, facts.ino, facts.dev],
    )
    assert.equal(allocated, facts.blocks * 512)
    ok(native.stat(system, folder.path))
    assert.equal(native.cells[3], 1)
    fails(native.stat(system, at('missing')), 'VARVE_NOT_FOUND')
  })

  it('names the file system and its free space', () => {
    assert.match(native.fileSystem(system, folder.path)!, /^[a-z0-9]+$/)
    assert.ok(native.freeBytes(system, folder.path) > 0)
    assert.equal(native.fileSystem(system, at('missing/deeper')), undefined)
  })

  it('answers a failure for a file where a folder should be, and for a loop of links', () => {
    writeFileSync(at('plain'), '')
    assert.equal(native.readFile(system, at('plain/inside')), undefined)
    assert.equal(native.lastError().code, 'VARVE_NOT_A_FOLDER')
    symlinkSync(at('loop'), at('loop'))
    assert.equal(native.readFile(system, at('loop')), undefined)
    assert.equal(native.lastError().errnoName, 'ELOOP')
  })
})

describe('the addon: the lock of a writer', () => {
  const folder = temporaryFolder()

  it('refuses a second holder in the same process and names the first, until it is given back', () => {
    const path = join(folder.path, '.lock')
    const first = native.lock(system, path, 'process 1, since noon')
    assert.ok(first > 0, native.lastError().message)
    assert.equal(native.lock(system, path, 'another'), 0)
    assert.equal(native.lastError().code, 'VARVE_LOCKED')
    assert.equal(native.lastError().message, 'process 1, since noon')
    ok(native.unlock(first))
    fails(native.unlock(first), 'VARVE_CLOSED')
    const second = native.lock(system, path, 'another')
    assert.ok(second > 0)
    assert.equal(readFileSync(path, 'utf8'), 'another')
    ok(native.unlock(second))
  })

  it('refuses a holder in another process and names the first', () => {
    const path = join(folder.path, '.lock-2')
    const held = native.lock(system, path, `process ${process.pid}`)
    assert.ok(held > 0)
    const loader = new URL('../../../../src/storage/native/loader.js', import.meta.url).href
    const script = `
      import { addon } from ${JSON.stringify(loader)}
      const handle = addon().lock(0, ${JSON.stringify(path)}, 'child')
      console.log(JSON.stringify({ handle, ...addon().lastError() }))`
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    assert.equal(child.status, 0, child.stderr)
    const answer = JSON.parse(child.stdout)
    assert.equal(answer.handle, 0)
    assert.equal(answer.code, 'VARVE_LOCKED')
    assert.equal(answer.message, `process ${process.pid}`)
    ok(native.unlock(held))
  })

  it('says why a lock file cannot be had', () => {
    assert.equal(native.lock(system, join(folder.path, 'missing', '.lock'), ''), 0)
    assert.equal(native.lastError().code, 'VARVE_NOT_FOUND')
    mkdirSync(join(folder.path, 'folder'))
    assert.equal(native.lock(system, join(folder.path, 'folder'), ''), 0)
    assert.equal(native.lastError().errnoName, 'EISDIR')
  })
})
