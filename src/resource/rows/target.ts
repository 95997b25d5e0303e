import { and, eq, type SQL } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import type { FastifyRequest } from 'fastify'
import { causesText, isCaused } from '#src/events/cause.ts'
import { isMet, preconditionFailed, preconditionOf, preconditionSql } from '#src/http/conditional.ts'
import { causeIn } from '../caused.ts'
import type { ResourceContext } from '../context.ts'
import { type One, type Resource, type Stored, VERSION } from '../model.ts'
import { isOwned, ownerOf } from './ownership.ts'
import { notFound, readOne } from './read-one.ts'

/** The row that the path of a request names. @throws ApiError as `preconditionOf` does. */
export function oneOf(request: FastifyRequest, resource: Resource): One {
  const { id } = request.params as { id: string }
  const { requireIfMatch } = resource.declaration
  return {
    id,
    ownerId: ownerOf(request, resource),
    precondition: preconditionOf(request.headers, requireIfMatch),
    cause: causeIn(request, resource)
  }
}

/** The condition of a changing statement: the row is the one that the request names. It tells the triggers the cause. */
export function isOne({ resource: { columns }, resource }: ResourceContext, one: One): SQL {
  const { id, ownerId, precondition, cause } = one
  return and(
    eq(columns.id as AnyPgColumn, id),
    isOwned(resource, ownerId),
    precondition && preconditionSql(precondition, columns.version as AnyPgColumn),
    cause && isCaused(causesText([['', cause]]))
  ) as SQL
}

/** Says why a statement with that condition found no row. @throws ApiError NOT_FOUND or PRECONDITION_FAILED. */
export async function refuseOne(context: ResourceContext, { id, ownerId, precondition }: One): Promise<never> {
  if (precondition === undefined) throw notFound(context)
  await readOne(context, id, ownerId)
  throw preconditionFailed()
}

/**
 * Reads the row as it is, when it still has the version that the caller read.
 * @throws ApiError NOT_FOUND or PRECONDITION_FAILED.
 */
export async function readUnchanged(context: ResourceContext, { id, ownerId, precondition }: One): Promise<Stored> {
  const stored = await readOne(context, id, ownerId)
  if (precondition && !isMet(precondition, stored[VERSION])) throw preconditionFailed()
  return stored
}

/** The same, and locks it until the transaction of the context ends. Another user's row is neither locked nor waited for. */
export async function lockOne(context: ResourceContext, one: One): Promise<Stored> {
  const { table, columns } = context.resource
  const id = columns.id as AnyPgColumn
  await context.db
    .select({ id })
    .from(table)
    .where(and(eq(id, one.id), isOwned(context.resource, one.ownerId)))
    .for('update')
  return readUnchanged(context, one)
}
