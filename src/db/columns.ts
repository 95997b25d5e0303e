import { type SQL, sql } from 'drizzle-orm'
import { type AnyPgColumn, customType, index, integer, type PgTable, uuid } from 'drizzle-orm/pg-core'
import { v7 } from 'uuid'

// What is missing of the text of a moment, by where its zone begins: PostgreSQL leaves out zeros at the end of a fraction.
const ENDS: Record<number, string> = { 19: '.000Z', 21: '00Z', 22: '0Z', 23: 'Z' }

/**
 * A moment, as RFC 3339 text in UTC with milliseconds.
 * No Date in between: the connection's time zone is UTC, so "2026-01-31 09:30:00.5+00" only needs rewriting.
 * What other programs store beyond RFC 3339 is told as PostgreSQL reads it: `infinity`, `0044-03-15T00:00:00.000Z BC`,
 * `10000-01-01T00:00:00.000Z`.
 */
export const timestamp = customType<{ data: string; driverData: string }>({
  dataType: () => 'timestamp (3) with time zone',
  toDriver: cutToMilliseconds,
  fromDriver(text) {
    const zoneAt = text.length - 3
    if (text[10] !== ' ' || text[zoneAt] !== '+') return rareMoment(text)
    return `${text.slice(0, 10)}T${text.slice(11, zoneAt)}${ENDS[zoneAt]}`
  }
})

/** Cuts a moment to the milliseconds that are stored: PostgreSQL would round it, into the next year if need be. */
export function cutToMilliseconds(text: string): string {
  return text.replace(MORE_THAN_MILLISECONDS, '$1')
}

const MORE_THAN_MILLISECONDS = /(\.\d{3})\d+/

function rareMoment(text: string): string {
  const parts = /^(\d+-\d\d-\d\d) ([\d:]+)(?:\.(\d+))?\+00( BC)?$/.exec(text)
  if (!parts) return text
  const [, date, time, fraction = '', era = ''] = parts
  return `${date}T${time}.${fraction.padEnd(3, '0')}Z${era}`
}

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
