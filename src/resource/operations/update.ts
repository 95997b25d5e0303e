import type { TObject } from '@sinclair/typebox'
import { and, eq, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import { asArrays } from '../../db/rows.ts'
import { answerStored } from '../answer.ts'
import { isMet, type Precondition, preconditionFailed, preconditionOf, preconditionSql } from '../conditional.ts'
import { inTransaction, type ResourceContext } from '../context.ts'
import { guarded } from '../guard.ts'
import { ownerColumn } from '../query/filter.ts'
import { VERSION } from '../resource.ts'
import { type ChangeRoute, IdParams, IfMatch, type MakeRoute, ownerOf } from '../route.ts'
import { assertRules, mergePatch } from '../rules.ts'
import { openRow, type Stored } from '../stored.ts'
import { toColumns } from '../write.ts'
import { notFound, readOne } from './read.ts'

/** `PATCH /:id`: what the body names is changed (RFC 7396). */
export const updateRoute: MakeRoute = (context) => ({
  ...changeRoute(context, context.resource.variants.Update),
  method: 'PATCH'
})

/** `PUT /:id`: the whole row is replaced; fields that were left out get their defaults. */
export const replaceRoute: MakeRoute = (context) => ({
  ...changeRoute(context, context.resource.variants.Replace),
  method: 'PUT'
})

function changeRoute(context: ResourceContext, body: TObject): Omit<ChangeRoute, 'method'> {
  const { resource } = context
  const isRequired = resource.declaration.requireIfMatch
  const isPatch = body === resource.variants.Update
  return {
    url: '/:id',
    access: 'write',
    schema: {
      summary: `${isPatch ? 'Change' : 'Replace'} ${resource.noun}`,
      ...(isPatch && { consumes: ['application/json', 'application/merge-patch+json'] }),
      params: IdParams,
      headers: IfMatch,
      body,
      response: { 200: resource.answer }
    },
    async change(request) {
      const { id } = request.params as { id: string }
      const body = request.body as Record<string, unknown>
      const precondition = preconditionOf(request.headers, isRequired)
      if (!isPatch) assertRules(resource, body)
      const values = await toColumns(resource, body)
      const change = { id, values, ownerId: ownerOf(request, resource), precondition }
      const make = (on: ResourceContext) => (isPatch ? patchRow(on, change, body) : updateRow(on, change))
      return async (on) => answerStored(on, await guarded(on, request, { id, body }, make))
    }
  }
}

interface Change {
  id: string
  /** The columns to set. */
  values: Record<string, unknown>
  ownerId: string | undefined
  precondition: Precondition | undefined
}

/*
 * Changes what a patch names. Where the resource has rules they are checked on the row with the patch merged into it,
 * which is locked meanwhile, so that two patches that are right by themselves cannot be wrong together.
 */
async function patchRow(context: ResourceContext, change: Change, patch: object): Promise<Stored> {
  const { resource, db } = context
  if (!resource.declaration.rules) return updateRow(context, change)
  return db.transaction(async (tx) => {
    const on = inTransaction(context, tx)
    const stored = await lockRow(on, change.id, change.ownerId, change.precondition)
    assertRules(resource, mergePatch(openRow(stored), patch))
    return updateRow(on, change)
  })
}

/**
 * Locks a row for a transaction, and reads it as it is from then on.
 * @throws ApiError NOT_FOUND, or PRECONDITION_FAILED when it is no longer the version that the caller read.
 */
export async function lockRow(
  on: ResourceContext,
  id: string,
  ownerId: string | undefined,
  precondition: Precondition | undefined
): Promise<Stored> {
  const { table, columns } = on.resource
  const key = columns.id as AnyPgColumn
  await on.db.select({ id: key }).from(table).where(eq(key, id)).for('update')
  return readUnchanged(on, id, ownerId, precondition)
}

/**
 * Changes a row, in one statement that also checks who owns it and which version it has.
 * @throws ApiError NOT_FOUND, or PRECONDITION_FAILED when it is no longer the version that the caller read.
 */
export async function updateRow(
  context: ResourceContext,
  { id, values, ownerId, precondition }: Change
): Promise<Stored> {
  const { resource, db } = context
  if (Object.keys(values).length === 0) return readUnchanged(context, id, ownerId, precondition)
  const version = resource.columns.version as AnyPgColumn
  const statement = db
    .update(resource.table)
    .set({ ...values, updatedAt: sql`now()`, version: sql`${version} + 1` })
    .where(
      and(
        eq(resource.columns.id as AnyPgColumn, id),
        ownerId === undefined ? undefined : eq(ownerColumn(resource), ownerId),
        precondition && preconditionSql(precondition, version)
      )
    )
    .returning(resource.stored.selection)
    // Without a name it is not kept: there are as many as there are choices of fields.
    .prepare(undefined as never)
  const [row] = await asArrays(statement).execute()
  if (row) return resource.stored.read(row)
  if (precondition === undefined) throw notFound(context)
  await readOne(context, id, ownerId)
  throw preconditionFailed()
}

// As it is, when it still has the version that the caller read. An empty patch changes nothing, so it ends here.
async function readUnchanged(
  context: ResourceContext,
  id: string,
  ownerId: string | undefined,
  precondition: Precondition | undefined
): Promise<Stored> {
  const stored = await readOne(context, id, ownerId)
  if (precondition && !isMet(precondition, stored[VERSION])) throw preconditionFailed()
  return stored
}
