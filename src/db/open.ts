import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { Limiter } from '../concurrency/limiter.ts'
import { runUncancellable } from '../concurrency/request-scope.ts'
import { ApiError } from '../errors.ts'
import { bulkLoadEmbedded, bulkLoadPostgres, type RunBulkLoad } from './bulk-load.ts'
import type { Database, Listen, Listener } from './database.ts'
import { guardEmbedded, openPglite } from './embedded/client.ts'
import { Disk, type FreeBytes } from './embedded/disk.ts'
import { lockDirectory } from './embedded/lock.ts'
import { type MigrationReport, migrateEmbedded, migratePostgres } from './migrate.ts'
import { WriteTracker } from './notifications/write-tracker.ts'
import { createResilientClient, type GuardedPostgres, STATEMENT_TIMEOUT_MS } from './postgres/client.ts'
import { CONNECTION_SECONDS } from './postgres/prepared-texts.ts'
import { Primary } from './postgres/primary.ts'
import { textArray } from './postgres/text-array.ts'
import { ignoreNotice, readDatabaseUrl } from './postgres/url.ts'

export interface OpenDatabase {
  db: Database
  kind: 'postgres' | 'embedded'
  limiter: Limiter
  /** Applies pending migrations. Instances that do so at once take turns. @returns their names. */
  migrate(report?: MigrationReport): Promise<string[]>
  /** Fills tables, faster than by statements of the pool. */
  bulkLoad: RunBulkLoad
  /** Settles when a statement was answered. */
  ping(): Promise<void>
  listen: Listen
  /** What this process writes itself. */
  writes: WriteTracker
  /** Ends every connection and gives the data directory back. */
  close(): Promise<void>
}

interface DatabaseOptions {
  /** `postgres://…`, with `pgbouncer=true` behind one; without it the data lives in PGlite under `dataDir`. */
  url?: string | undefined
  poolMax: number
  dataDir: string
  /** How much room the disk of a data directory has; the system tells when left out. */
  freeBytes?: FreeBytes
}

const LOOK_MS = 100
const LISTEN_PATIENCE_MS = 3000
/**
 * How many wait for a connection, and for how long. Measured at 64 connections: a queue this long is worked off in less;
 * and waiting and an answer take less than two seconds together.
 */
export const WAITING = { waiting: 1000, waitMs: 1500 }

/**
 * Opens the database.
 * @throws DirectoryInUseError when another process has the embedded database open.
 */
export async function openDatabase(options: DatabaseOptions): Promise<OpenDatabase> {
  return options.url ? openPostgres(options.url, options.poolMax) : openEmbedded(options)
}

/** Opens a pool of connections, guarded. @param timeoutMs how long a statement may stay without an answer. */
export function openPool(primary: Primary, poolMax: number, limiter: Limiter, timeoutMs?: number): GuardedPostgres {
  const { isPooled } = primary.url
  const connect = () => {
    const { connection, ...options } = primary.options
    return postgres({
      ...options,
      max: poolMax,
      // Its own back-off lets queries wait for up to 15 s, and 11 s after the database is back.
      backoff: () => 0.05,
      idle_timeout: 60,
      // Not all at once.
      max_lifetime: (() => CONNECTION_SECONDS * (0.5 + Math.random() / 2)) as unknown as number,
      // A connection that is cut during its query for the types causes a rejection that no caller can catch.
      fetch_types: false,
      types: { textArray },
      onnotice: ignoreNotice,
      // A prepared statement belongs to a connection, and behind a pooler the next transaction has another one.
      prepare: !isPooled,
      connection: {
        ...connection,
        TimeZone: 'UTC',
        // PgBouncer refuses connections that set what it does not know.
        ...(!isPooled && { statement_timeout: STATEMENT_TIMEOUT_MS })
      }
    })
  }
  const { client, end } = createResilientClient(connect, limiter, {
    onLost: () => primary.follow(),
    ...(timeoutMs !== undefined && { timeoutMs }),
    // Behind a pooler a probe would wait for a connection like any statement, and tell nothing.
    ...(isPooled ? { cancelMs: STATEMENT_TIMEOUT_MS } : { lookMs: LOOK_MS })
  })
  return {
    client,
    end() {
      primary.close()
      return end()
    }
  }
}

async function openPostgres(text: string, poolMax: number): Promise<OpenDatabase> {
  const primary = new Primary(readDatabaseUrl(text))
  await primary.find()
  const limiter = new Limiter({ inFlight: poolMax, ...WAITING })
  const { drizzle } = await import('drizzle-orm/postgres-js')
  const { client, end } = openPool(primary, poolMax, limiter)
  const writes = new WriteTracker()
  const db = drizzle({ client: writes.wrap(client) }) as unknown as Database
  return {
    db,
    kind: 'postgres',
    limiter,
    writes,
    migrate: (report) => migratePostgres(primary, report),
    bulkLoad: (work) => bulkLoadPostgres(primary, work),
    ping: pingOnce(db),
    listen: primary.url.isPooled ? listenNowhere : (...heard) => listenPostgres(primary, ...heard),
    close: end
  }
}

async function openEmbedded({ dataDir, freeBytes }: DatabaseOptions): Promise<OpenDatabase> {
  const unlock = lockDirectory(dataDir)
  const { drizzle } = await import('drizzle-orm/pglite')
  const disk = new Disk(dataDir, freeBytes)
  const client = await openPglite(dataDir, disk).catch((error) => {
    unlock()
    throw error
  })
  const limiter = new Limiter({ inFlight: 1, ...WAITING })
  const writes = new WriteTracker()
  const db = drizzle({ client: writes.noteOnEmbedded(guardEmbedded(client, limiter, disk)) }) as unknown as Database
  return {
    db,
    kind: 'embedded',
    limiter,
    writes,
    migrate: (report) => migrateEmbedded(client, report),
    bulkLoad: (work) => bulkLoadEmbedded(client, disk, work),
    ping: pingOnce(db),
    async listen(channel, onMessage, onListening) {
      const unlisten = await client.listen(channel, onMessage)
      onListening()
      return { close: () => unlisten() }
    },
    async close() {
      await client.close()
      unlock()
    }
  }
}

// PgBouncer accepts LISTEN and gives its connection to another client, so no notification would ever arrive.
async function listenNowhere(): Promise<Listener> {
  throw new ApiError('UNAVAILABLE', 'Nothing can be heard through a pooler.')
}

// Statements of the pool would have to wait for it, so it has a connection of its own; postgres.js opens it again.
async function listenPostgres(primary: Primary, ...heard: Parameters<Listen>): Promise<Listener> {
  const { connection, ...options } = primary.options
  const client = postgres({
    ...options,
    max: 1,
    backoff: () => 0.05,
    fetch_types: false,
    onnotice: ignoreNotice,
    connection: { ...connection, application_name: `${connection.application_name} listen` }
  })
  const end = () => client.end({ timeout: 1 })
  const listening = client.listen(...heard).then(() => true)
  try {
    // What is cut while it starts up never settles (postgres.js issue 1193).
    if (await Promise.race([listening, sleep(LISTEN_PATIENCE_MS, false, { ref: false })])) return { close: end }
    throw new ApiError('UNAVAILABLE', 'The database did not answer in time.')
  } catch (error) {
    await end()
    throw error
  }
}

// Load must not decide whether the database counts as reachable: the ping goes first, and concurrent callers share one.
function pingOnce(db: Database): () => Promise<void> {
  let answer: Promise<void> | undefined
  return () => {
    answer ??= ping(db).finally(() => {
      answer = undefined
    })
    return answer
  }
}

async function ping(db: Database): Promise<void> {
  // Awaited inside: drizzle starts a statement when it is.
  await runUncancellable(async () => await db.execute(sql`select 1`))
}
