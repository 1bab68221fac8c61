/** A data folder opened as a store for one test: metadata and partitions, as a broker of varve has them. */
import { Engine } from '../../src/engine/engine.ts'
import { Partitions } from '../../src/engine/partitions.ts'
import { silentLogger } from '../../src/env/logger.ts'
import { systemClock } from '../../src/env/node/clock.ts'
import { compressionCodecs } from '../../src/env/node/codecs/index.ts'
import type { Controller } from '../../src/metadata/controller.ts'
import { defaultLogSettings } from '../../src/settings/log-settings.ts'
import { OpenedMetadata } from '../conformance/metadata/opened-metadata.ts'

export class VarveStore {
  readonly engine: Engine
  readonly #metadata: OpenedMetadata

  private constructor(metadata: OpenedMetadata, engine: Engine) {
    this.#metadata = metadata
    this.engine = engine
  }

  /** A folder that a Kafka may have left; a missing one is made. */
  static async open(folder: string, clusterId: string): Promise<VarveStore> {
    const metadata = await OpenedMetadata.open(folder, { clusterId })
    const { root, controller } = metadata
    const clock = systemClock
    const logger = silentLogger
    const partitions = new Partitions({
      root,
      self: 1,
      clock,
      logger,
      codecs: compressionCodecs,
      backend: undefined,
    })
    const catalog = controller.image
    const engine = new Engine({
      root,
      partitions,
      catalog,
      clock,
      logger,
      defaults: defaultLogSettings,
      durability: null,
    })
    return new VarveStore(metadata, engine)
  }

  get controller(): Controller {
    return this.#metadata.controller
  }

  /** Cleanly: everything is flushed and trimmed. */
  async close(): Promise<void> {
    await this.engine.close()
    await this.#metadata.close()
  }
}
