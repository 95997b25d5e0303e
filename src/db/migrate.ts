import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PGlite } from '@electric-sql/pglite'
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { Limiter } from '../concurrency/limiter.ts'
import { type AlterTimes, alterTables, type OnWait } from './alter-tables.ts'
import type { Database, Transaction } from './database.ts'
import { createResilientClient } from './postgres/client.ts'
import type { Primary } from './postgres/primary.ts'
import { withDeadline } from './postgres/timeout.ts'
import { ignoreNotice } from './postgres/url.ts'
import { selectRaw } from './rows.ts'

/** A file of `migrations/`. */
interface Migration {
  /** Its file's name, without the ending. */
  name: string
  /** When it was made, in milliseconds: what it is known by in the database. */
  when: number
}

/** Told what happens, in one line each. */
export interface MigrationReport {
  /** The migrations that are about to be applied. */
  onBegin?(names: string[]): void
  /** What they wait for. */
  onWait?: OnWait
}

/** Writes to a log what a migration does. */
export const reportTo = (log: { info(line: string): void; warn(line: string): void }): MigrationReport => ({
  onBegin: (names) => log.info(`applying ${names.length} migrations: ${names.join(', ')}`),
  onWait: (reason) => log.warn(`the migrations wait for ${reason}`)
})

/** A migration that failed. The message names it, and says what the database said. */
export class MigrationError extends Error {
  override name = 'MigrationError'
}

const FOLDER = join(import.meta.dirname, '../../migrations')
// Migrations take what they take; this is the longest that a timer can be set to.
const NO_LIMIT_MS = 2_147_483_647

/**
 * Applies pending migrations to a PostgreSQL, all or none, on connections of its own and without a time limit.
 * @throws ApiError UNAVAILABLE when the server does not take the connection in time.
 * @throws MigrationError when one fails.
 */
export async function migratePostgres(
  primary: Primary,
  report: MigrationReport = {},
  { connectMs = 5000, times }: { connectMs?: number; times?: AlterTimes } = {}
): Promise<string[]> {
  const { drizzle } = await import('drizzle-orm/postgres-js')
  const prepare = !primary.url.isPooled
  // One to migrate, and one to find out what that waits for.
  const connect = () =>
    postgres({ ...primary.options, max: 2, connect_timeout: 5, fetch_types: false, prepare, onnotice: ignoreNotice })
  const limiter = new Limiter({ inFlight: 2, waiting: 2, waitMs: NO_LIMIT_MS })
  const { client, end } = createResilientClient(connect, limiter, { timeoutMs: NO_LIMIT_MS })
  const db = drizzle({ client }) as unknown as Database
  try {
    await withDeadline(db.execute(sql`select 1`), connectMs)
    const isNeeded = (await readPending(db)).length > 0
    if (!isNeeded) return []
    return await alterTables(db, (tx) => applyPending(tx, report), report.onWait, times)
  } finally {
    await end()
  }
}

/** Applies pending migrations to the embedded database, which only this process can have open. */
export async function migrateEmbedded(client: PGlite, report: MigrationReport = {}): Promise<string[]> {
  const { drizzle } = await import('drizzle-orm/pglite')
  return drizzle({ client }).transaction((tx) => applyPending(tx as unknown as Transaction, report))
}

/** The names of the migrations that were not applied, in their order. */
export async function readPending(db: Database): Promise<string[]> {
  return (await findPending(db)).map(({ name }) => name)
}

/** The names of all migrations, in their order. */
export const readMigrationNames = (): string[] => readMigrations().map(({ name }) => name)

async function findPending(db: Database): Promise<Migration[]> {
  const table = await findJournal(db)
  const known = table ? await selectRaw<{ at: string }>(db, sql`select created_at::text as at from ${table}`) : []
  const applied = new Set(known.map(({ at }) => Number(at)))
  return readMigrations().filter(({ when }) => !applied.has(when))
}

async function applyPending(tx: Transaction, { onBegin }: MigrationReport): Promise<string[]> {
  // Another instance may have been here while this one waited.
  const pending = await findPending(tx)
  if (pending.length === 0) return []
  const names = pending.map(({ name }) => name)
  onBegin?.(names)
  const table = (await findJournal(tx)) ?? (await createJournal(tx))
  for (const { name, when } of pending) {
    const text = readFileSync(join(FOLDER, `${name}.sql`), 'utf8')
    for (const statement of text.split('--> statement-breakpoint')) await applyStatement(tx, name, statement)
    const hash = createHash('sha256').update(text).digest('hex')
    await tx.execute(sql`insert into ${table} (hash, created_at) values (${hash}, ${when})`)
  }
  return names
}

async function applyStatement(tx: Transaction, migration: string, statement: string): Promise<void> {
  try {
    await tx.execute(statement)
  } catch (cause) {
    throw new MigrationError(`migration ${migration} failed, and none was applied`, { cause })
  }
}

// drizzle's migrator keeps it in a schema of its own. To make that takes a role that may create schemas, and a hosted
// database gives out roles that may create in `public` only.
async function findJournal(db: Database) {
  const [row] = await selectRaw<{ own: string | null; drizzle: string | null }>(
    db,
    sql`select to_regclass('public.__drizzle_migrations')::text as own,
      to_regclass('drizzle.__drizzle_migrations')::text as drizzle`
  )
  if (row?.drizzle) return sql`drizzle.__drizzle_migrations`
  return row?.own ? OWN_JOURNAL : undefined
}

const OWN_JOURNAL = sql`public.__drizzle_migrations`

async function createJournal(tx: Transaction) {
  await tx.execute(sql`create table ${OWN_JOURNAL} (id serial primary key, hash text not null, created_at bigint)`)
  return OWN_JOURNAL
}

function readMigrations(): Migration[] {
  const { entries } = JSON.parse(readFileSync(join(FOLDER, 'meta/_journal.json'), 'utf8'))
  return (entries as { tag: string; when: number }[]).map(({ tag, when }) => ({ name: tag, when }))
}
