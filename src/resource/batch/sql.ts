import { type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { ownerColumn } from '../query/filter.ts'
import type { Resource } from '../resource.ts'
import type { Guard, Keys, ReferenceGuard } from './keys.ts'

/** A row by the names of its columns in the table object. */
export type Columns = Record<string, unknown>

/** What a statement that writes many rows says of one: the row that was written for it, and what kept it from being. */
export interface Written extends Record<string, unknown> {
  id: string
  done: string | null
}

export const commaList = (parts: SQL[]): SQL => sql.join(parts, sql`, `)
export const bareName = (column: AnyPgColumn): SQL => sql`${sql.identifier(column.name)}`
export const inItem = (column: AnyPgColumn): SQL => sql`item.${sql.identifier(column.name)}`

/**
 * Rows as one JSON parameter, under the names that the columns have in the database: `jsonb_populate_record` reads it
 * with the types of the table itself, arrays too, which `unnest` would flatten.
 */
export function jsonRows({ columns }: Resource, rows: Columns[]): string {
  const names = new Map(Object.entries(columns).map(([key, column]) => [key, column.name]))
  return JSON.stringify(
    rows.map((row) => {
      const named: Record<string, unknown> = {}
      for (const key in row) named[names.get(key) ?? key] = row[key]
      return named
    })
  )
}

/** The columns that any of the rows has, in the order of the table. */
export function usedColumns({ columns }: Resource, rows: Columns[]): AnyPgColumn[] {
  const used = new Set<string>()
  for (const row of rows) for (const key in row) used.add(key)
  return Object.entries(columns).flatMap(([key, column]) => (used.has(key) ? [column] : []))
}

/** Whether a row of `item` points to nothing. */
export const isBroken = ({ column, target }: ReferenceGuard): SQL => sql`
  (${inItem(column)} is not null and not exists (select 1 from ${target.table} where ${target.column} = ${inItem(column)}))`

/** For each reference of the table whether it is broken: `"@reference0"`, …, to be selected beside `item.*`. */
export const brokenColumns = ({ references }: Keys): SQL =>
  sql.join(references.map((guard, index) => sql`, ${isBroken(guard)} as ${referenceName(index)}`))

/** Whether none of them is. */
export const isWhole = ({ references }: Keys): SQL =>
  references.length === 0
    ? sql`true`
    : sql`not (${sql.join(
        references.map((_, index) => sql`item.${referenceName(index)}`),
        sql` or `
      )})`

/** The same columns in the answer of the statement. */
export const reportedReferences = ({ references }: Keys): SQL =>
  sql.join(references.map((_, index) => sql`, item.${referenceName(index)}`))

const referenceName = (index: number) => sql.identifier(`@reference${index}`)
export const uniqueName = (index: number) => sql.identifier(`@unique${index}`)

/** The reference that a row of the answer reports as broken. */
export const brokenOf = ({ references }: Keys, row: Record<string, unknown>): Guard | undefined =>
  references.find((_, index) => row[`@reference${index}`])

/** Whether a row of a table belongs to the owner; any does where there is none. */
export const isOwned = (resource: Resource, ownerId: string | undefined, alias?: SQL): SQL =>
  ownerId === undefined
    ? sql`true`
    : sql`${alias ? sql`${alias}.${bareName(ownerColumn(resource))}` : ownerColumn(resource)} = ${ownerId}`
