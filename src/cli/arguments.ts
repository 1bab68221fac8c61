/** Arguments of a command, by Node's own parser, with errors that say what to write instead. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { UsageError } from './command.ts'

export type OptionTable = NonNullable<ParseArgsConfig['options']>

export interface ParsedArguments {
  readonly positionals: readonly string[]
  readonly values: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>
}

/** @throws UsageError for an option that is not in the table, or a number of positionals out of `counts`. */
export function parseArguments(
  args: readonly string[],
  options: OptionTable,
  counts: { readonly min: number; readonly max: number; readonly what: string },
): ParsedArguments {
  let parsed: ReturnType<typeof parseArgs>
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (error) {
    // Its first sentence names the option; the rest is advice about positionals that start with a dash.
    throw new UsageError(error instanceof Error ? error.message.split('. ')[0]! : String(error))
  }
  const { positionals } = parsed
  if (positionals.length < counts.min || positionals.length > counts.max) {
    throw new UsageError(
      positionals.length < counts.min
        ? `${counts.what} is missing`
        : `'${positionals[counts.max]}' is one argument too many`,
    )
  }
  return { positionals, values: parsed.values as ParsedArguments['values'] }
}

/** A whole number from 0 on, or undefined when the option was not given. @throws UsageError */
export function numberOption(values: ParsedArguments['values'], name: string): number | undefined {
  const text = values[name]
  if (text === undefined) return undefined
  const value = Number(text)
  if (typeof text !== 'string' || !/^[0-9]+$/.test(text) || !Number.isSafeInteger(value))
    throw new UsageError(`--${name} takes a whole number, not '${String(text)}'`)
  return value
}

/** One of a few words, or undefined when the option was not given. @throws UsageError */
export function choiceOption<T extends string>(
  values: ParsedArguments['values'],
  name: string,
  choices: readonly T[],
): T | undefined {
  const text = values[name]
  if (text === undefined) return undefined
  const found = choices.find((choice) => choice === text)
  if (found === undefined) throw new UsageError(`--${name} takes ${choices.join(', ')}, not '${String(text)}'`)
  return found
}
