import type { Controller } from '../metadata/controller.ts'
import type { ProducerIdentity } from '../producer/produce-target.ts'

/** Gives out producer ids, which nobody ever gets twice: block by block from the metadata, so that few cost a flush. */
export class ProducerIds {
  readonly #controller: Controller
  #next = 0n
  /** Exclusive. */
  #end = 0n
  #allocating: Promise<void> | null = null

  constructor(controller: Controller) {
    this.#controller = controller
  }

  async next(): Promise<ProducerIdentity> {
    while (this.#next === this.#end) {
      this.#allocating ??= this.#allocate().finally(() => {
        this.#allocating = null
      })
      await this.#allocating
    }
    const producerId = this.#next
    this.#next++
    return { producerId, producerEpoch: 0 }
  }

  async #allocate(): Promise<void> {
    const { firstProducerId, count } = await this.#controller.allocateProducerIds()
    this.#next = firstProducerId
    this.#end = firstProducerId + BigInt(count)
  }
}
