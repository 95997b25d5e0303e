import { type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import type { Resource } from '../model.ts'
import { isOwned } from '../rows/ownership.ts'
import { bareName } from '../rows/sql.ts'
import type { Keys, ReferenceGuard, UniqueGuard } from './constraints.ts'

/** The answer of a bulk statement for one item: the row that was written for it, or the reasons why none was. */
export interface Written extends Record<string, unknown> {
  id: string
  done: string | null
}

const inItem = (column: AnyPgColumn): SQL => sql`item.${sql.identifier(column.name)}`

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
export const brokenOf = ({ references }: Keys, row: Record<string, unknown>): ReferenceGuard | undefined =>
  references.find((_, index) => row[`@reference${index}`])

/** Whether a stored row, of an alias of the table, has the same key as the item. */
export const hasSameKey = ({ columns }: UniqueGuard, alias: SQL): SQL =>
  sql.join(
    columns.map((column) => sql`${alias}.${bareName(column)} = ${inItem(column)}`),
    sql` and `
  )

/** Which stored row has the same unique value, where the item was not written: `"@unique0"`, …. */
export const takenBy = ({ uniques }: Keys, resource: Resource, ownerId: string | undefined): SQL =>
  sql.join(
    uniques.map(
      (unique, index) => sql`, case when done.id is null then (
        select holder.id from ${resource.table} as holder
        where ${hasSameKey(unique, sql`holder`)} and ${isOwned(resource, ownerId, sql`holder`)}
      ) end as ${uniqueName(index)}`
    )
  )

/** The order in which new rows are inserted, so that two statements with the same keys wait for each other in one order. */
export const insertOrder = ({ uniques: [first] }: Keys): SQL =>
  first ? sql` order by ${sql.join(first.columns.map(inItem), sql`, `)}, item.id` : sql``

/** The lock of rows that are about to be changed: the stronger one only where a column changes that others point to. */
export const lockFor = ({ uniques }: Keys, used: AnyPgColumn[]): SQL =>
  uniques.some(({ columns }) => columns.some((column) => used.includes(column))) ? sql`update` : sql`no key update`
