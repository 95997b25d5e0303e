import { type SQL, sql } from 'drizzle-orm'
import type { Field } from '../model.ts'

/** One value of a row that makes a group: a field, or the time in which a moment of it lies. */
export interface GroupKey {
  /** The name in `groupBy` and in the answer: `createdAt.month`. */
  name: string
  field: Field
  expression: SQL
}

// Written out, since a parameter in `select` and in `group by` would be two.
const UNITS: [unit: string, literal: SQL][] = [
  ['hour', sql`'hour'`],
  ['day', sql`'day'`],
  ['week', sql`'week'`],
  ['month', sql`'month'`],
  ['quarter', sql`'quarter'`],
  ['year', sql`'year'`]
]

/**
 * The values that rows can be grouped by: fields, and the hour, day, week, month, quarter and year of times, in UTC.
 */
export function groupKeys(fields: Field[]): GroupKey[] {
  return fields.flatMap((field) => [
    { name: field.name, field, expression: sql`${field.column}` },
    ...UNITS.flatMap(([unit, literal]) => {
      const expression = bucketSql(field, unit, literal)
      return expression ? [{ name: `${field.name}.${unit}`, field, expression }] : []
    })
  ])
}

function bucketSql({ column, type }: Field, unit: string, literal: SQL): SQL | undefined {
  if (type.name === 'timestamp with time zone') return sql`date_trunc(${literal}, ${column}, 'UTC')`
  if (type.name === 'timestamp') return sql`date_trunc(${literal}, ${column})`
  return type.name === 'date' && unit !== 'hour' ? sql`date_trunc(${literal}, ${column}::timestamp)::date` : undefined
}

/** Gives the values that a request groups by, in its order. */
export const keysNamed = (keys: GroupKey[], names: string[] = []): GroupKey[] =>
  names.map((name) => keys.find((key) => key.name === name) as GroupKey)
