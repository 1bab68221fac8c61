import type { Logger } from '../env/logger.ts'
import { VarveError } from '../errors.ts'
import type { Disk } from './disk.ts'
import {
  decodeOffsetCheckpoint,
  encodeOffsetCheckpoint,
  logStartCheckpointName,
  type PartitionOffset,
  recoveryPointCheckpointName,
  replicationCheckpointName,
} from './kafka-checkpoint.ts'
import { type LogLocation, lockName, tailsName } from './log-location.ts'
import { failureOf } from './native/failure.ts'
import { partitionMetadataName } from './partition-metadata.ts'
import { recoveryStart } from './recovery-start.ts'
import { parsePartitionFolderName } from './segment-names.ts'
import { type TailSlot, TailTable } from './tails.ts'
import {
  type CheckpointFile,
  isOfTopic,
  type LogCheckpoint,
  planCheckpointWrite,
  readCheckpoint,
  untrustedFrom,
  varveCheckpointName,
} from './varve-checkpoint.ts'

/** The log of the metadata is in none of Kafka's checkpoint files. */
const metadataFolderName = '__cluster_metadata-0'

/** Kafka's sign of a clean close, which its next start takes away. */
const cleanShutdownName = '.kafka_cleanshutdown'

/**
 * What the logs of one root share: the writer's lock, the table of tails, and the checkpoint that says what of each log
 * is known to be on disk.
 *
 * Our own checkpoint is the authority. Kafka's text files, which carry no checksum, are written beside it in a data
 * folder, so that Kafka can take over. On opening, a text file that differs from what we wrote means that Kafka wrote
 * last, or damage: see `recovery-start.ts`.
 *
 * One instance per root, owned by the thread that opened it.
 */
export class LogRoot {
  readonly disk: Disk
  readonly folder: string
  readonly tails: TailTable
  readonly #logger: Logger
  readonly #lock: number
  readonly #logs = new Map<string, LogCheckpoint>()
  /** `LogCheckpoint.topicCrc` of the logs that were opened here; of these alone we may tell Kafka something new. */
  readonly #opened = new Map<string, number>()
  /** Logs of which only Kafka's files tell. */
  readonly #logsOfKafka = new Set<string>()
  /** CRC-32C of Kafka's files as we wrote them last, by name. */
  #kafkaFilesWritten = new Map<string, number>()
  readonly #kafkaLayout: boolean
  /** Content of Kafka's sign of a clean close, to put it back when we close cleanly; null when there was none. */
  #cleanShutdown: Uint8Array | null
  #file: CheckpointFile | undefined
  #lastWrite: Promise<void> = Promise.resolve()
  /** Not begun yet: whoever asks now shares it. */
  #nextWrite: Promise<void> | null = null
  #closed = false

  private constructor(disk: Disk, folder: string, kafkaLayout: boolean, lock: number, logger: Logger) {
    this.disk = disk
    this.folder = folder
    this.#kafkaLayout = kafkaLayout
    this.#lock = lock
    this.#logger = logger
    const table = TailTable.open(disk, `${folder}/${tailsName}`, 'write')
    if (table === null) throw new VarveError('VARVE_IO', `No table of tails could be made in ${folder}.`)
    this.tails = table
    this.#readOwnCheckpoint()
    this.#cleanShutdown = kafkaLayout ? disk.readFile(`${folder}/${cleanShutdownName}`) : null
    if (kafkaLayout) this.#readKafkaCheckpoints()
    // From here on a crash must look like one to Kafka too.
    if (this.#cleanShutdown !== null) disk.remove(`${folder}/${cleanShutdownName}`)
  }

  /**
   * Takes the root for writing.
   * @param holder Text for whoever is refused: which process this is.
   * @throws VARVE_LOCKED (naming the holder) when another writer has it, in this process or another one.
   */
  static open(disk: Disk, location: LogLocation, holder: string, logger: Logger): LogRoot {
    const path = `${location.root}/${lockName}`
    const lock = disk.addon.lock(disk.kernel, path, holder)
    if (lock === 0) throw lockFailure(disk, location.root)
    try {
      return new LogRoot(disk, location.root, location.logName !== '', lock, logger)
    } catch (failure) {
      disk.addon.unlock(lock)
      throw failure
    }
  }

  /** What is known to be on disk of a log that is being opened; null when nothing is. */
  checkpointOf(logName: string): LogCheckpoint | null {
    const topicCrc = this.#kafkaLayout ? this.#crcOf(`${this.folder}/${logName}/${partitionMetadataName}`) : 0
    this.#opened.set(logName, topicCrc)
    const known = this.#logs.get(logName) ?? null
    if (known === null || isOfTopic(known, topicCrc)) return known
    this.#logger.warn('another topic of the same name was here: the log is checked from its start', { logName })
    const starts = this.#readKafkaFile(logStartCheckpointName)
    const fresh = untrustedFrom(logName, 0, starts.changed ? (starts.offsets.get(logName) ?? 0) : 0)
    this.#logs.set(logName, fresh)
    return fresh
  }

  /** Whether records of a log were on disk once, by the checkpoint. @param topicCrc Of its `partition.metadata`. */
  hasRecordsOf(logName: string, topicCrc: number): boolean {
    const known = this.#logs.get(logName)
    return known !== undefined && isOfTopic(known, topicCrc) && known.recoveryPoint > known.logStartOffset
  }

  /** The log is deleted: no later checkpoint tells of it. */
  forget(logName: string): void {
    this.#logs.delete(logName)
    this.#logsOfKafka.delete(logName)
    // Named as one of ours, so that it goes from Kafka's files too.
    this.#opened.set(logName, 0)
  }

  /** Kafka wrote this log last, and closed it cleanly. */
  closedByKafka(logName: string): boolean {
    return this.#cleanShutdown !== null && this.#logsOfKafka.has(logName)
  }

  tailSlot(logName: string): TailSlot | null {
    return this.tails.slot(logName)
  }

  /** Enters what is now on disk of a log; `write` makes it durable. */
  put(checkpoint: Omit<LogCheckpoint, 'topicCrc'>): void {
    const { name } = checkpoint
    this.#logsOfKafka.delete(name)
    this.#logs.set(name, { ...checkpoint, topicCrc: this.#opened.get(name) ?? 0 })
  }

  /**
   * Writes and flushes the checkpoint with all that was put so far; resolves when it is on disk. Requests that come
   * while one is being written share the next.
   */
  write(): Promise<void> {
    this.#nextWrite ??= this.#lastWrite
      .catch(() => {})
      .then(() => {
        this.#nextWrite = null
        return this.#writeNow()
      })
    this.#lastWrite = this.#nextWrite
    return this.#nextWrite
  }

  async #writeNow(): Promise<void> {
    const logs = [...this.#logs.values()]
    const kafkaFiles = this.#kafkaLayout ? await this.#writeKafkaCheckpoints(logs) : []
    const plan = planCheckpointWrite({ kafkaFiles, logs }, this.#file)
    const path = `${this.folder}/${varveCheckpointName}`
    if (plan.kind === 'replace') await this.disk.replaceFileLater(path, plan.bytes)
    else await this.disk.writeFileAtLater(path, plan.position, plan.bytes)
    this.#file = plan.file
  }

  /** The data folder was made just now: no log of it can be in need of a recovery. */
  markNew(): void {
    this.#cleanShutdown ??= new Uint8Array(0)
  }

  /**
   * Gives the root back. `clean`: every log that was open was flushed and its checkpoint written. A Kafka is told so only
   * if the logs that were not opened are clean too: if the folder was when it was opened.
   * @param brokerEpoch By which Kafka knows its own last close; of the broker that closes.
   */
  close(clean: boolean, brokerEpoch?: number): void {
    if (this.#closed) return
    this.#closed = true
    try {
      if (clean && this.#cleanShutdown !== null) {
        const sign = brokerEpoch === undefined ? this.#cleanShutdown : `{"version":0,"brokerEpoch":${brokerEpoch}}`
        this.disk.replaceFile(`${this.folder}/${cleanShutdownName}`, sign)
      }
    } finally {
      this.tails.close()
      this.disk.addon.unlock(this.#lock)
    }
  }

  #readOwnCheckpoint(): void {
    const path = `${this.folder}/${varveCheckpointName}`
    const bytes = this.disk.readFile(path)
    if (bytes === null) return
    try {
      const read = readCheckpoint(bytes)
      this.#file = read.file
      this.#kafkaFilesWritten = new Map(read.checkpoint.kafkaFiles.map(({ name, crc }) => [name, crc]))
      for (const log of read.checkpoint.logs) this.#logs.set(log.name, log)
      if (read.otherDamaged) this.#logger.warn('one slot of the checkpoint is damaged; the other one serves', { path })
    } catch (failure) {
      if (!(failure instanceof VarveError) || failure.code !== 'VARVE_CORRUPT') throw failure
      this.#logger.warn('the checkpoint is damaged: logs are checked from their start', { path })
    }
  }

  #readKafkaCheckpoints(): void {
    const recovery = this.#readKafkaFile(recoveryPointCheckpointName)
    const marks = this.#readKafkaFile(replicationCheckpointName)
    const starts = this.#readKafkaFile(logStartCheckpointName)
    const changed = { recoveryFile: recovery.changed, highWatermarkFile: marks.changed }
    for (const name of new Set([...recovery.offsets.keys(), ...starts.offsets.keys(), ...this.#logs.keys()])) {
      const own = this.#logs.get(name)
      const start = recoveryStart(
        own,
        {
          recoveryPoint: recovery.offsets.get(name),
          logStartOffset: starts.offsets.get(name),
          highWatermark: marks.offsets.get(name),
        },
        changed,
      )
      if (own === undefined) this.#logsOfKafka.add(name)
      if (start.position !== undefined) continue
      const untrusted = untrustedFrom(name, start.recoveryPoint, start.logStartOffset ?? 0)
      this.#logs.set(name, { ...untrusted, topicCrc: own?.topicCrc ?? 0 })
    }
  }

  #crcOf(path: string): number {
    const bytes = this.disk.readFile(path)
    return bytes === null ? 0 : this.disk.addon.crc32c(bytes, 0)
  }

  /** A file of Kafka's, by partition folder name; `changed` when it is not as we wrote it. */
  #readKafkaFile(name: string): { offsets: Map<string, number>; changed: boolean; readable: boolean } {
    const bytes = this.disk.readFile(`${this.folder}/${name}`)
    if (bytes === null) return { offsets: new Map(), changed: false, readable: false }
    const changed = this.#kafkaFilesWritten.get(name) !== this.disk.addon.crc32c(bytes, 0)
    try {
      const entries = decodeOffsetCheckpoint(Buffer.from(bytes).toString('utf8'))
      return { offsets: new Map(entries.map((e) => [`${e.topic}-${e.partition}`, e.offset])), changed, readable: true }
    } catch (failure) {
      this.#logger.warn(`${name} cannot be read and is ignored`, { folder: this.folder, failure })
      return { offsets: new Map(), changed, readable: false }
    }
  }

  /**
   * Writes Kafka's files with our logs' offsets in them. What the files say of other partitions stays as it is, also of
   * those that we had once: a log start of ours that has become wrong would make Kafka delete a whole partition.
   */
  async #writeKafkaCheckpoints(all: readonly LogCheckpoint[]): Promise<{ name: string; crc: number }[]> {
    const logs = all.filter(({ name }) => name !== metadataFolderName)
    const files: [name: string, ours: Map<string, number>][] = [
      [recoveryPointCheckpointName, new Map(logs.map((log) => [log.name, log.recoveryPoint]))],
      [replicationCheckpointName, new Map(logs.map((log) => [log.name, log.highWatermark]))],
      [
        logStartCheckpointName,
        new Map(logs.filter((log) => log.logStartOffset > 0).map((log) => [log.name, log.logStartOffset])),
      ],
    ]
    const written: { name: string; crc: number }[] = []
    for (const [name, ours] of files) {
      const { offsets, readable } = this.#readKafkaFile(name)
      const merged = new Map(readable ? offsets : ours)
      for (const log of this.#opened.keys()) {
        const offset = ours.get(log)
        if (offset === undefined) merged.delete(log)
        else merged.set(log, offset)
      }
      const entries: PartitionOffset[] = []
      for (const [folderName, offset] of merged) {
        const partition = parsePartitionFolderName(folderName)
        if (partition !== undefined) entries.push({ ...partition, offset })
      }
      const bytes = Buffer.from(encodeOffsetCheckpoint(entries))
      await this.disk.replaceFileLater(`${this.folder}/${name}`, bytes)
      const crc = this.disk.addon.crc32c(bytes, 0)
      this.#kafkaFilesWritten.set(name, crc)
      written.push({ name, crc })
    }
    return written
  }
}

function lockFailure(disk: Disk, folder: string): VarveError {
  const failure = failureOf(disk.addon, `take the lock of ${folder}`)
  if (failure.code !== 'VARVE_LOCKED') return failure
  const holder = disk.addon.lastError().message
  return new VarveError(
    'VARVE_LOCKED',
    `${folder} is open for writing already, by ${holder === '' ? 'a process that does not tell' : holder}. ` +
      'A folder has one writer: close it there first, or open it here with mode: "read" to follow it live.',
    { details: { path: folder, holder } },
  )
}
