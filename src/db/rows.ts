import type { SQL } from 'drizzle-orm'
import type { Database } from './database.ts'

/** The rows that a statement written as SQL answers with, as the driver reads them: no column types are applied. */
export async function selectRaw<T>(db: Database, statement: SQL): Promise<T[]> {
  // postgres.js answers with the rows, PGlite with an object that has them.
  const result = (await db.execute(statement)) as unknown as T[] | { rows: T[] }
  return Array.isArray(result) ? result : result.rows
}

/** A prepared statement that gives its rows as arrays, as the driver reads them. */
interface ArrayStatement {
  execute(values?: Record<string, unknown>): Promise<unknown[][]>
}

/**
 * Takes from a prepared statement of drizzle's the mapping of its rows: to find out for each value of each row what kind of
 * column it comes from costs as much as all else. It is what drizzle does itself for its relational queries.
 */
export function asArrays(prepared: object): ArrayStatement {
  return Object.assign(prepared, { customResultMapper: (rows: unknown[][]) => rows }) as object as ArrayStatement
}
