// The figures of a run: a line for each step as it ends, and at the end what was not run, by name.

/**
 * A step's outcome: `passed` and `failed` count tests, `notRun` names what this machine could not run and why.
 * @typedef {{ passed: number, failed: number, notRun: string[], remark?: string }} Outcome
 */

export class Report {
  #passed = 0
  #failed = 0
  #notRun = []
  #lines = []
  #startedAt = performance.now()

  /** Runs one step, times it, and adds up what it answers. A step that throws is one failed test. */
  async step(title, run) {
    console.log(`\n== ${title}`)
    const startedAt = performance.now()
    let outcome
    try {
      outcome = await run()
    } catch (error) {
      console.error(error)
      outcome = { passed: 0, failed: 1, notRun: [] }
    }
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
    const { passed, failed, notRun, remark } = outcome
    this.#passed += passed
    this.#failed += failed
    for (const name of notRun) this.#notRun.push(`${title}: ${name}`)
    const counts = [
      `${passed} passed`,
      failed > 0 && `${failed} FAILED`,
      notRun.length > 0 && `${notRun.length} not run`,
    ]
    const result = failed > 0 || passed > 0 || notRun.length === 0 ? counts.filter(Boolean).join(', ') : 'not run'
    this.#lines.push(`${seconds.padStart(8)} s  ${title.padEnd(52)} ${result}${remark ? ` (${remark})` : ''}`)
    console.log(this.#lines.at(-1))
    return failed === 0
  }

  /**
   * Prints everything and answers the exit code. `strict`: what was not run counts as failed, unless it needs root.
   */
  close({ strict }) {
    const minutes = ((performance.now() - this.#startedAt) / 60_000).toFixed(1)
    console.log(`\n${this.#lines.join('\n')}\n${minutes} minutes in all`)
    if (this.#notRun.length > 0) console.log(`\nnot run:\n${this.#notRun.map((name) => `  ${name}`).join('\n')}`)
    const refused = strict ? this.#notRun.filter((name) => !/\broot\b/.test(name)) : []
    if (refused.length > 0)
      console.log(`${refused.length} of these must run here: only what needs root may be left out.`)
    const failed = this.#failed + refused.length
    console.log(`\n${this.#passed} passed, ${failed} failed, ${this.#notRun.length - refused.length} skipped`)
    return failed === 0 && this.#passed > 0 ? 0 : 1
  }
}
