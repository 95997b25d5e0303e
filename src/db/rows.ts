import type { SQL } from 'drizzle-orm'
import type { Database } from './open.ts'

/** The rows that a statement written as SQL answers with, as the driver reads them: no column types are applied. */
export async function selectRaw<T>(db: Database, statement: SQL): Promise<T[]> {
  // postgres.js answers with the rows, PGlite with an object that has them.
  const result = (await db.execute(statement)) as unknown as T[] | { rows: T[] }
  return Array.isArray(result) ? result : result.rows
}
