import { and, eq } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { type Precondition, preconditionFailed, preconditionOf, preconditionSql } from '../conditional.ts'
import type { ResourceContext } from '../context.ts'
import { guarded } from '../guard.ts'
import { ownerColumn } from '../query/filter.ts'
import { IdParams, IfMatch, type MakeRoute, NoContent, ownerOf } from '../route.ts'
import { notFound, readOne } from './read.ts'

/** `DELETE /:id`. */
export const removeRoute: MakeRoute = (context) => {
  const { resource } = context
  const isRequired = resource.declaration.requireIfMatch
  return {
    method: 'DELETE',
    url: '/:id',
    access: 'delete',
    schema: {
      summary: `Delete ${resource.noun}`,
      params: IdParams,
      headers: IfMatch,
      response: { 204: NoContent }
    },
    async change(request) {
      const { id } = request.params as { id: string }
      const ownerId = ownerOf(request, resource)
      const precondition = preconditionOf(request.headers, isRequired)
      return async (on) => {
        await guarded(on, request, { id }, (inner) => removeRow(inner, id, ownerId, precondition))
        return { status: 204, headers: {} }
      }
    }
  }
}

// Says NOT_FOUND, or PRECONDITION_FAILED when it is no longer the version that the caller read.
async function removeRow(
  context: ResourceContext,
  id: string,
  ownerId: string | undefined,
  precondition: Precondition | undefined
): Promise<void> {
  const { resource, db } = context
  const removed = await db
    .delete(resource.table)
    .where(
      and(
        eq(resource.columns.id as AnyPgColumn, id),
        ownerId === undefined ? undefined : eq(ownerColumn(resource), ownerId),
        precondition && preconditionSql(precondition, resource.columns.version as AnyPgColumn)
      )
    )
    .returning({ id: resource.columns.id as AnyPgColumn })
  if (removed.length > 0) return
  if (precondition === undefined) throw notFound(context)
  await readOne(context, id, ownerId)
  throw preconditionFailed()
}
