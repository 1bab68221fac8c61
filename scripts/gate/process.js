// Child processes of the gate: their output goes through, a time limit ends them and all that they started.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/**
 * Runs a program to its end. Resolves to its exit code (1 for a signal or the time limit) and, when captured, its output.
 * @param {{ cwd: string, env?: Record<string, string>, limitMinutes?: number, capture?: 'silent' | 'shown' }} options
 */
export function run(command, args, { cwd, env = {}, limitMinutes = 20, capture }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', capture ? 'pipe' : 'inherit', 'inherit'],
      detached: true, // a process group of its own, so that the limit reaches grandchildren
    })
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      output += text
      if (capture === 'shown') process.stdout.write(text)
    })
    const end = () => {
      try {
        process.kill(-child.pid, 'SIGKILL')
      } catch {
        // Gone already.
      }
    }
    const limit = setTimeout(() => {
      console.error(`${command} ${args.join(' ')}: ended after ${limitMinutes} minutes`)
      end()
    }, limitMinutes * 60_000)
    process.once('exit', end)
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(limit)
      process.off('exit', end)
      end() // whatever it left behind
      resolve({ code: code ?? 1, output })
    })
  })
}

/** Whether a program is on the PATH. */
export function hasProgram(name) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, name)))
}
