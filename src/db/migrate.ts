import { fileURLToPath } from 'node:url'
import type { PGlite } from '@electric-sql/pglite'
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { Limiter } from '../concurrency/limiter.ts'
import type { Transaction } from './database.ts'
import { createResilientClient } from './postgres/client.ts'
import { withDeadline } from './postgres/timeout.ts'

const MIGRATIONS = { migrationsFolder: fileURLToPath(new URL('../../migrations', import.meta.url)) }

// Any number that nobody else uses; all instances must use the same one.
const MIGRATION_LOCK = 7_236_001

// Migrations take what they take; this is the longest that a timer can be set to.
const NO_LIMIT_MS = 2_147_483_647

/**
 * Applies pending migrations to a PostgreSQL, all or none, on a connection of its own and without a time limit.
 * Instances that do so at once take turns: by a lock of the transaction, since one of the session would stay with a
 * pooler's connection when nobody is there to give it back.
 * @throws ApiError UNAVAILABLE when the server does not take the connection in time.
 */
export async function migratePostgres(url: string, isPooled = false, connectMs = 5000): Promise<void> {
  const { drizzle } = await import('drizzle-orm/postgres-js')
  const { migrate } = await import('drizzle-orm/postgres-js/migrator')
  const connect = () =>
    postgres(url, { max: 1, connect_timeout: 5, fetch_types: false, prepare: !isPooled, onnotice: () => {} })
  const gate = new Limiter({ inFlight: 1, waiting: 0, waitMs: 0 })
  const { client, end } = createResilientClient(connect, gate, { timeoutMs: NO_LIMIT_MS })
  const db = drizzle({ client })
  try {
    await withDeadline(db.execute(sql`select 1`), connectMs)
    await db.transaction(async (tx) => {
      await lockMigrations(tx as never)
      await migrate(tx as never, MIGRATIONS)
    })
  } finally {
    await end()
  }
}

/** Applies pending migrations to the embedded database, which only this process can have open. */
export async function migrateEmbedded(client: PGlite): Promise<void> {
  const { drizzle } = await import('drizzle-orm/pglite')
  const { migrate } = await import('drizzle-orm/pglite/migrator')
  await migrate(drizzle({ client }), MIGRATIONS)
}

/** Takes the turn of who changes the tables, until the transaction ends. */
export async function lockMigrations(tx: Transaction): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`)
}
