import { kafkaClassPath, missingForKafka } from './kafka-jars.ts'

/**
 * For the title of a `describe`, whose tests are listed by name where they cannot run. `fetchKafka` is its first hook.
 */
export const needsKafka = '(needs Java and Maven)'

/** Skips the tests of the enclosing `describe` where no Kafka can run; else brings its jars. */
export function fetchKafka(): void {
  before(async function () {
    if (missingForKafka().length > 0) this.skip()
    this.timeout(11 * 60_000)
    await kafkaClassPath()
  })
}
