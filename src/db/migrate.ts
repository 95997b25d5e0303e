import type { PGlite } from '@electric-sql/pglite'
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { withDeadline } from './deadline.ts'
import type { Transaction } from './open.ts'

const MIGRATIONS = { migrationsFolder: new URL('../../migrations', import.meta.url).pathname }

// Any number that nobody else uses; all instances must use the same one.
const MIGRATION_LOCK = 7_236_001

/**
 * Applies pending migrations to a PostgreSQL, on a connection of its own and without a time limit.
 * @throws ApiError UNAVAILABLE when the server does not take the connection in time.
 */
export async function migratePostgres(url: string, connectMs = 5000): Promise<void> {
  const { drizzle } = await import('drizzle-orm/postgres-js')
  const { migrate } = await import('drizzle-orm/postgres-js/migrator')
  const client = postgres(url, { max: 1, connect_timeout: 5, fetch_types: false, onnotice: () => {} })
  try {
    await withDeadline(client`select 1`, connectMs)
    await client`select pg_advisory_lock(${MIGRATION_LOCK})`
    await migrate(drizzle({ client }), MIGRATIONS)
  } finally {
    // Ends the session, and the lock with it.
    await client.end({ timeout: 1 })
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
