import assert from 'node:assert/strict'
import type { WriteStream } from 'node:tty'
import { ProgressBar } from '../../src/cli/progress.ts'

describe('a progress bar', () => {
  const draw = (isTTY: boolean, quiet: boolean, total: number): string => {
    let written = ''
    const stream = { isTTY, write: (text: string) => (written += text) } as unknown as WriteStream
    const bar = new ProgressBar('importing', total, quiet, stream)
    bar.add(total === 0 ? 500 : total / 2)
    bar.end()
    return written
  }

  it('is drawn on a terminal, and taken away', () => {
    const text = draw(true, false, 2_000_000)
    assert.match(text, /importing \[#{12}\.{12}\] 50% 1\.00 MB/)
    assert.ok(text.endsWith('\r\x1b[K'))
  })

  it('has no bar where the total is not known', () => assert.match(draw(true, false, 0), /importing 500 bytes/))

  it('writes nothing elsewhere, or when it is told to be quiet', () => {
    assert.equal(draw(false, false, 100), '')
    assert.equal(draw(true, true, 100), '')
  })
})
