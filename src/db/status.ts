import { sql } from 'drizzle-orm'
import type { Database } from './database.ts'
import { missingTables } from './declared-tables.ts'
import { readMigrationNames, readPending } from './migrate.ts'
import { selectRaw } from './rows.ts'

/** The state of a database. */
export interface DatabaseStatus {
  /** The version of PostgreSQL: `17.2`. */
  version: string
  bytes: number
  /** The names of the migrations, in their order. */
  applied: string[]
  pending: string[]
  /** Declared tables and columns that are not there, in words. */
  missing: string[]
}

/** Reads the state of a database. It changes nothing. */
export async function readStatus(db: Database): Promise<DatabaseStatus> {
  const [server] = await selectRaw<{ version: string; bytes: string }>(
    db,
    sql`select split_part(current_setting('server_version'), ' ', 1) as version,
      pg_database_size(current_database())::text as bytes`
  )
  const { version, bytes } = server as { version: string; bytes: string }
  const pending = await readPending(db)
  const applied = readMigrationNames().filter((name) => !pending.includes(name))
  return { version, bytes: Number(bytes), applied, pending, missing: await missingTables(db) }
}
