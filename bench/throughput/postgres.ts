import { type ChildProcess, execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { setPriority, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { end, findProgram, freePort, start } from './processes.ts'

/** A PostgreSQL to measure on. */
export interface Server {
  url: string
  isOwn: boolean
  version: string
  end(): Promise<void>
}

/** A PostgreSQL that was started here, and may be killed. */
export interface OwnServer extends Server {
  port: number
  /** Ends it as a crash would; what was committed stays. */
  kill(): Promise<void>
  /** Starts it again, on the same port and data. Settles when it answers. */
  restart(): Promise<void>
}

// What a small production server sets; durability as it comes. Vacuum runs between measurements, not inside them.
const SETTINGS = { shared_buffers: '256MB', max_wal_size: '4GB', max_connections: '200', autovacuum: 'off' }

/**
 * The server that DATABASE_URL names, or one that is started in a temporary folder.
 * @throws Error that says what is needed, when there is neither.
 */
export async function openServer(url: string | undefined): Promise<Server> {
  if (url) return { url, isOwn: false, version: await versionOf(url), end: async () => {} }
  return startOwn()
}

/**
 * Starts a PostgreSQL in a temporary folder.
 * @param niceness how much it yields to the load generator on the same core.
 * @throws Error that says what is needed, when it is not installed.
 */
export async function startOwn(niceness = 0): Promise<OwnServer> {
  const initdb = findProgram('initdb')
  if (!initdb) {
    throw new Error(
      'a PostgreSQL is needed: set DATABASE_URL=postgres://… of a user who may create databases, or install its server ' +
        '(apt-get install postgresql), and the benchmark starts one of its own'
    )
  }
  const programs = dirname(initdb)
  const folder = mkdtempSync(join(tmpdir(), 'tenon-bench-pg-'))
  const owner = ownerOf(folder)
  const data = join(folder, 'data')
  execFileSync(
    join(programs, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8'],
    {
      ...owner,
      stdio: ['ignore', 'ignore', 'inherit']
    }
  )
  const port = await freePort()
  const settings = { ...SETTINGS, port, listen_addresses: '127.0.0.1', unix_socket_directories: folder }
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  let child = launch()
  const version = await answers()
  return { url, isOwn: true, version, port, kill, restart, end: stop }

  // Its log is dropped: the sender of a failed statement gets the error.
  function launch(): ChildProcess {
    const options = { ...owner, stdio: 'ignore', cwd: folder } as const
    const server = start('rest', join(programs, 'postgres'), ['-D', data, ...args], options)
    if (server.pid !== undefined) setPriority(server.pid, niceness)
    return server
  }

  async function answers(): Promise<string> {
    for (let tries = 0; ; tries += 1) {
      const answered = await versionOf(url).catch(() => undefined)
      if (answered) return answered
      if (child.exitCode !== null || tries > 1500) throw new Error('the PostgreSQL of the benchmark did not start')
      await sleep(20)
    }
  }

  async function kill(): Promise<void> {
    await end(child, 'SIGQUIT')
  }

  async function restart(): Promise<void> {
    child = launch()
    await answers()
  }

  async function stop(): Promise<void> {
    // Connections are cut, data is not worth flushing slowly: "fast" is SIGINT, "immediate" SIGQUIT.
    await end(child, 'SIGQUIT')
    rmSync(folder, { recursive: true, force: true })
  }
}

// PostgreSQL refuses to run as root.
function ownerOf(folder: string): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  const owner = { uid: id('-u'), gid: id('-g') }
  chownSync(folder, owner.uid, owner.gid)
  return owner
}

async function versionOf(url: string): Promise<string> {
  const sql = postgres(url, { max: 1, connect_timeout: 2, onnotice: () => {} })
  try {
    const [row] = await sql`show server_version`
    return row?.server_version
  } finally {
    await sql.end({ timeout: 1 })
  }
}
