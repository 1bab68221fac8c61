import { join } from 'node:path'

/** Where the reader in C++ is compiled to (`prepare.ts`) and started from (`varve-follow.ts`). */
export const spinReaderPath = (clone: string): string => join(clone, 'bench', 'native', 'out', 'spin_reader')
