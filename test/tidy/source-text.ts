/** Takes TypeScript apart just far enough for the tidy rules: comments, string contents, import specifiers. */

/** After one of these characters, or one of these words, a slash begins a regular expression and not a division. */
const beforeExpression = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|void|delete|do|else))\s*$/

/**
 * The same text with comments, and with `strings: 'drop'` also the contents of strings and regular expressions, replaced
 * by spaces. Line breaks stay, so that line numbers do. Text inside `${}` of a template counts as string.
 */
export function blank(text: string, strings: 'keep' | 'drop'): string {
  let out = ''
  let at = 0
  const take = (end: number, keep: boolean) => {
    const part = text.slice(at, end)
    out += keep ? part : part.replace(/[^\n]/g, ' ')
    at = end
  }
  while (at < text.length) {
    const two = text.slice(at, at + 2)
    const one = two[0]!
    if (two === '//') {
      const end = text.indexOf('\n', at)
      take(end === -1 ? text.length : end, false)
    } else if (two === '/*') {
      const end = text.indexOf('*/', at + 2)
      take(end === -1 ? text.length : end + 2, false)
    } else if (one === "'" || one === '"' || one === '`' || (one === '/' && beforeExpression.test(out.slice(-40)))) {
      take(literalEnd(text, at), strings === 'keep')
    } else {
      take(at + 1, true)
    }
  }
  return out
}

function literalEnd(text: string, start: number): number {
  const quote = text[start]
  let inClass = false
  for (let at = start + 1; at < text.length; at++) {
    const character = text[at]
    if (character === '\\') at++
    else if (quote === '/' && character === '[') inClass = true
    else if (quote === '/' && character === ']') inClass = false
    else if (character === quote && !inClass) return at + 1
    else if (character === '\n' && quote !== '`') return at
  }
  return text.length
}

export interface ImportStatement {
  readonly specifier: string
  /** 1-based. */
  readonly line: number
}

const importPattern =
  /\bimport\s*\(\s*['"]([^'"]+)['"]|(?:^|[;}\n])\s*(?:import|export)\s+(?:type\s+)?(?:[\w*\s{},$]+?\sfrom\s+)?['"]([^'"]+)['"]/g

/** Every module that a file names: static, dynamic, type-only imports and re-exports. */
export function importsOf(text: string): ImportStatement[] {
  const code = blank(text, 'keep')
  return [...code.matchAll(importPattern)].map((match) => {
    const end = match.index + match[0].length
    return { specifier: (match[1] ?? match[2])!, line: code.slice(0, end).split('\n').length }
  })
}
