/** varve itself. */
import { NotRun, type System } from '../subject.ts'

export const varve: System = {
  name: 'varve',
  open() {
    throw new NotRun('there is no varve/log yet')
  },
}
