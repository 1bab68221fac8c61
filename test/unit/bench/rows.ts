/** Rows and facts for the tests of the bench. */
import type { MachineFacts } from '../../../bench/macro/machine.ts'
import type { Row } from '../../../bench/macro/row.ts'

export const machine: MachineFacts = {
  fileSystem: 'ext4',
  device: '/dev/sda1',
  kernel: 'linux 6.1',
  cpu: '2 x cpu',
  node: 'v20.19.0',
  memoryBytes: 8e9,
  dirtyBackgroundBytes: 8e8,
  blockStatPath: '',
}

export function row(given: Partial<Row>): Row {
  const median = given.median === undefined ? 1 : given.median
  return {
    suite: 'append',
    case: 'append',
    system: 'varve',
    durability: 'buffered',
    recordBytes: 100,
    batchRecords: 1000,
    writers: 1,
    unit: 'records/s',
    median,
    min: median,
    max: median,
    p50: null,
    p99: null,
    p999: null,
    bytes: 1e6,
    fileSystem: machine.fileSystem,
    device: machine.device,
    kernel: machine.kernel,
    cpu: machine.cpu,
    node: machine.node,
    rounds: 3,
    note: '',
    ...given,
  }
}
