/** Every system that can be measured, by name. */
import { limit } from '../../baseline/limit.ts'
import type { System } from '../subject.ts'
import { betterSqlite3 } from './better-sqlite3.ts'
import { chronicle } from './chronicle.ts'
import { classicLevel } from './classic-level.ts'
import { lmdb, lmdbAsync } from './lmdb.ts'
import { varve } from './varve.ts'

export const systems: ReadonlyMap<string, System> = new Map(
  [limit, varve, lmdb, lmdbAsync, classicLevel, betterSqlite3, chronicle].map((system) => [system.name, system]),
)
