import type { TSchema } from '@sinclair/typebox'
import { is, type SQL, sql } from 'drizzle-orm'
import { type AnyPgColumn, PgArray } from 'drizzle-orm/pg-core'
import type { Source } from '../model.ts'
import { arrayOf, baseOf } from './array.ts'
import { type ColumnType, columnType } from './column-type.ts'
import { bytea, json } from './documents.ts'
import { bigint, boolean, float, integer, numeric } from './numbers.ts'
import { char, citext, enumeration, inet, text, uuid } from './text.ts'
import { date, interval, time, timestamp, timestamptz } from './times.ts'

/** Every type of column that has a meaning of its own, in the order of the documentation. */
export const TYPES: ColumnType[] = [
  text,
  char,
  citext,
  integer,
  bigint,
  numeric,
  float,
  boolean,
  uuid,
  date,
  time,
  timestamp,
  timestamptz,
  interval,
  enumeration,
  inet,
  json,
  bytea
]

const byName = new Map(TYPES.flatMap((type) => type.sqlTypes.map((name) => [name, type])))

/** The meaning of a column's type. An unknown type is handled as text: it can be read and written, and not compared. */
export function typeOf(column: AnyPgColumn): ColumnType {
  if (is(column, PgArray)) return arrayOf(typeOf(baseOf(column)))
  if (column.columnType.startsWith('PgEnum')) return enumeration
  const name = column.getSQLType().replace(/ ?\([\d, ]+\)/, '')
  return byName.get(name) ?? other(name)
}

const other = (name: string): ColumnType =>
  columnType({
    name,
    sqlTypes: [name],
    operators: [],
    isOrdered: false,
    hasExtremes: false,
    isSelectedAsText: true,
    isNative: true,
    note: 'As its text.'
  })

/** Where a column is selected from: itself, or its text where the drivers would differ. */
export function sourceOf(column: AnyPgColumn, type = typeOf(column)): Source {
  return type.isSelectedAsText ? sql`${column}::text` : column
}

/** The same for a selection with rows that drizzle maps. */
export function mappedSource(column: AnyPgColumn, schema: TSchema): Source {
  const type = typeOf(column)
  const source = sourceOf(column, type)
  const read = type.isNative ? (value: unknown) => value : type.reader(schema)
  return (sql`${source}` as SQL<unknown>).mapWith(read)
}
