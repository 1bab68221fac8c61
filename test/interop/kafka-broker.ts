/** A real Kafka on this machine: one node, broker and controller in one process, on free ports of 127.0.0.1. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { javaSwitches, kafkaClassPath } from './kafka-jars.ts'

const clusterId = 'varveInteropCluster_01'
const startLimitMs = 60_000
const stopLimitMs = 30_000
/** What is kept of its output, for the message when it fails. */
const outputChars = 20_000

export class KafkaBroker {
  /** The data folder, which holds the partitions. */
  readonly data: string
  readonly #root: string
  #child: ChildProcess | undefined
  #port = 0
  /** The voters of its quorum stand in the metadata, with their ports: those stay then. Else in its properties. */
  #votersInMetadata = false
  #ports: number[] | undefined
  #output = ''

  private constructor(root: string) {
    this.#root = root
    this.data = join(root, 'data')
  }

  /** Makes a data folder in `root`; nothing runs yet. */
  static async format(root: string, { votersInMetadata = false } = {}): Promise<KafkaBroker> {
    const broker = new KafkaBroker(root)
    broker.#votersInMetadata = votersInMetadata
    mkdirSync(root, { recursive: true })
    await broker.#writeProperties()
    const args = ['-cp', await kafkaClassPath(), 'kafka.tools.StorageTool', 'format', '-t', clusterId]
    if (votersInMetadata) args.push('--standalone')
    await promisify(execFile)('java', [...javaSwitches, ...args, '-c', broker.#properties], { timeout: startLimitMs })
    return broker
  }

  /** For a data folder in `root` that somebody else made; nothing runs yet. */
  static over(root: string): KafkaBroker {
    mkdirSync(root, { recursive: true })
    return new KafkaBroker(root)
  }

  /** Where clients connect, while it runs. */
  get server(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** Starts it; resolves when it accepts connections. Rejects, with what it said, when it ends instead. */
  async start(): Promise<void> {
    await this.#writeProperties()
    this.#output = ''
    const args = ['-cp', await kafkaClassPath(), 'kafka.Kafka', this.#properties]
    const child = spawn('java', [...javaSwitches, ...args], { stdio: ['ignore', 'pipe', 'pipe'], cwd: this.#root })
    this.#child = child
    process.once('exit', this.#endWithUs)
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-outputChars)
      })
    }
    const deadline = performance.now() + startLimitMs
    while (!(await accepts(this.#port))) {
      if (child.exitCode !== null || child.signalCode !== null) {
        this.#ended()
        throw new Error(`Kafka did not start: ${this.#output}`)
      }
      if (performance.now() > deadline) {
        await this.kill()
        throw new Error(`Kafka did not start in time: ${this.#output}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  /** Closes it cleanly. */
  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const limit = setTimeout(() => child.kill('SIGKILL'), stopLimitMs)
    child.kill('SIGTERM')
    await this.#waitForEnd(child)
    clearTimeout(limit)
    if (child.signalCode === 'SIGKILL') throw new Error(`Kafka did not stop in time: ${this.#output}`)
  }

  /** `kill -9` */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    child.kill('SIGKILL')
    await this.#waitForEnd(child)
  }

  async #waitForEnd(child: ChildProcess): Promise<void> {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    this.#ended()
  }

  #ended(): void {
    this.#child = undefined
    process.off('exit', this.#endWithUs)
  }

  readonly #endWithUs = (): void => {
    this.#child?.kill('SIGKILL')
  }

  get #properties(): string {
    return join(this.#root, 'server.properties')
  }

  async #writeProperties(): Promise<void> {
    if (!this.#votersInMetadata || this.#ports === undefined) this.#ports = await freePorts(2)
    const [port, controllerPort] = this.#ports
    this.#port = port!
    const listeners = `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`
    const properties = {
      'node.id': 1,
      'process.roles': 'broker,controller',
      ...(this.#votersInMetadata
        ? {
            'controller.quorum.bootstrap.servers': `127.0.0.1:${controllerPort}`,
            'advertised.listeners': listeners,
          }
        : { 'controller.quorum.voters': `1@127.0.0.1:${controllerPort}` }),
      'controller.listener.names': 'CONTROLLER',
      'inter.broker.listener.name': 'PLAINTEXT',
      listeners,
      'log.dirs': this.data,
      // The records of the tests are old, and must not go meanwhile.
      'log.retention.ms': -1,
      'auto.create.topics.enable': false,
      'group.initial.rebalance.delay.ms': 0,
      'offsets.topic.num.partitions': 1,
      'offsets.topic.replication.factor': 1,
      'transaction.state.log.num.partitions': 1,
      'transaction.state.log.replication.factor': 1,
      'transaction.state.log.min.isr': 1,
      'share.coordinator.state.topic.replication.factor': 1,
      'log.cleaner.dedupe.buffer.size': 4_194_304,
    }
    const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`)
    writeFileSync(this.#properties, lines.join(''))
  }
}

/** Ports of 127.0.0.1 that nobody listens on. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
