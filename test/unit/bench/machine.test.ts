import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { findMount, memoryFileSystem, parseMountInfo } from '../../../bench/macro/machine.ts'

const mountInfo = `22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:26 / /run rw,nosuid - tmpfs tmpfs rw,size=1g
41 22 254:16 /a /data rw,relatime - xfs /dev/vdb rw
42 22 254:32 / /data\\040two rw,relatime shared:9 master:3 - btrfs /dev/vdc rw
43 41 254:48 / /data rw,relatime - ext4 /dev/vdd rw
`

describe('bench machine facts', () => {
  const mounts = parseMountInfo(mountInfo)
  const found = (path: string): string | undefined => findMount(mounts, path)?.source

  it('finds the longest mount point above a folder, the latest where several share it', () => {
    assert.equal(found('/var/x'), '/dev/vda1')
    assert.equal(found('/'), '/dev/vda1')
    assert.equal(found('/data'), '/dev/vdd')
    assert.equal(found('/data/x'), '/dev/vdd')
    assert.equal(found('/database'), '/dev/vda1')
  })

  it('reads blanks in mount points, and optional fields of any number', () => {
    assert.deepEqual(findMount(mounts, '/data two/x'), {
      number: '254:32',
      point: '/data two',
      fileSystem: 'btrfs',
      source: '/dev/vdc',
    })
  })

  it('knows a memory file system', function () {
    if (!existsSync('/dev/shm')) return this.skip()
    assert.equal(memoryFileSystem('/dev/shm'), 'tmpfs')
    assert.equal(memoryFileSystem('/proc'), undefined)
  })
})
