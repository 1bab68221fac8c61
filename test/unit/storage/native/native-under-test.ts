/** What the tests of the addon share: a folder that goes away, status names, completions as promises. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Addon } from '../../../../src/storage/native/addon.ts'
import { addon } from '../../../../src/storage/native/loader.ts'

export const native: Addon = addon()

/** The operating system. */
export const system = 0

/** A folder on a real disk, removed after the tests of the enclosing `describe`. */
export function temporaryFolder(): { path: string } {
  const folder = { path: '' }
  before(() => {
    folder.path = mkdtempSync(join(process.env.VARVE_TEST_FOLDER ?? tmpdir(), 'varve-native-'))
  })
  after(() => rmSync(folder.path, { recursive: true, force: true }))
  return folder
}

export function nameOf(status: number): string {
  return native.statusNames[status] ?? `no status ${status}`
}

/** Asserts that a call succeeded, and says why not. */
export function ok(status: number): void {
  if (status !== 0) assert.fail(`${nameOf(status)}: ${native.lastError().message}`)
  assert.equal(native.cells[0], 0)
}

/** Asserts that a call answered this failure, in its answer and in the cell. */
export function fails(status: number, code: string): void {
  assert.equal(nameOf(status), code)
  assert.equal(native.cells[0], status)
  assert.equal(native.lastError().code, code)
}

const waiting = new Map<number, (status: number) => void>()
let lastTicket = 0
native.setCompletionHandler((ticket, status) => {
  const resolve = waiting.get(ticket)
  assert.ok(resolve, `ticket ${ticket} was completed twice, or never opened`)
  waiting.delete(ticket)
  resolve(status)
})

export interface Ticketed {
  readonly ticket: number
  /** What the call itself answered. */
  readonly answer: number
  /** Name of the status that the completion brought, '' for success. */
  readonly done: Promise<string>
}

/** Makes a call with a fresh ticket. A call that refuses at once never completes. */
export function ticketed(call: (ticket: number) => number): Ticketed {
  const ticket = ++lastTicket
  const done = new Promise<string>((resolve) => waiting.set(ticket, (status) => resolve(nameOf(status))))
  const answer = call(ticket)
  if (answer !== 0) waiting.delete(ticket)
  return { ticket, answer, done }
}
