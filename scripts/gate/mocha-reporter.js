// Prints failures only, and leaves the figures of the run in the file that VARVE_MOCHA_REPORT names.
import { writeFileSync } from 'node:fs'
import mocha from 'mocha'

const { EVENT_RUN_END, EVENT_TEST_PASS, EVENT_TEST_PENDING } = mocha.Runner.constants

export default class GateReporter extends mocha.reporters.Base {
  constructor(runner, options) {
    super(runner, options)
    let passed = 0
    const skipped = []
    runner.on(EVENT_TEST_PASS, () => passed++)
    runner.on(EVENT_TEST_PENDING, (test) => skipped.push(test.fullTitle()))
    runner.on(EVENT_RUN_END, () => {
      if (this.failures.length > 0) mocha.reporters.Base.list(this.failures)
      const report = { passed, failed: this.failures.length, skipped }
      writeFileSync(process.env.VARVE_MOCHA_REPORT, JSON.stringify(report))
    })
  }
}
