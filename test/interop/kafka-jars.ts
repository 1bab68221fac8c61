/**
 * A Kafka with its tools and clients, as jars in a folder beside the pom that names them. Maven brings them once, by
 * name; the folder's name follows the pom, so another version gets another folder.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Compiled tests run from dist/test/interop; the Java side stays in the source tree. */
export const javaFolder = fileURLToPath(new URL('../../../test/interop/java/', import.meta.url))

const limitMs = 10 * 60_000

const hasProgram = (name: string): boolean =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, name)))

/** What this machine lacks to run a Kafka; a JDK, not just a JRE, since our Java is run from its source. */
export function missingForKafka(): string[] {
  return ['java', 'javac', 'mvn'].filter((name) => !hasProgram(name))
}

let fetched: Promise<string> | undefined

/** The class path of the jars; fetches them where they are not here yet. */
export function kafkaClassPath(): Promise<string> {
  fetched ??= fetchJars()
  return fetched
}

async function fetchJars(): Promise<string> {
  const pom = readFileSync(join(javaFolder, 'pom.xml'))
  const folder = join(javaFolder, '.cache', `jars-${createHash('sha256').update(pom).digest('hex').slice(0, 12)}`)
  if (!existsSync(folder)) {
    // Under another name until all are there: a fetch that was stopped must not pass for a whole one.
    const partial = `${folder}.partial`
    rmSync(partial, { recursive: true, force: true })
    const args = ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${partial}`]
    try {
      await promisify(execFile)('mvn', args, { cwd: javaFolder, timeout: limitMs })
    } catch (cause) {
      const { stdout = '' } = cause as { stdout?: string }
      throw new Error(`Maven could not bring Kafka's jars: ${stdout.trim().split('\n').slice(0, 3).join(' ')}`, {
        cause,
      })
    }
    renameSync(partial, folder)
  }
  return join(folder, '*')
}

/** Switches of every JVM that we start: small, quick to start, quiet. */
export const javaSwitches: readonly string[] = [
  '-XX:TieredStopAtLevel=1',
  '-XX:+UseSerialGC',
  '-Xmx512m',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
]
