import type { TSchema } from '@sinclair/typebox'
import { is } from 'drizzle-orm'
import { type AnyPgColumn, PgArray } from 'drizzle-orm/pg-core'
import { parseArray } from '#src/db/array-text.ts'
import { bare } from '#src/schema/fields.ts'
import { type ColumnType, columnType } from './column-type.ts'

/** An array of what another type is. */
export function arrayOf(element: ColumnType): ColumnType {
  // Both drivers read this one alike, and it is the most common.
  const isNative = element.name === 'text'
  const { parameter } = element
  return columnType({
    name: `${element.name}[]`,
    sqlTypes: [],
    wire: ['array'],
    operators: element.operators.length > 0 ? ['has'] : [],
    isOrdered: false,
    hasExtremes: false,
    isSelectedAsText: !isNative,
    isNative,
    reader(schema) {
      const read = element.reader(itemsOf(schema))
      return (value) => parseArray(value as string, read)
    },
    store(column, path, schema) {
      const store = element.store?.(baseOf(column), path, itemsOf(schema))
      return store && ((value) => inEach(value, store))
    },
    ...(parameter && { parameter: (value) => inEach(value, parameter) }),
    filter: (schema, column) => element.filter(itemsOf(schema), baseOf(column)),
    note: element.note
  })
}

// Of an array of several dimensions the innermost.
function itemsOf(schema: TSchema): TSchema {
  const { type, items } = bare(schema)
  return type === 'array' && items ? itemsOf(items) : schema
}

/** The column that an element of an array would be. */
export function baseOf(column: AnyPgColumn): AnyPgColumn {
  return is(column, PgArray) ? baseOf(column.baseColumn as AnyPgColumn) : column
}

function inEach(value: unknown, store: (one: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => inEach(one, store))
  return value === null ? null : store(value)
}
