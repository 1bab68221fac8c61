/**
 * A fault row: one kind of failure that varve promises to survive, made to happen many times.
 *
 * A row is a module of this folder, named `f<number>-<subject>.ts`, that exports `row`. `run-row.ts` runs it in a
 * process of its own; `scripts/gate.js` shares its steps out over the variants, a small number of them in the gate
 * and the rest in the long lane.
 *
 * A step depends on nothing but its number and the variant: the number is the seed of whatever is random in it, so that
 * a failure is replayed by running that one step again.
 */

/** The ways the engine can be told to work; each is an environment of the process that runs the row. */
export const variants = {
  /** Active segments are mapped, sealed ones handed out as views. */
  mapped: {},
  /** Everything by `pread` and `pwrite`. */
  pwrite: { VARVE_BACKEND: 'pwrite' },
  /** As where a runtime refuses external buffers: what would be a view is a copy. */
  copied: { VARVE_NO_EXTERNAL_BUFFERS: '1' },
} as const satisfies Record<string, Readonly<Record<string, string>>>

export type Variant = keyof typeof variants

export interface FaultRow {
  /** Such as 'F1'. */
  readonly id: string
  readonly title: string
  /** What a step is, in the plural: 'kills', 'crash states', 'lookups'. */
  readonly unit: string
  /** Steps in the gate, in all: shared out evenly over `variants`. */
  readonly gate: number
  /** Steps in the long lane, in all, those of the gate included. */
  readonly long: number
  /** The variants that make a difference to this row; all three when left out. */
  readonly variants?: readonly Variant[]
  /** Files and folders whose change makes earlier runs count no more; `src` and `native` when left out. */
  readonly code?: readonly string[]
  /** The deliberate break of the engine that this row was seen to fail on. */
  readonly seenToFailOn: string
  /** Runs steps `from` to `from + count - 1`. Rejects at the first that fails. */
  run(options: RowOptions): Promise<void>
}

export interface RowOptions {
  readonly from: number
  readonly count: number
  readonly variant: Variant
  /** An empty folder on a real disk, removed after a run that passed. */
  readonly folder: string
  log(line: string): void
}

/** Thrown by a row that this machine cannot run; the reason names what is missing, such as 'needs root: loop devices'. */
export class NotRun extends Error {}

/** The failure of one step. */
export class StepFailed extends Error {
  readonly step: number

  constructor(step: number, cause: unknown) {
    super(`step ${step}: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`, { cause })
    this.step = step
  }
}

const progressIntervalMs = 10_000

/** Runs one step after the other and says now and then how far it is. */
export async function eachStep(options: RowOptions, runStep: (step: number) => Promise<void> | void): Promise<void> {
  const end = options.from + options.count
  let reportedAtMs = performance.now()
  for (let step = options.from; step < end; step++) {
    try {
      await runStep(step)
    } catch (error) {
      if (error instanceof NotRun) throw error
      throw new StepFailed(step, error)
    }
    if (performance.now() - reportedAtMs > progressIntervalMs) {
      reportedAtMs = performance.now()
      options.log(`step ${step + 1 - options.from} of ${options.count}`)
    }
  }
}
