/** Which check found something. */
export type CheckName =
  | 'batch'
  | 'segment'
  | 'index'
  | 'time-index'
  | 'transaction-index'
  | 'snapshot'
  | 'leader-epochs'
  | 'checkpoint'
  | 'metadata'
  | 'folder'

export interface Finding {
  /** `damage`: bytes fail a check, or files contradict each other. `notice`: worth knowing, and nothing is wrong. */
  readonly level: 'damage' | 'notice'
  readonly check: CheckName
  readonly file: string
  /** Byte position in the file. */
  readonly position?: number
  readonly offset?: number
  readonly message: string
  /** What an open does about it. */
  readonly onOpen?: string
}

/** Of one kind in one file: a file that is wrong all over would drown what else there is to say. */
const perFileMax = 20

/** Collects findings; of many alike in one file it keeps the first and counts the rest. */
export class Findings {
  readonly #list: Finding[] = []
  readonly #counts = new Map<string, number>()

  add(finding: Finding): void {
    const key = `${finding.level} ${finding.check} ${finding.file}`
    const count = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, count)
    if (count <= perFileMax) this.#list.push(finding)
  }

  damage(check: CheckName, file: string, message: string, rest: Partial<Finding> = {}): void {
    this.add({ level: 'damage', check, file, message, ...rest })
  }

  notice(check: CheckName, file: string, message: string, rest: Partial<Finding> = {}): void {
    this.add({ level: 'notice', check, file, message, ...rest })
  }

  /** In the order found; what was left out is said at the end. */
  list(): Finding[] {
    const more: Finding[] = []
    for (const [key, count] of this.#counts) {
      if (count <= perFileMax) continue
      const [level, check, ...file] = key.split(' ')
      more.push({
        level: level as Finding['level'],
        check: check as CheckName,
        file: file.join(' '),
        message: `and ${count - perFileMax} more like these`,
      })
    }
    return [...this.#list, ...more]
  }
}
