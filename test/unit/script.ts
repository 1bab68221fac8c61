/**
 * Golden scripts: a machine's behaviour as text that reads as a story.
 *
 * A script is a list of cases. `== <rule>` opens a case with a fresh machine; `#` lines say what is intended; then
 * commands, each followed by `----` and what the machine answers, up to an empty line. Arguments are `name=value`.
 * With VARVE_REWRITE_SCRIPTS=1 the answers are written into the file instead of compared: read the diff before you
 * commit it.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface Command {
  /** The whole line. */
  line: string
  name: string
  /** Number of an argument; `fallback` when it is not given, which without one is an error. */
  number(argument: string, fallback?: number): number
  /** Text of an argument. */
  text(argument: string, fallback?: string): string
  /** True when a bare word stands among the arguments. */
  has(word: string): boolean
  /** Arguments without a name. */
  words: readonly string[]
}

export type Machine = (command: Command) => string

interface Step {
  line: number
  command: string
  expected: string
}

/** Registers one test for each case of `test/unit/<path>`. */
export function describeScript(path: string, makeMachine: () => Machine): void {
  const file = fileURLToPath(new URL(`../../../test/unit/${path}`, import.meta.url))
  const text = readFileSync(file, 'utf8')
  const rewrite = process.env.VARVE_REWRITE_SCRIPTS === '1'
  let rewritten = text
  describe(path, () => {
    for (const { name, steps } of parseCases(text))
      it(name, () => {
        assert.ok(steps.length > 0, 'a case without a command')
        const machine = makeMachine()
        for (const { line, command, expected } of steps) {
          const answer = machine(parseCommand(command)).trimEnd()
          if (rewrite)
            rewritten = rewritten.replace(`${command}\n----\n${expected}`, () => `${command}\n----\n${answer}`)
          else assert.equal(answer, expected, `${path}:${line}: ${command}`)
        }
      })
    if (rewrite) after(() => writeFileSync(file, rewritten))
  })
}

function parseCases(text: string): { name: string; steps: Step[] }[] {
  const cases: { name: string; steps: Step[] }[] = []
  const lines = text.split('\n')
  for (let i = 0; i < lines.length; i += 1) {
    const line = lines[i]!
    if (line.startsWith('== ')) cases.push({ name: line.slice(3), steps: [] })
    else if (lines[i + 1] === '----') {
      let end = i + 2
      while (end < lines.length && lines[end] !== '') end += 1
      cases.at(-1)!.steps.push({ line: i + 1, command: line, expected: lines.slice(i + 2, end).join('\n') })
      i = end
    } else assert.ok(line === '' || line.startsWith('#'), `line ${i + 1} is neither a command nor a comment: ${line}`)
  }
  return cases
}

function parseCommand(line: string): Command {
  const [name, ...rest] = line.split(' ')
  const named = new Map<string, string>()
  const words: string[] = []
  for (const part of rest) {
    const at = part.indexOf('=')
    if (at > 0) named.set(part.slice(0, at), part.slice(at + 1))
    else words.push(part)
  }
  const text = (argument: string, fallback?: string): string => {
    const value = named.get(argument) ?? fallback
    assert.ok(value !== undefined, `${name} needs ${argument}=`)
    return value
  }
  return {
    line,
    name: name!,
    words,
    text,
    number: (argument, fallback) => Number(text(argument, fallback === undefined ? undefined : String(fallback))),
    has: (word) => words.includes(word),
  }
}
