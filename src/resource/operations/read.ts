import { Type } from '@sinclair/typebox'
import { and, eq, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import type { FastifyRequest } from 'fastify'
import { ApiError } from '../../errors.ts'
import { documentedAs } from '../../schema/fields.ts'
import { etagOf, isNotModified } from '../conditional.ts'
import type { ResourceContext, Row } from '../context.ts'
import { type Asked, attachIncludes } from '../includes.ts'
import { fieldsParameter, includeParameter, SparseSerializers } from '../query/fields.ts'
import { ownerColumn } from '../query/filter.ts'
import { VERSION } from '../resource.ts'
import { IdParams, IfNoneMatch, type MakeRoute, NotModified, orSparse, ownerOf, serializeWith } from '../route.ts'

/** `GET /:id`: one row, or 304 when the caller has it already. */
export const readRoute: MakeRoute = (context) => {
  const { resource } = context
  const sparse = new SparseSerializers(resource.answer, (one) => one)
  return {
    method: 'GET',
    url: '/:id',
    access: 'read',
    schema: {
      summary: `Read ${resource.noun}`,
      params: IdParams,
      querystring: Type.Object(
        { fields: fieldsParameter(resource), ...includeParameter(resource) },
        { additionalProperties: false }
      ),
      headers: IfNoneMatch,
      response: { 200: documentedAs(resource.answer, orSparse(resource)), 304: NotModified }
    },
    async handler(request, reply) {
      const { params, query } = request as OneRequest
      const row = await readRow(context, params.id, ownerOf(request, resource), {
        include: query.include,
        principal: request.principal
      })
      const etag = etagOf(row[VERSION])
      reply.header('etag', etag)
      // What is included may have changed although this row did not.
      if (!query.include && isNotModified(request.headers['if-none-match'], etag)) return reply.code(304).send()
      if (query.fields) serializeWith(reply, sparse.get([...query.fields, ...(query.include ?? [])]))
      return row
    }
  }
}

type OneRequest = FastifyRequest<{ Params: { id: string }; Querystring: { fields?: string[]; include?: string[] } }>

/**
 * One row by its id.
 * @throws ApiError NOT_FOUND when there is none, or it belongs to somebody else.
 */
export async function readRow(context: ResourceContext, id: string, ownerId: string | undefined, asked?: Asked) {
  const row = await findRow(context, id, ownerId)
  if (!row) throw notFound(context)
  await attachIncludes(context, [row], asked)
  return row
}

/** One row by its id, without what `include` adds; undefined when there is none for this owner. */
export async function findRow(
  context: ResourceContext,
  id: string,
  ownerId: string | undefined
): Promise<Row | undefined> {
  const { resource, db, statements } = context
  const statement = statements.get(ownerId === undefined ? 'read' : 'read owned', () =>
    db
      .select(resource.selection as Record<string, AnyPgColumn>)
      .from(resource.table)
      .where(
        and(
          eq(resource.columns.id as AnyPgColumn, sql.placeholder('id')),
          ownerId === undefined ? undefined : eq(ownerColumn(resource), sql.placeholder('owner'))
        )
      )
      .prepare('read')
  )
  const [row] = (await statement.execute({ id, owner: ownerId })) as Row[]
  return row
}

/** The answer for what is not there, or not this caller's: both look the same. */
export function notFound({ resource }: ResourceContext): ApiError {
  return new ApiError('NOT_FOUND', `There is no ${resource.declaration.schema.$id} with this id.`)
}
