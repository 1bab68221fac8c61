/**
 * One question to benchmark.js, which calibrates an inner loop for calls that take nanoseconds.
 *
 * Its figures are good for comparing two versions of a function on one machine within one minute, and for nothing else:
 * there is no disk, no durability, and everything is in the processor's caches. `npx varve bench` is for the rest.
 */
export interface MicroCase {
  readonly name: string
  /** Records, calls or bytes that one run stands for. */
  readonly count: number
  readonly unit: 'record' | 'call' | 'byte'
  /** Does the work `count` times. Its result is used by nobody and keeps the work from being optimised away. */
  readonly run: () => unknown
}
