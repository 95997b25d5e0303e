import type { TSchema } from '@sinclair/typebox'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'

/** The operators of filters: `field[operator]=value`. */
export type Operator = 'eq' | 'ne' | 'gt' | 'gte' | 'lt' | 'lte' | 'in' | 'nin' | 'like' | 'ilike' | 'has' | 'isNull'

/** The JSON types that a schema can declare. */
export type JsonType = 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object' | 'any'

/** The operators of types that can only be equal or not. */
export const EQUALITY: Operator[] = ['eq', 'ne', 'in', 'nin']

/** The operators of types with an order. */
const COMPARISON: Operator[] = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'nin']

/**
 * What a type of column means to callers: on the wire, in a filter, an order, a cursor and a CSV file. No type names itself
 * in SQL: PostgreSQL takes the type of a parameter from the column that it is compared with.
 */
export interface ColumnType {
  /** The name of the type in the documentation. */
  name: string
  /** The types of PostgreSQL, without length and precision. */
  sqlTypes: string[]
  /** The JSON types that the schema of its field may have. */
  wire: JsonType[]
  /** The operators of its filters; `isNull` is added for every field that may be null. */
  operators: Operator[]
  /** Whether it has an order, for `sort`, cursors and groups. */
  isOrdered: boolean
  /** Whether PostgreSQL has `min` and `max` of it. */
  hasExtremes: boolean
  /** Whether it can be added up. */
  isSummable: boolean
  /** Whether it is selected as its text, where the two drivers read it differently. */
  isSelectedAsText: boolean
  /** Whether the driver's own value is that of the wire, so that rows are read without a step for it. */
  isNative: boolean
  /** Makes the function that reads a value, from the driver or from the text of PostgreSQL. */
  reader: (schema: TSchema) => (value: unknown) => unknown
  /**
   * Makes the function that converts a value of the wire for the column; undefined when the column takes the value
   * itself. It throws ApiError VALIDATION_FAILED naming the field, when the column cannot hold the value.
   */
  store?: (column: AnyPgColumn, path: string[], schema: TSchema) => ((value: unknown) => unknown) | undefined
  /** Converts a value of a filter or cursor for PostgreSQL's comparison; undefined when no conversion is needed. */
  parameter?: (value: unknown) => unknown
  /** The schema of one value in a filter, from that of the field without null and bounds. */
  filter: (schema: TSchema, column: AnyPgColumn) => TSchema
  /** What the documentation says besides. */
  note: string
}

/** Makes a type from its differences to the default: text that has an order and can be compared. */
export function columnType(special: Pick<ColumnType, 'name' | 'sqlTypes' | 'note'> & Partial<ColumnType>): ColumnType {
  return {
    wire: ['string'],
    operators: COMPARISON,
    isOrdered: true,
    hasExtremes: true,
    isSummable: false,
    isSelectedAsText: false,
    isNative: special.reader === undefined,
    reader: () => (value) => value,
    filter: (schema) => schema,
    ...special
  }
}

/** The digits after the point that a column of time keeps: `time(3)`; 6 where it does not say. */
export function precisionOf(column: AnyPgColumn): number {
  const [, digits = '6'] = /\((\d)\)/.exec(column.getSQLType()) ?? []
  return Number(digits)
}

/** A time without the digits that a column does not keep: cut, since rounding up may end in another year. */
export const cutFraction = (text: string, digits: number): string =>
  text.replace(/\.(\d+)/, (fraction) => (digits === 0 ? '' : fraction.slice(0, digits + 1)))
