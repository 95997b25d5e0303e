import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { end, findProgram, freePort, start } from '../throughput/processes.ts'

const MAX_CLIENTS = 500
const START_MS = 5000

/** A PgBouncer of our own in transaction mode, that may be killed. */
export class Pooler {
  readonly port: number
  readonly #file: string
  #child: ChildProcess | undefined

  private constructor(port: number, file: string) {
    this.port = port
    this.#file = file
  }

  /** @param connections how many it may have to each database of the PostgreSQL on this port. */
  static async start(folder: string, postgresPort: number, connections: number): Promise<Pooler> {
    const port = await freePort()
    const pooler = new Pooler(port, join(folder, `pgbouncer-${port}.ini`))
    // PgBouncer does not run as root, so its user needs access to its file.
    chmodSync(folder, 0o755)
    writeFileSync(
      pooler.#file,
      `[databases]
* = host=127.0.0.1 port=${postgresPort} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${connections}
max_client_conn = ${MAX_CLIENTS}
`
    )
    await pooler.start()
    return pooler
  }

  /** Starts it (again, on the same port). @throws Error when it does not listen within five seconds. */
  async start(): Promise<void> {
    const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
    const program = findProgram('pgbouncer') as string
    this.#child = start('rest', program, ['-q', this.#file], { stdio: 'ignore', ...nobody })
    const lastAt = performance.now() + START_MS
    while (performance.now() < lastAt) {
      const socket = connect(this.port, '127.0.0.1')
      const isThere = await once(socket, 'connect').then(
        () => true,
        () => false
      )
      socket.destroy()
      if (isThere) return
      await sleep(10)
    }
    throw new Error('the PgBouncer of the trial did not start')
  }

  /** Ends it as a fault would. */
  async kill(): Promise<void> {
    if (this.#child) await end(this.#child, 'SIGKILL')
  }

  /** The same database by way of the pooler, as `DATABASE_URL` says it. */
  through(url: string): string {
    const changed = new URL(url)
    changed.port = String(this.port)
    changed.searchParams.set('pgbouncer', 'true')
    return changed.href
  }
}
