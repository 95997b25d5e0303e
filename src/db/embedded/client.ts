import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { PGlite } from '@electric-sql/pglite'
import type { Limiter } from '#src/concurrency/limiter.ts'
import type { Disk } from './disk.ts'

/** The embedded database cannot be opened. The message says in one line where it is and what to do. */
export class DataDirectoryError extends Error {
  override name = 'DataDirectoryError'
}

// 128 MB by default, which WebAssembly takes whole. The files behind it are in the memory of the system anyway.
const SETTINGS = ['-c', 'shared_buffers=16MB']

/**
 * Opens the PGlite of a data directory, and makes it where there is none.
 * @throws DataDirectoryError when there is no room, or what is there is no database that can be opened.
 */
export async function openPglite(dataDir: string, disk: Disk): Promise<PGlite> {
  const complaint = disk.complaint()
  if (complaint) throw new DataDirectoryError(complaint)
  const folder = join(dataDir, 'pglite')
  if (!existsSync(folder) || readdirSync(folder).length === 0) await initialize(folder)
  const { PGlite } = await import('@electric-sql/pglite')
  try {
    // Without this file PGlite takes the folder for an empty one, and makes a new database over what is left there.
    readFileSync(join(folder, 'PG_VERSION'))
    const startParams = [...PGlite.defaultStartParams, ...SETTINGS]
    const client = await PGlite.create(folder, { relaxedDurability: false, startParams })
    await client.exec("SET TIME ZONE 'UTC'")
    return client
  } catch (cause) {
    const advice = 'restore it from a backup, or move it away to begin with an empty one'
    throw new DataDirectoryError(`${folder} ${versionOf(folder)} cannot be opened: ${advice}`, { cause })
  }
}

// Beside its place until it is whole: a process that is killed meanwhile leaves nothing that looks like a database.
async function initialize(folder: string): Promise<void> {
  const unfinished = `${folder}.unfinished`
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished, { recursive: true })
  await promisify(execFile)(process.execPath, [join(import.meta.dirname, 'initialize.ts'), unfinished])
  renameSync(unfinished, folder)
}

function versionOf(folder: string): string {
  try {
    const version = readFileSync(join(folder, 'PG_VERSION'), 'utf8').trim()
    return /^\d+$/.test(version) ? `(of PostgreSQL ${version})` : '(of an unknown version)'
  } catch {
    return '(of an unknown version)'
  }
}

type Query = PGlite['query']
type Transaction = Parameters<Parameters<PGlite['transaction']>[0]>[0]

/**
 * A PGlite client as drizzle uses it, behind the limiter, since its own queue has no bound. It writes only while there
 * is room on the disk.
 */
export function guardEmbedded(client: PGlite, limiter: Limiter, disk: Disk): PGlite {
  const guarded = <T extends Transaction | PGlite>(target: T): Query =>
    ((text: string, ...rest: []) => {
      if (!text.startsWith('select')) disk.assertRoom()
      return target.query(text, ...rest)
    }) as Query
  const query = guarded(client)
  const transaction: PGlite['transaction'] = (work) =>
    client.transaction((tx) => work(Object.create(tx, { query: { value: guarded(tx) } })))
  return {
    query: async (...args: Parameters<Query>) => limiter.run(() => query(...args)),
    transaction: (work: Parameters<PGlite['transaction']>[0]) => limiter.run(() => transaction(work))
  } as unknown as PGlite
}
