import { type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { takeTurns } from '#src/concurrency/turns.ts'
import type { Columns, Resource } from '../model.ts'

export const commaList = (parts: SQL[]): SQL => sql.join(parts, sql`, `)

export const bareName = (column: AnyPgColumn): SQL => sql`${sql.identifier(column.name)}`

/**
 * Rows as one JSON parameter, under the names that the columns have in the database: `jsonb_populate_record` reads it
 * with the types of the table itself, arrays too, which `unnest` would flatten.
 */
export function jsonRows(resource: Resource, rows: Columns[]): string {
  return JSON.stringify(rows.map(namedBy(resource)))
}

/** The same for many rows of a caller: row by row, so that 16 MiB of them do not hold up others. */
export async function jsonRowsInTurns(resource: Resource, rows: Columns[]): Promise<string> {
  const named = namedBy(resource)
  const pause = takeTurns()
  const texts: string[] = []
  for (const row of rows) {
    await pause()
    texts.push(JSON.stringify(named(row)))
  }
  return `[${texts.join(',')}]`
}

function namedBy({ columns }: Resource) {
  const names = new Map(Object.entries(columns).map(([key, column]) => [key, column.name]))
  return function named(row: Columns): Record<string, unknown> {
    const renamed: Record<string, unknown> = {}
    for (const key in row) renamed[names.get(key) ?? key] = row[key]
    return renamed
  }
}

/** The columns that any of the rows has, in the order of the table. */
export function usedColumns({ columns }: Resource, rows: Columns[]): AnyPgColumn[] {
  const used = new Set<string>()
  for (const row of rows) for (const key in row) used.add(key)
  return Object.entries(columns).flatMap(([key, column]) => (used.has(key) ? [column] : []))
}

/** The text form of a PostgreSQL array. */
export function arrayText(values: unknown[]): string {
  return `{${values.map((value) => `"${String(value).replace(/["\\]/g, '\\$&')}"`).join(',')}}`
}
