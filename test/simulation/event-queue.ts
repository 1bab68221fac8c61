/** What is to happen, by virtual time; at equal times in the order in which it was planned. */
interface Planned {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

export class EventQueue {
  #nowMs = 0
  #planned = 0
  /** A binary heap. */
  readonly #heap: Planned[] = []

  get nowMs(): number {
    return this.#nowMs
  }

  at(atMs: number, run: () => void): void {
    const heap = this.#heap
    heap.push({ atMs: Math.max(atMs, this.#nowMs), order: this.#planned++, run })
    for (let child = heap.length - 1; child > 0; ) {
      const parent = (child - 1) >> 1
      if (!before(heap[child]!, heap[parent]!)) break
      ;[heap[child], heap[parent]] = [heap[parent]!, heap[child]!]
      child = parent
    }
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.#nowMs + delayMs, run)
  }

  /** Runs everything that is planned before `endMs`, and what it plans. */
  runUntil(endMs: number): void {
    const heap = this.#heap
    while (heap.length > 0 && heap[0]!.atMs < endMs) {
      const next = heap[0]!
      const last = heap.pop()!
      if (heap.length > 0) this.#sink(last)
      this.#nowMs = next.atMs
      next.run()
    }
    this.#nowMs = endMs
  }

  #sink(planned: Planned): void {
    const heap = this.#heap
    heap[0] = planned
    for (let parent = 0; ; ) {
      let least = parent
      for (const child of [2 * parent + 1, 2 * parent + 2])
        if (child < heap.length && before(heap[child]!, heap[least]!)) least = child
      if (least === parent) return
      ;[heap[parent], heap[least]] = [heap[least]!, heap[parent]!]
      parent = least
    }
  }
}

const before = (a: Planned, b: Planned): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
