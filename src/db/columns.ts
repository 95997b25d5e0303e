import { type SQL, sql } from 'drizzle-orm'
import { type AnyPgColumn, customType, index, integer, type PgTable, uuid } from 'drizzle-orm/pg-core'
import { v7 } from 'uuid'
import { toRfc3339 } from './moments.ts'

/** A moment, as RFC 3339 text in UTC with milliseconds. */
export const timestamp = customType<{ data: string; driverData: string }>({
  dataType: () => 'timestamp (3) with time zone',
  toDriver: cutToMilliseconds,
  fromDriver: toRfc3339
})

/** Cuts a moment to the milliseconds that are stored: PostgreSQL would round it, into the next year if need be. */
function cutToMilliseconds(text: string): string {
  return text.replace(MORE_THAN_MILLISECONDS, '$1')
}

const MORE_THAN_MILLISECONDS = /(\.\d{3})\d+/

/** The columns that every resource has: a UUIDv7 made here (PostgreSQL makes them from 18 on), times, and a version. */
export const resourceColumns = () => ({
  id: uuid('id').primaryKey().$defaultFn(v7),
  createdAt: timestamp('created_at').notNull().default(sql`now()`),
  updatedAt: timestamp('updated_at').notNull().default(sql`now()`),
  /** Counts the changes; the ETag is made from it. */
  version: integer('version').notNull().default(1)
})

/**
 * The words that `q` searches, as an expression that an index can hold. Written one way only, or the index is not used.
 * `tenon_search_document` comes with a migration: `simple` of PostgreSQL keeps `black/white` and `node.js` as one word each.
 */
export function searchDocument(columns: AnyPgColumn[]): SQL {
  const texts = columns.map((column) => sql`coalesce(${column}, '')`)
  return sql`tenon_search_document(${sql.join(texts, sql` || ' ' || `)})`
}

/** The index behind `list.search`: name it after its table, and give the columns in the order of the declaration. */
export const searchIndex = (name: string, ...columns: AnyPgColumn[]) =>
  index(name).using('gin', searchDocument(columns))

export type ResourceTable = PgTable & { [K in keyof ReturnType<typeof resourceColumns>]: AnyPgColumn }
