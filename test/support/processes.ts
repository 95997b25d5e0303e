import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { nodeFlags, plainNodeEnv } from './node-flags.ts'

/** A server in a process of its own. */
export interface ServerProcess {
  address: string
  /** Ends it. @returns when it has ended. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

/** A server in a process of its own, ended with the test. @returns its address. */
export async function startServer(t: Test, env: Record<string, string>): Promise<string> {
  return (await startProcess(t, env)).address
}

/** The same, for tests that end it themselves. */
export async function startProcess(t: Test, env: Record<string, string>): Promise<ServerProcess> {
  const child = spawn(
    process.execPath,
    [...nodeFlags, fileURLToPath(new URL('../../src/server.ts', import.meta.url))],
    {
      // Without the test runner's variables, which would instrument the server.
      env: {
        ...plainNodeEnv,
        NODE_ENV: 'test',
        LOG_LEVEL: 'error',
        PORT: '0',
        MIGRATE_ON_START: 'false',
        ...env
      },
      stdio: ['ignore', 'pipe', 'inherit']
    }
  )
  const ended = new Promise((done) => child.once('exit', done))
  const end: ServerProcess['end'] = async (signal) => {
    child.kill(signal)
    await ended
  }
  t.teardown(() => end('SIGTERM'))
  for await (const line of createInterface(child.stdout)) {
    const address = /listens on (http:\S+)/.exec(line)?.[1]
    if (address) return { address, end }
  }
  throw new Error('the server ended before it listened')
}
