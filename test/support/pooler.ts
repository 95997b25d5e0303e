import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serverUrl } from './database.ts'
import { freePort } from './serve.ts'

interface Teardown {
  teardown(end: () => unknown): void
}

/** Why no test with a pooler is possible; undefined when it is. */
export function missingPooler(): string | undefined {
  if (!serverUrl) return 'needs a PostgreSQL'
  return spawnSync('pgbouncer', ['--version']).status === 0 ? undefined : 'pgbouncer is not installed'
}

/** A PgBouncer in transaction mode in front of a database, ended with the test. @returns the URL through it. */
export async function startPooler(t: Teardown, databaseUrl: string, serverConnections: number): Promise<string> {
  const { hostname, port, username, password } = new URL(databaseUrl)
  const listenPort = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'tenon-pooler-'))
  const file = join(folder, 'pgbouncer.ini')
  const server = [`host=${hostname}`, `port=${port || 5432}`, `user=${username}`, password && `password=${password}`]
  writeFileSync(
    file,
    `[databases]
* = ${server.filter(Boolean).join(' ')}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listenPort}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${serverConnections}
max_client_conn = 500
`
  )
  chmodSync(folder, 0o755)
  // PgBouncer does not run as root.
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
  const child = spawn('pgbouncer', ['-q', file], { stdio: 'ignore', ...nobody })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true })
  })
  await listens(listenPort, ended)
  const url = new URL(databaseUrl)
  url.host = `127.0.0.1:${listenPort}`
  url.searchParams.set('pgbouncer', 'true')
  return url.href
}

async function listens(port: number, ended: Promise<unknown>): Promise<void> {
  let isOver = false
  void ended.then(() => {
    isOver = true
  })
  while (!isOver) {
    const socket = connect(port, '127.0.0.1')
    const isThere = await once(socket, 'connect').then(
      () => true,
      () => false
    )
    socket.destroy()
    if (isThere) return
  }
  throw new Error('pgbouncer ended before it listened')
}
