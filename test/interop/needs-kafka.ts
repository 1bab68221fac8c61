import { kafkaClassPath, missingForKafka } from './kafka-jars.ts'

/**
 * A `describe` whose tests need a Kafka: brings its jars first. Where no Kafka can run, one test stands for all of them,
 * so that the gate lists what was not run, and why, on one line.
 */
export function describeWithKafka(title: string, tests: (this: Mocha.Suite) => void): void {
  const missing = missingForKafka()
  if (missing.length > 0) {
    it(`${title} (needs ${missing.join(', ')})`, function () {
      this.skip()
    })
    return
  }
  describe(title, function () {
    before(async function () {
      this.timeout(11 * 60_000)
      await kafkaClassPath()
    })
    tests.call(this)
  })
}
