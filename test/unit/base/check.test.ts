import assert from 'node:assert/strict'
import { check } from '../../../src/base/check.ts'

describe('check', () => {
  it('passes what holds', () => check(true, 'one is one'))

  it('stops on what does not, and says what', () => {
    assert.throws(() => check(false, 'one is two'), /broken invariant: one is two/)
  })
})
