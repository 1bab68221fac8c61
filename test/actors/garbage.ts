import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Collects garbage now; finalizers run in later turns of the event loop. */
export const collectGarbage: () => void = (() => {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
})()

/** Maps and open files of this process whose path contains `part`. Linux only. */
export function heldPaths(part: string): { maps: number; files: number } {
  const maps = readFileSync('/proc/self/maps', 'latin1')
    .split('\n')
    .filter((line) => line.includes(part)).length
  let files = 0
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`).includes(part)) files++
    } catch {
      // Closed meanwhile: the one that listed the folder.
    }
  }
  return { maps, files }
}

/** Collects until nothing whose path contains `part` is mapped any more; answers what is left after so many attempts. */
export async function mapsLeft(part: string, attempts = 100): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const { maps } = heldPaths(part)
    if (maps === 0) return 0
    collectGarbage()
    await new Promise(setImmediate)
  }
  return heldPaths(part).maps
}
