import { is, SQL, sql } from 'drizzle-orm'
import { type AnyPgColumn, PgColumn } from 'drizzle-orm/pg-core'
import { timestampJson } from '../db/tables/columns.ts'
import type { Selection } from './resource.ts'

/**
 * SQL for the JSON text of a selection, in its shape and order. PostgreSQL writes what is answered, because that costs
 * this process less than to read the columns and to serialize them here; BENCH.
 */
export const jsonText = (selection: Selection): SQL<string> => sql<string>`${jsonOf(selection)}::text`

// json_build_object takes half as long again.
function jsonOf(selection: Selection): SQL {
  const fields = Object.entries(selection).map(([name, one]) => sql`${fieldOf(one)} as ${sql.identifier(name)}`)
  return sql`(select row_to_json(r) from (select ${sql.join(fields, sql`, `)}) as r)`
}

function fieldOf(one: AnyPgColumn | SQL | Selection): SQL {
  if (is(one, PgColumn)) return one.getSQLType().startsWith('timestamp') ? timestampJson(one) : sql`${one}`
  return is(one, SQL) ? one : jsonOf(one as Selection)
}
