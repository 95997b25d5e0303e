import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'

interface Teardown {
  teardown(end: () => unknown): void
}

/** A real PostgreSQL for one test. */
export interface OwnPostgres {
  url: string
  /** Runs a statement on it. */
  query: (text: string) => Promise<Record<string, unknown>[]>
  /** Ends it as a crash would. */
  kill: () => Promise<void>
}

/** The folder of the PostgreSQL programs, which a standby needs; undefined where there is none. */
export const programs = findPrograms()

function findPrograms(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [...(process.env.PATH ?? '').split(':'), ...versions.map((version) => join(debian, version, 'bin'))]
  return folders.find((folder) =>
    ['initdb', 'postgres', 'pg_basebackup'].every((name) => existsSync(join(folder, name)))
  )
}

/** Starts a primary and its streaming standby, removed when the test ends. */
export async function startPair(t: Teardown): Promise<{ primary: OwnPostgres; standby: OwnPostgres }> {
  const folder = mkdtempSync(join(tmpdir(), 'tenon-standby-'))
  const owner = ownerOf(folder)
  const run = (name: string, args: string[]) =>
    execFileSync(join(programs as string, name), args, { ...owner, stdio: 'pipe', cwd: folder })
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const first = join(folder, 'primary')
  run('initdb', ['-D', first, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'])
  const primary = await startOn(t, folder, first, owner)
  const second = join(folder, 'standby')
  run('pg_basebackup', ['-d', primary.url, '-D', second, '-R', '-c', 'fast', '--no-sync'])
  return { primary, standby: await startOn(t, folder, second, owner) }
}

async function startOn(t: Teardown, folder: string, data: string, owner: object): Promise<OwnPostgres> {
  const port = await freePort()
  const settings = { port, listen_addresses: '127.0.0.1', unix_socket_directories: folder, fsync: 'off' }
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child: ChildProcess = spawn(join(programs as string, 'postgres'), ['-D', data, ...args], {
    ...owner,
    stdio: 'ignore',
    cwd: folder
  })
  const ended = once(child, 'exit')
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  const client = postgres(url, { max: 1, backoff: () => 0.05, onnotice: () => {} })
  async function kill(): Promise<void> {
    // Immediate shutdown: like SIGKILL, with the child processes.
    child.kill('SIGQUIT')
    await ended
  }
  t.teardown(async () => {
    await client.end({ timeout: 0 })
    await kill()
  })
  // biome-ignore lint/plugin: statements of tests
  const query = async (text: string) => (await client.unsafe(text)) as unknown as Record<string, unknown>[]
  // It refuses until it has recovered.
  while (child.exitCode === null && !(await query('select 1').catch(() => undefined)));
  return { url, query, kill }
}

// PostgreSQL refuses to run as root.
function ownerOf(folder: string): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  const owner = { uid: id('-u'), gid: id('-g') }
  chownSync(folder, owner.uid, owner.gid)
  return owner
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}
