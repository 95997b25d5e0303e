import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { nodeEnv, nodeFlags } from './node-flags.ts'

/** The real server, in a process of its own. */
export interface ServerProcess {
  child: ChildProcess
  pid: number
  /** Its standard output so far, without the log. */
  printed: () => string
  complained: () => string
  /** Settles with the address once it listens. */
  listens: () => Promise<string>
  /** Settles with the exit code, or the signal that ended it. */
  ended: Promise<number | string>
}

const entry = fileURLToPath(new URL('../../src/server.ts', import.meta.url))

/** Starts `src/server.ts` with only this environment and these arguments. Ended with the test, if it still runs. */
export function startServerProcess(t: Test, env: Record<string, string>, args: string[] = []): ServerProcess {
  const { NODE_OPTIONS, ...rest } = process.env
  const tap = Object.fromEntries(Object.entries(rest).filter(([name]) => /^_?TAP|PROCESSINFO/.test(name)))
  const child = spawn(process.execPath, [...nodeFlags, entry, ...args], {
    env: { ...nodeEnv, NODE_OPTIONS, ...tap, LOG_LEVEL: 'silent', PORT: '0', ...env } as NodeJS.ProcessEnv,
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (text) => {
    out += text
  })
  child.stderr.on('data', (text) => {
    err += text
  })
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string)
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  async function listens(): Promise<string> {
    for (;;) {
      const address = /Documentation: (http:\S+)\/docs\n/.exec(out)?.[1]
      if (address) return address
      const code = await Promise.race([once(child.stdout, 'data'), ended])
      if (!Array.isArray(code)) throw new Error(`the server ended with ${code}: ${err}`)
    }
  }
  return { child, pid: child.pid as number, printed: () => out, complained: () => err, listens, ended }
}
