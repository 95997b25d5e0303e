import { type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import type { Guard, Keys, ReferenceGuard } from './constraints.ts'

/** What a statement that writes many rows says of one: the row that was written for it, and what kept it from being. */
export interface Written extends Record<string, unknown> {
  id: string
  done: string | null
}

export const inItem = (column: AnyPgColumn): SQL => sql`item.${sql.identifier(column.name)}`

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
