import { type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { canSeeAllRows, type Principal } from '#src/identity/principal.ts'
import type { Asked } from '../asked.ts'
import type { Resource, Stored } from '../model.ts'
import { bareName } from './sql.ts'

/** Whether a row of a table belongs to the owner; true for every row without an owner to check. */
export const isOwned = (resource: Resource, ownerId: string | undefined, alias?: SQL): SQL =>
  ownerId === undefined
    ? sql`true`
    : sql`${alias ? sql`${alias}.${bareName(ownerColumn(resource))}` : ownerColumn(resource)} = ${ownerId}`

/** Whether a row that was read belongs to the owner; true for every row without an owner to check. */
export const belongsTo = (stored: Stored, ownerId: string | undefined): boolean =>
  ownerId === undefined || stored['@owner'] === ownerId

/** The column that holds the id of a row's owner. */
export const ownerColumn = ({ columns, declaration }: Resource) => columns[declaration.owner as string] as AnyPgColumn

/** The owner of the rows that the caller may see and touch; undefined for rows of any owner. */
export function ownerOf(request: Asked, { declaration, name }: Resource): string | undefined {
  if (!declaration.owner) return undefined
  const principal = request.principal as Principal
  return canSeeAllRows(principal, name) ? undefined : principal.userId
}
