import { globSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { is, sql } from 'drizzle-orm'
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core'
import type { Database } from './database.ts'
import { readPending } from './migrate.ts'
import { selectRaw } from './rows.ts'
import { TABLE_FILES } from './table-files.ts'

/** The database lacks a table or column that the code declares. The message names it, and what to do. */
export class MissingTablesError extends Error {
  override name = 'MissingTablesError'
}

const ROOT = join(import.meta.dirname, '../..')
const MAX_NAMED = 5

/** @throws MissingTablesError when the database lacks a table or a column that the code declares. */
export async function assertTablesExist(db: Database): Promise<void> {
  const missing = await missingTables(db)
  if (missing.length === 0) return
  const pending = await readPending(db)
  const advice =
    pending.length > 0
      ? `npm run migrate applies the ${pending.length} migrations that are pending`
      : 'no migration makes it: npm run migration <name> writes one, npm run migrate applies it'
  const more = missing.length > MAX_NAMED ? ` and ${missing.length - MAX_NAMED} more` : ''
  throw new MissingTablesError(`the database lacks ${missing.slice(0, MAX_NAMED).join(', ')}${more}; ${advice}`)
}

/** Describes the declared tables and columns that the database lacks. */
export const missingTables = async (db: Database): Promise<string[]> =>
  missingFrom(await declaredTables(), await columnsByTable(db))

/** All tables that the code declares. */
export async function declaredTables(): Promise<PgTable[]> {
  const files = globSync(TABLE_FILES, { cwd: ROOT })
  const modules = await Promise.all(
    files.map((file) => import(pathToFileURL(join(ROOT, file)).href) as Promise<Record<string, unknown>>)
  )
  return modules.flatMap((module) => Object.values(module).filter((value) => is(value, PgTable)))
}

/** Describes the missing tables and columns for a reader. A table without any of its columns is missing as a whole. */
export function missingFrom(tables: PgTable[], existing: Map<string, Set<string>>): string[] {
  return tables.flatMap((table) => {
    const { name, columns } = getTableConfig(table)
    const there = existing.get(name)
    if (!there) return [`the table ${name}`]
    return columns.filter((column) => !there.has(column.name)).map((column) => `the column ${name}.${column.name}`)
  })
}

// Only tables on the search path count, because statements find their names there, too.
async function columnsByTable(db: Database): Promise<Map<string, Set<string>>> {
  const rows = await selectRaw<{ name: string; columns: string[] }>(
    db,
    sql`select relname as name, array_agg(attname::text) as columns from pg_class join pg_attribute on attrelid = pg_class.oid
      where relkind in ('r', 'p', 'v', 'm', 'f') and pg_table_is_visible(pg_class.oid) and attnum > 0 and not attisdropped
        and relnamespace <> 'pg_catalog'::regnamespace
      group by relname`
  )
  return new Map(rows.map(({ name, columns }) => [name, new Set(columns)]))
}
