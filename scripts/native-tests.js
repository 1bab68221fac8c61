// Builds the C++ library and its tests, and runs them without Node.
//
//   node scripts/native-tests.js plain | asan (address and undefined behaviour) | tsan (threads)
import { availableParallelism } from 'node:os'
import { build, buildFolder, kinds, step } from './gate/cmake.js'

const kind = process.argv[2] ?? 'plain'
if (!kinds.includes(kind)) throw new Error(`one of ${kinds.join(', ')}, not '${kind}'`)
build(kind, 'varve_tests')
const parallel = String(availableParallelism())
const limits = ['--no-tests=error', '--timeout', '300', '--parallel', parallel]
step('ctest', ['--test-dir', buildFolder(kind), '--output-on-failure', ...limits], {
  UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1',
})
