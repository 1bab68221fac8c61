import { setTimeout as sleep } from 'node:timers/promises'

/** Waits to the microsecond: a timer's millisecond is as long as a thousand appends. */
export async function waitMicroseconds(duration: number): Promise<void> {
  const end = performance.now() + duration / 1000
  if (duration > 3000) await sleep(duration / 1000 - 2)
  while (performance.now() < end);
}

/** Waits until something holds, asking every 5 ms. @throws when it does not within `timeoutMs`. */
export async function until(what: string, holds: () => boolean, timeoutMs = 10_000): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await sleep(5)
  }
}
